"""What Mixpanel's answer to an import means for each of its events: pure.

| answer | outcome |
|---|---|
| 200, or 400 with `failed_records`, that accounts for every event | those it names are refused, the others delivered |
| 400 or 200 that doesn't account for every event | those it names are refused, the others split |
| 200 not in Mixpanel's words | retry |
| 413 | split |
| 408, 423, 425, 429, 5xx but 501 | retry, not before Retry-After |
| 401, 403 | pause: the credentials are wrong |
| anything else | pause: the address is wrong, not the events |

To send again what Mixpanel has already is harmless: it is the same `$insert_id`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from postroad.destinations.base import Delivered, Refused, Retry, SendResult
from postroad.destinations.http.answer import ServiceAnswer, outcome_of
from postroad.destinations.http.batches import isolating, pausing


class _Record(msgspec.Struct):
    index: int = -1
    insert_id: str = ""
    dollar_insert_id: str = msgspec.field(default="", name="$insert_id")
    field: str = ""
    message: str = ""


class _Said(msgspec.Struct):
    num_records_imported: int
    failed_records: list[_Record] = []


_SAID: Final = msgspec.json.Decoder(_Said)


def outcomes_of(
    answer: ServiceAnswer, now: int, ids: Sequence[str], showable: Callable[[str], str]
) -> Sequence[SendResult]:
    """Return what became of each event, given their `$insert_id`s in the order they were sent.

    `now` is for a Retry-After that is a date; `showable` makes Mixpanel's words fit to be shown.
    """
    outcome = pausing(outcome_of(answer, now))
    if not isinstance(outcome, Delivered | Refused):
        return [outcome] * len(ids)
    try:
        said = _SAID.decode(answer.body)
    except msgspec.DecodeError:
        return [_unread(outcome, answer, len(ids))] * len(ids)
    named = _named(said.failed_records, ids)
    others: SendResult = Delivered()
    if said.num_records_imported + len(named) != len(ids):
        why = f"answered {answer.status}, but took {said.num_records_imported} of {len(ids)} events"
        others = isolating(Refused(why, answer.status, answer.excerpt), len(ids))
    refusals: dict[int, SendResult] = {number: _refused(answer.status, showable(why)) for number, why in named.items()}
    return [refusals.get(number, others) for number in range(len(ids))]


def _unread(outcome: Delivered | Refused, answer: ServiceAnswer, count: int) -> SendResult:
    if isinstance(outcome, Delivered):
        return Retry(f"answered {answer.status}, but not as Mixpanel does", None, answer.status, answer.excerpt)
    return isolating(outcome, count)


def _refused(status: int, reason: str) -> Refused:
    return Refused(f"refused by Mixpanel: {reason}", status, reason)


def _named(records: Sequence[_Record], ids: Sequence[str]) -> Mapping[int, str]:
    """Return the events that are refused by name, with the reason. A record that fits none is left out."""
    found: dict[int, str] = {}
    for record in records:
        own = record.insert_id or record.dollar_insert_id
        if 0 <= record.index < len(ids) and own in {"", ids[record.index]}:
            number = record.index
        elif own in ids:
            number = ids.index(own)
        else:
            continue
        said = f"{record.field}: {record.message}"
        found[number] = f"{found[number]}; {said}" if number in found else said
    return found
