"""The daemon: many streams, one archive, one account; and what is done beside the recording.

`running` begins and ends it (`parts` it is put together from, `leaving` when asked to, `concluding` with what has to be
said), `following` keeps to the list while that is edited, `attending` looks after it and tells those who watch.
"""

from recorder.daemon.running import Daemon, run
from recorder.daemon.settings import Settings

__all__ = ["Daemon", "Settings", "run"]
