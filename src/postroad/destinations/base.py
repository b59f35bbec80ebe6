"""What a destination is: a few facts about itself, and `send`.

A destination gets events in batches and answers with one outcome an event, in order. It does not retry,
wait, count or remember: the delivery engine does, by these outcomes. The console destination is the
example to copy.

Batches. A service often takes many events in one request, and then refuses or loses them together. Say
what is known of each event: `Delivered` for those it has, `Refused` for those it names as bad, `Retry` for
the rest. Where it refuses a batch of several and does not say which of them is at fault, answer `Split`
for all: the engine sends the halves again at once, and theirs, until the guilty one is alone; `Split` of one
event counts as `Refused`. Raising is a bug: several events are then sent again in halves too, one
alone counts as `Retry`.

In an outcome `why` is a sentence for people, `status` the HTTP status (0: none) and `answer` a short excerpt, fit to
be printed, of what came back.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import msgspec

from postroad.clock import Clock
from postroad.contract.email import Kind


class Event(NamedTuple):
    """One event on its way out.

    `body` is the event as destinations get it: a JSON object, as received, normalised, with `messageId`,
    `receivedAt` and `timestamp`. The rest are our own facts, for our own sinks and for headers: `offset` is its place
    in the region's log, `received_at` in microseconds, `type` that of the call, `name` a track event's (`""` for
    other calls), `kind` the semantic email event that it is, if it is one.

    `dedup_key` is what a receiver has to recognise the event by: the same at every try, and no other source's. It is 36
    letters, digits and hyphens, or the message id where the operator wants that (`dedup_key = "message_id"`) or the
    event was first tried so: any text. Send it where the service looks for duplicates, and not `message_id`.
    """

    offset: int
    region: str
    source: str
    message_id: str
    received_at: int
    type: str
    name: str
    kind: Kind | None
    violations: Sequence[str]
    body: bytes
    dedup_key: str


class Delivered(NamedTuple):
    """The destination has it."""


class Retry(NamedTuple):
    """Not now. `after` is what the destination asked for in seconds, None when it didn't say."""

    why: str
    after: float | None = None
    status: int = 0
    answer: str = ""


class Refused(NamedTuple):
    """Never: the event becomes a dead letter. For what another try can't change. `status` is 0 where nobody was asked:
    such a refusal says nothing of the destination, while one that refuses ten requests in a row is left alone.
    """

    why: str
    status: int = 0
    answer: str = ""


class Split(NamedTuple):
    """The batch is too large, or one of it is bad and the destination can't tell which: send it again in
    halves, at once. Alone, the event is refused.
    """

    why: str
    status: int = 0
    answer: str = ""


class Pause(NamedTuple):
    """Nothing can be delivered until somebody acts (wrong credentials); the event counts as not tried.

    For causes that lie with the destination as a whole: it is then left alone, and probed now and again.
    """

    why: str
    status: int = 0
    answer: str = ""


SendResult = Delivered | Retry | Refused | Split | Pause


class BatchLimits(NamedTuple):
    """What may share one `send`: at most `max_events` events whose bodies have at most `max_bytes` together
    (one event may be larger alone), and how long a batch that is not full waits for more: `linger` seconds;
    0 takes what is there.

    `frozen` is for destinations whose work is named after its batch, so that repeating it must mean
    repeating exactly that batch (files in a bucket): a batch is then written to the ledger before it is
    first sent, and sent again whole, with the same events in the same order, also after a crash, until
    none of its events needs a retry. Its events never share a send with others.
    """

    max_events: int
    max_bytes: int
    linger: float
    frozen: bool = False


class Surroundings(NamedTuple):
    """What a destination may use of the world, handed to it when it is made.

    `folder` is its region's data folder, `timeout` the seconds one send may take, `allow_private`
    whether it may call loopback and private addresses; `write` prints a line where the server prints.
    """

    id: str
    region: str
    folder: Path
    clock: Clock
    timeout: float
    allow_private: bool
    write: Callable[[str], None]


class Sent(NamedTuple):
    """What goes out for one semantic email event.

    `name` is the event's name over there; an event that came under another tool's name keeps that one.
    `fields` are the service's fields, each with the member of the event it is filled from, both as paths
    ("properties.email_id"). `key` is the field or header by which a duplicate is recognised, where
    `Event.dedup_key` goes.
    """

    name: str
    fields: Mapping[str, str]
    key: str


EmailEvents = Mapping[Kind, Sent | None]
"""An entry for each kind; None for an event that the service has no place for.

A kind without an entry counts as None, so that a package that is older than an event goes on as before. The conformance
suite asks for the entry."""


class Destination(Protocol):
    """A place events go. Made inside a running event loop; `send` is never called after `close`."""

    def takes(self, event: Event) -> bool:
        """Tell whether it can express this event at all; otherwise it is filtered (rule `unsupported`). Of the email
        events that `email_events` has no place for it is not asked: they are filtered, too.
        """
        ...

    async def send(self, events: Sequence[Event]) -> Sequence[SendResult]:
        """Try to deliver a batch; one outcome an event, in order."""
        ...

    async def close(self) -> None:
        """Let connections and files go."""
        ...


class DestinationType(Protocol):
    """What a type of destination is to the registry: its class.

    `Settings` is a frozen struct that refuses unknown fields, read as our own sections are. Each field is
    `Annotated[..., Meta(description=...)]` and is the only declaration of that setting: checking, documentation and
    masking are made from it. It may be a text, a number, a choice, a list, a table (free keys or a struct), a union,
    a `Secret`, a `Duration`, a `Size`; a class with `from_config` reads itself. A rule about several fields goes into
    its `__post_init__`, as a `ValueError` that starts with the field; it is asked once each field is right. What holds
    beyond what is written, such as how a connection is protected, may be said by a method `in_force() -> str`: `check`
    shows it.
    """

    Settings: type[msgspec.Struct]

    batch: ClassVar[BatchLimits]
    """The best batch for this service; the configuration may say less or more. `BatchLimits(1, …, 0)` sends
    events one at a time."""

    email_events: ClassVar[EmailEvents]
    """What becomes of each semantic email event, as data: routing and documentation read it."""

    def __call__(self, settings: Any, surroundings: Surroundings) -> Destination:
        """Make a destination; may not call, read or write anything yet."""
        ...
