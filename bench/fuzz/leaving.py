"""What was taken of anybody leaves again: routed, masked, written for destinations, and shown to operators."""

import json
from typing import Final

from house import House, demand

from postroad.cli.tail import summary
from postroad.config.model import Pii
from postroad.contract.calls import Type
from postroad.contract.decode import Unusable, decode
from postroad.contract.stored import is_retry, make_key, pack, unpack
from postroad.delivery.items import make_event
from postroad.delivery.routing import Route, filter_of
from postroad.destinations.file import line
from postroad.destinations.http.calls import members_of
from postroad.destinations.mixpanel import event as mixpanel
from postroad.destinations.segment import message_id
from postroad.destinations.warehouse.columns import columns_of
from postroad.log.base import Record
from postroad.shaping.privacy import Mask

_AT: Final = 1_705_314_605_000_000
_MASKS: Final = tuple(Mask(Pii(mode, mode, mode, mode), b"k" * 32) for mode in ("hash", "drop"))
_ROUTE: Final = Route(("Mixpanel",), None, enabled=True)


async def try_leaving(_house: House, body: bytes) -> None:
    """Take a body as each call, and demand that what is stored leaves as JSON everywhere."""
    for kind in Type:
        call = decode(body, kind, _AT, lambda: "id")
        if isinstance(call, Unusable):
            demand(bool(call.reasons), "what can't be used has its reasons", call)
            continue
        value, key = pack(call, _AT), make_key("app", call.message_id)
        stored = unpack(value)
        demand(is_retry(stored.body, call.body), "what is stored is what was taken", stored.body)
        record = Record(1 << 16, key, value)
        event = make_event(record, stored, "us")
        filter_of(_ROUTE, stored)
        columns_of(event)
        written = [mask(event.body) for mask in _MASKS] + [mixpanel.write(event).body, line(event), event.body]
        for text in written:
            demand(isinstance(json.loads(text, parse_int=str, parse_float=str), dict), "what leaves is JSON", text)
        members_of(event)
        message_id(event.message_id)
        summary(record, stored).encode()
