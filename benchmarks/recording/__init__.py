"""How fast this recorder makes frames durable, against what people would use or write instead. Run: make bench.

Every figure stands beside a rival's that was measured in the same run, in turn with it, on the same packets from the
same server. Files: ``packets`` what is sent, ``server`` sends it, ``ours`` and ``rivals`` receive it (each a process of
its own: ``processes``), ``measuring`` one round, ``scenes`` what is compared, ``__main__`` the table and the JSON file.
"""
