"""The loop: an archive is served as the vendor would serve it, recorded into a new one, and both are compared.

``python -m recorder.replay.looping --database-url URL [--chaos SEED] [--into URL]``
"""

from recorder.replay.looping.comparing import Compared, compare
from recorder.replay.looping.running import Looped, loop

__all__ = ["Compared", "Looped", "compare", "loop"]
