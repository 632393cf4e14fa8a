"""A server that speaks the vendor's protocol and misbehaves on request; it shares no code with ``recorder``."""

from tests.vendor.ledger import Attempt, Sent
from tests.vendor.matches import Match, load, names
from tests.vendor.script import Auth, Drop, Script, Start
from tests.vendor.server import VendorServer
from tests.vendor.wire import ACCEPT

__all__ = ["ACCEPT", "Attempt", "Auth", "Drop", "Match", "Script", "Sent", "Start", "VendorServer", "load", "names"]
