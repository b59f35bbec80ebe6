"""What a ledger knows of an account, in dictionaries: the model that the real one is held against."""

from dataclasses import dataclass, field

from postroad.ledger.base import Outcome, Quota, Settlement
from postroad.log.base import BLOCK_SPAN, offset_of

BLOCKS, SIZE = 4, 3
QUOTA = Quota(3, 1000)


@dataclass
class ModelAccount:
    """All that an account was ever told; `kept_from` is the first block that was not forgotten."""

    destination: str
    end: int | None = None
    cursor: int = 0
    kept_from: int = 0
    outcomes: dict = field(default_factory=dict)
    retries: dict = field(default_factory=dict)
    dead: dict = field(default_factory=dict)
    attempts: dict = field(default_factory=dict)
    frozen: list = field(default_factory=list)
    lost: dict = field(default_factory=dict)
    policy: str = "refuse"
    ended: tuple = (0, "")

    def is_kept(self, offset):
        """Tell whether the record's block was not forgotten."""
        return offset // BLOCK_SPAN >= self.kept_from

    def settle(self, settlement):
        """Take over what a settlement says, record by record."""
        self.cursor = self.cursor if settlement.cursor is None else settlement.cursor
        self.thaw(settlement.outcomes)
        retries = {one.offset: one for one in settlement.retries}
        dead = {one.offset: one for one in settlement.dead}
        places = {offset for offset in settlement.outcomes if self._has_place(offset)}
        for offset, outcome in settlement.outcomes.items():
            if offset not in places and offset not in self.retries and offset not in self.dead:
                continue
            had = self.retries.pop(offset, None)
            self.dead.pop(offset, None)
            self.outcomes[offset] = outcome
            self.attempts.setdefault(offset, []).extend(a for a in settlement.attempts if a.offset == offset)
            if outcome == Outcome.RETRY:
                self.retries[offset] = self._keep_what_was_known(retries[offset], had)
            if outcome == Outcome.DEAD:
                self.dead[offset] = dead[offset]
        if dead:
            self._evict()
        self.clean()

    def _evict(self):
        oldest = sorted(self.dead.values(), key=lambda one: (one.died_at, one.offset))
        for letter in oldest[: max(0, len(oldest) - QUOTA.rows)]:
            del self.dead[letter.offset]
            self.outcomes[letter.offset] = Outcome.EVICTED
            self.thaw([letter.offset])

    def has_byte(self, block):
        """Tell whether a block has bytes."""
        return block >= self.kept_from and any(offset // BLOCK_SPAN == block for offset in self.outcomes)

    def _has_place(self, offset):
        block = offset // BLOCK_SPAN
        start, end = offset_of(block, 0), offset_of(block + 1, 0)
        lost = any(low < end and start < high for low, high in self.lost)
        return self.is_kept(offset) and (not lost or self.has_byte(block))

    def lose(self, start, end, records, known):
        """Settle a lost stretch; returns how many became lost. `known` are the blocks that some account knows."""
        if self.end is not None and start < self.end:
            blocks = [b for b in known if start // BLOCK_SPAN <= b <= (end - 1) // BLOCK_SPAN]
            records -= SIZE * sum(offset_of(b, 0) >= self.end for b in blocks)
            end = min(end, self.end)
        elif self.end is not None:
            return 0
        touched = [block for block in range(start // BLOCK_SPAN, (end - 1) // BLOCK_SPAN + 1) if self.has_byte(block)]
        inside = [offset_of(block, place) for block in touched for place in range(SIZE)]
        gone = {offset for offset in inside if offset not in self.outcomes}
        gone |= {offset for offset, one in self.retries.items() if one.value is None}
        gone = {offset for offset in gone if start <= offset < end}
        own = {offset for offset, one in self.retries.items() if one.value is not None}
        left = [[o for o in one.offsets if not start <= o < end or o in own] for one in self.frozen]
        batches = zip(self.frozen, left, strict=True)
        self.frozen = [batch._replace(offsets=tuple(offsets)) for batch, offsets in batches if offsets]
        self.settle(Settlement(dict.fromkeys(gone, Outcome.LOST), {}))
        known = sum(count for (low, high), count in self.lost.items() if low < end and start < high)
        count = max(0, records - len(inside) - known) if end > offset_of(self.kept_from, 0) else 0
        if count:
            self.lost[start, end] = self.lost.get((start, end), 0) + count
        return len(gone) + count

    def thaw(self, offsets):
        """Let the batches go that hold any of these."""
        self.frozen = [batch for batch in self.frozen if set(batch.offsets).isdisjoint(offsets)]

    @staticmethod
    def _keep_what_was_known(retry, had):
        if had is None:
            return retry
        key = had.key if retry.key is None else retry.key
        return retry._replace(key=key, value=had.value if retry.value is None else retry.value)

    def forget(self, before):
        """Forget the blocks below `before` that the cursor has passed."""
        done = self.end is not None and self.cursor >= self.end
        passed = before if done else min(before, self.cursor)
        self.kept_from = max(self.kept_from, passed // BLOCK_SPAN)
        self.clean()

    def clean(self):
        """Let attempts go that no kept block, retry or dead letter holds."""
        held = {*self.retries, *self.dead}
        self.attempts = {o: tries for o, tries in self.attempts.items() if self.is_kept(o) or o in held}
