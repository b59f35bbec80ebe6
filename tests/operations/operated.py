"""A region in memory as operations have it, and who would deliver its events."""

import json
from dataclasses import dataclass

from postroad.clock import ManualClock
from postroad.contract.calls import Type
from postroad.contract.decode import decode
from postroad.contract.stored import make_key, pack
from postroad.errors import UsageError
from postroad.ledger.base import Attempt, DeadLetter, Outcome, Settlement
from postroad.ledger.hold import Hold, holds_of
from postroad.log.base import Entry
from postroad.operations.asking import DeliveredRegion
from postroad.regions import Region
from postroad.rejections import Rejection, Rejections, RejectionsReader
from postroad.storage.layout import region_files
from postroad.testing.memory_ledger import MemoryLedger
from postroad.testing.memory_log import MemoryLog


class Engine:
    """Notes what it is asked."""

    def __init__(self, ledger):
        self.ledger = ledger
        self.poked = []
        self.stopped = []
        self.abandoned = []
        self.now = 1_700_000_000_000_000

    def poke(self, destination):
        self.poked.append(destination)

    async def open_replay(self, destination, *, start, end, **limits):
        return await self.ledger.open_account(destination, start=start, end=end, at=7, replay=json.dumps(limits))

    async def stop_replay(self, account):
        self.stopped.append(account)

    async def abandon(self, destination):
        if destination == "crm":
            raise UsageError("'crm' is in the configuration")
        self.abandoned.append(destination)

    async def hold(self, destination, *, by, why):
        await self.ledger.set_hold(await self._live(destination), Hold(self.now, by, why))

    async def release(self, destination):
        if not holds_of(await self.ledger.accounts()):
            raise UsageError(f"{destination!r} is not on hold")
        await self.ledger.set_hold(await self._live(destination), None)

    async def try_now(self, destination):
        return await self.ledger.hasten(await self._live(destination), self.now)

    async def _live(self, destination):
        accounts = await self.ledger.accounts()
        return next(one.number for one in accounts if one.destination == destination and one.end is None)

    def replay_states(self):
        return {}


@dataclass(frozen=True, kw_only=True)
class Announcing(Region):
    """A region with the starting offsets that it is told."""

    told: dict

    def starting_offsets(self):
        """Return it."""
        return self.told


class Operated:
    """A region with two accounts of `crm`, from before and after it was removed for a while."""

    def __init__(self, folder, name="us", destination="crm"):
        self.destination = destination
        self.clock = ManualClock()
        self.log = MemoryLog(self.clock)
        self.ledger = MemoryLedger()
        files = region_files(folder, name)
        files.folder.mkdir()
        self.rejections = Rejections.open(files.rejections)
        self.engine = Engine(self.ledger)
        self.configured = {destination}
        self.starting_offsets = {}
        region = Announcing(
            name=name,
            files=files,
            configured=self.configured,
            log=self.log,
            ledger=self.ledger,
            rejections=RejectionsReader(files.rejections),
            snapshot=None,
            told=self.starting_offsets,
        )
        self.regions = {name: region}
        self.delivered = {name: DeliveredRegion(region, self.ledger, self.engine)}

    async def fill(self):
        """Write six events; the first two die in the old account, the other four in the new one. Two are rejected."""
        offsets = []
        for name in range(6):
            body = b'{"userId":"u","event":"E%d","messageId":"m%d"}' % (name % 2, name)
            call = decode(body, Type.TRACK, self.clock.now(), str)
            offsets += (await self.log.append([Entry(make_key("app", f"m{name}"), pack(call, 5))])).offsets
            self.clock.advance(1)
        await self.ledger.open_account(self.destination, start=0, at=1)
        await self.die(1, offsets[:2])
        await self.ledger.end_account(1, offsets[2], at=1, by="abandoned")
        await self.ledger.open_account(self.destination, start=offsets[2], at=1)
        await self.die(2, offsets[2:])
        await self.rejections.record([Rejection(n, "app", "not_json", (), "/v1/track", 2, "", b"no") for n in (1, 2)])
        self.offsets = offsets
        return self

    async def die(self, account, offsets):
        """Settle these as dead letters, each after one failed try."""
        records = [await self.log.get(offset) for offset in offsets]
        letters = [
            DeadLetter(r.offset, r.key, r.value, f"E{n % 2}", "answered 410", n, 1, 1) for n, r in enumerate(records)
        ]
        attempts = [Attempt(offset, 3, 410, "answered 410", "gone") for offset in offsets]
        await self.ledger.settle(
            account,
            Settlement(
                dict.fromkeys(offsets, Outcome.DEAD),
                {offset >> 16: 1 for offset in offsets},
                offsets[-1] + (1 << 16),
                (),
                letters,
                attempts,
            ),
        )
