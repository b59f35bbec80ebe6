"""Which entries of one group are new, and what each append of the group is told. Pure values, no I/O."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain
from types import MappingProxyType
from typing import NamedTuple

from postroad.log.base import Entry, Receipt, Record

# A Receipt without the call of its Python-level __new__: most appends are of one entry, and this is their price.
_receipt = partial(tuple.__new__, Receipt)

NO_DUPLICATES: Mapping[int, Record] = MappingProxyType({})


class Sorted(NamedTuple):
    """`fresh` has the indexes, in the flattened group, of the entries to store, in order."""

    fresh: Sequence[int]
    receipts: Sequence[Receipt]


def all_new(appends: Sequence[Sequence[Entry]], start: int) -> Sorted:
    """Sort out a group in which nothing repeats; `start` is the offset of its first entry."""
    receipts: list[Receipt] = []
    place = start
    for append in appends:
        size = len(append)
        offsets = (place,) if size == 1 else range(place, place + size)
        receipts.append(_receipt((offsets, NO_DUPLICATES)))
        place += size
    return Sorted(range(place - start), receipts)


def sort_out(appends: Sequence[Sequence[Entry]], stored: Mapping[int, Record], start: int) -> Sorted:
    """Sort out a group with repeats: of entries in `stored` (by index in the flattened group), or of each other."""
    fresh: list[int] = []
    offsets: list[int] = []
    repeated: dict[int, Record] = {}
    here: dict[bytes, Record] = {}
    for index, (key, value) in enumerate(chain.from_iterable(appends)):
        record = stored.get(index) or here.get(key)
        if record is not None:
            repeated[index] = record
        else:
            record = here[key] = Record(start + len(fresh), key, value)
            fresh.append(index)
        offsets.append(record.offset)
    return Sorted(fresh, list(_receipts(appends, offsets, repeated)))


def _receipts(
    appends: Sequence[Sequence[Entry]], offsets: Sequence[int], repeated: Mapping[int, Record]
) -> Sequence[Receipt]:
    receipts: list[Receipt] = []
    start = 0
    for append in appends:
        end = start + len(append)
        duplicates = {index - start: repeated[index] for index in range(start, end) if index in repeated}
        receipts.append(Receipt(offsets[start:end], duplicates))
        start = end
    return receipts
