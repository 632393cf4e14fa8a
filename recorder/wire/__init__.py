"""One connection to the vendor: the only room that opens a socket to it. Moves bytes, understands none of them."""

from recorder.wire.connection import KEPT_OF_LARGER_BYTES, Connection, Received
from recorder.wire.dialling import MAX_MESSAGE_BYTES, dial
from recorder.wire.greeting import Greeting, greet
from recorder.wire.intake import Intake
from recorder.wire.shortening import Shortener

__all__ = [
    "KEPT_OF_LARGER_BYTES",
    "MAX_MESSAGE_BYTES",
    "Connection",
    "Greeting",
    "Intake",
    "Received",
    "Shortener",
    "dial",
    "greet",
]
