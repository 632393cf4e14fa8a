"""One stream: dial, obey the feed's session, hand what it says to the archive's writer, dial again.

The only room where wire and archive meet.
"""

from recorder.capture.recording import Capture, Vendor

__all__ = ["Capture", "Vendor"]
