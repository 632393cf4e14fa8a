"""How fast this recorder makes frames durable, against what people would use or write instead. Run: make bench.

Every figure stands beside a rival's that was measured in the same run, in turn with it, on the same packets from the
same server. Files: ``packets`` what is sent, ``server`` sends it, ``ours`` and ``rivals`` receive it (each a process of
its own: ``processes``), ``measuring`` one round, ``scene`` what is found, ``scenes`` and ``archives`` what is
compared, ``filling`` a large archive, ``__main__`` the tables and the JSON file.
"""
