"""HTTP/1 as both addresses speak it: the policy, what frames requests by it, the connection, and the server."""

from postroad.web.wire.asgi import HOLD
from postroad.web.wire.places import Bounds, bounds_within
from postroad.web.wire.server import Listening, Wire
from postroad.web.wire.tally import WireTally

__all__ = ["HOLD", "Bounds", "Listening", "Wire", "WireTally", "bounds_within"]
