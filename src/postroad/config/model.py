"""Every setting, declared once: key, type, default and one sentence.

Durations are float seconds, sizes are bytes. The settings
of a type of source or destination are declared by the type: `options` has them as they are written, `settings` as the
type's own struct (None where nobody knows the types). Values are immutable; a change takes effect at the next start.
"""

from pathlib import Path
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct
from msgspec.structs import astuple

from postroad.config.declared import Filled, Options
from postroad.config.problems import Origin
from postroad.config.sorts import (
    Address,
    BindAddress,
    Duration,
    FilePath,
    HostName,
    Network,
    Size,
)
from postroad.config.source import Source, Strict

KIB: Final = 1 << 10
MIB: Final = 1 << 20
HOUR: Final = 3600.0
DAY: Final = 24 * HOUR

PiiMode = Literal["pass", "hash", "drop"]


class Tls(Struct, frozen=True, kw_only=True):
    """Certificate and key of the ingest address."""

    cert: Annotated[
        FilePath,
        Meta(
            description="Certificate chain, PEM, to serve ingest over HTTPS.",
            examples=["/etc/postroad/cert.pem"],
            extra={"default": "plain HTTP"},
        ),
    ]
    key: Annotated[
        FilePath,
        Meta(
            description="The certificate's private key, PEM, not encrypted.",
            examples=["/etc/postroad/key.pem"],
            extra={"default": "plain HTTP"},
        ),
    ]


class Server(Struct, frozen=True, kw_only=True):
    """The process itself: where it listens, where it keeps its data, how it logs."""

    bind: Annotated[BindAddress, Meta(description="Where ingest listens.")] = Address("127.0.0.1", 8080)
    admin_bind: Annotated[BindAddress, Meta(description="Where console, admin API and metrics listen.")] = Address(
        "127.0.0.1", 8081
    )
    data_dir: Annotated[
        FilePath, Meta(description="Folder of everything Postroad keeps; relative to the current directory.")
    ] = Path("postroad-data")
    transform_path: Annotated[
        FilePath | None,
        Meta(
            description="Folder of the modules of `transform`, beside the installed ones; relative to the current "
            "directory.",
            examples=["./transforms"],
            extra={"default": "installed modules only"},
        ),
    ] = None
    strict: Annotated[
        Strict,
        Meta(description="Who gets real status codes: requests with `X-Strict-Mode: 1` (`header`) or all (`always`)."),
    ] = "header"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="The least severe log lines to write.")
    ] = "info"
    log_format: Annotated[
        Literal["auto", "json", "text"], Meta(description="Form of log lines; `auto` is text on a terminal, else JSON.")
    ] = "auto"
    tls: Annotated[Tls | None, Meta(description="HTTPS at the ingest address.")] = None
    trusted_proxies: Annotated[
        tuple[Network, ...],
        Meta(
            description="Proxies that are believed when they say who called, at which host and how.",
            examples=["10.0.0.0/8"],
        ),
    ] = ()
    proxy_headers: Annotated[
        Literal["x-forwarded", "forwarded"],
        Meta(description="Where trusted proxies say it: `X-Forwarded-For`, `-Host`, `-Proto`, or `Forwarded`."),
    ] = "x-forwarded"
    shutdown_grace: Annotated[
        Duration, Meta(description="How long a stop waits for what is in flight before it cuts it off.")
    ] = 30.0
    request_timeout: Annotated[
        Duration,
        Meta(
            gt=0,
            description="A whole request must have arrived within this time; within as long a client must take an "
            "answer, or 16 KiB of it at a time.",
        ),
    ] = 10.0


class Rejections(Struct, frozen=True, kw_only=True):
    """How much is kept of what was answered 200 and could not become an event; the oldest goes first."""

    known_bytes: Annotated[Size, Meta(description="Bodies kept of known sources.")] = 64 * MIB
    known_rows: Annotated[int, Meta(ge=0, description="Rejections kept of known sources.")] = 100_000
    public_bytes: Annotated[Size, Meta(description="Bodies kept of public sources, beside those of the others.")] = (
        16 * MIB
    )
    public_rows: Annotated[int, Meta(ge=0, description="Rejections kept of public sources.")] = 20_000
    stranger_rows: Annotated[
        int, Meta(ge=0, description="Rejections kept of requests without a known key; their bodies never are.")
    ] = 10_000


class DeadLetters(Struct, frozen=True, kw_only=True):
    """How many dead letters each destination may keep; the oldest goes first, and counts as `evicted`."""

    bytes: Annotated[Size, Meta(description="Bytes of dead letters kept of one destination, compressed.")] = 256 * MIB
    rows: Annotated[int, Meta(ge=0, description="Dead letters kept of one destination; the oldest go.")] = 100_000


class Region(Struct, frozen=True, kw_only=True):
    """One region: its own keys, log, ledger and destinations under `data_dir/<name>`."""

    hosts: Annotated[
        tuple[HostName, ...],
        Meta(
            description="Host names of this region; a key of another region is refused at them.",
            examples=["cdp.example.com"],
        ),
    ] = ()
    log: Annotated[str, Meta(description="The log's engine.", extra={"default": "the embedded log"})] = ""
    retention: Annotated[
        Duration,
        Meta(
            gt=0,
            description="Age at which events are removed, by segments, once every destination has passed them.",
        ),
    ] = 30 * DAY
    segment_bytes: Annotated[Size, Meta(gt=0, description="A segment of the log is closed at this size.")] = 256 * MIB
    segment_age: Annotated[Duration, Meta(gt=0, description="A segment of the log is closed at this age.")] = DAY
    dedup_window: Annotated[
        Duration, Meta(gt=0, description="How long a message id is remembered, so that its repeats are not stored.")
    ] = 7 * DAY
    dedup_max_ids: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000_000,
            description="How many message ids are remembered at most, of private and of public sources each; 30 MiB of "
            "memory a million.",
        ),
    ] = 8_000_000
    disk_floor: Annotated[
        Size, Meta(description="With less free disk than this, ingest answers 503 and delivery goes on.")
    ] = 512 * MIB
    max_queue: Annotated[
        Size, Meta(gt=0, description="Bytes that may wait to be written before ingest answers 503.")
    ] = 64 * MIB
    rejections: Annotated[Rejections, Meta(description="Quotas of kept rejections.")] = Rejections()
    dead_letters: Annotated[DeadLetters, Meta(description="Quotas of the dead letters of each destination.")] = (
        DeadLetters()
    )


class RetryPolicy(Struct, frozen=True):
    """When a failed delivery is tried again: after `first`, then `factor` times as long each time."""

    first: Annotated[Duration, Meta(gt=0, description="Wait before the second try.")] = 5.0
    factor: Annotated[float, Meta(ge=1, le=1000, description="Each wait is this many times the one before.")] = 3.0
    max_interval: Annotated[Duration, Meta(gt=0, description="The longest wait between two tries.")] = HOUR
    max_age: Annotated[
        Duration,
        Meta(
            gt=0,
            description="An event is given up (dead letter) this long after its first try; while nothing at all gets "
            "through to its destination, this time stands still.",
        ),
    ] = DAY


class Pii(Struct, frozen=True):
    """What a destination learns of people: each as it came, as a keyed hash, or not at all. Done after `transform`."""

    email: Annotated[PiiMode, Meta(description="Addresses, also where a person's id is one; hashed in lower case.")] = (
        "pass"
    )
    ip: Annotated[PiiMode, Meta(description="IP addresses.")] = "pass"
    user_agent: Annotated[PiiMode, Meta(description="User agents.")] = "pass"
    link_url: Annotated[PiiMode, Meta(description="The addresses of clicked links.")] = "pass"

    @property
    def all_pass(self) -> bool:
        """Whether nothing is hidden."""
        return self == Pii()

    @property
    def need_key(self) -> bool:
        """Whether anything is hashed."""
        return "hash" in astuple(self)


class Batch(Struct, frozen=True, kw_only=True):
    """How many events share one send. What is left out is what suits the type of destination best."""

    max_events: Annotated[
        int | None,
        Meta(ge=1, description="Events in a batch at most.", examples=[100], extra={"default": "as its type"}),
    ] = None
    max_bytes: Annotated[
        Size | None,
        Meta(
            gt=0,
            description="Bytes of their bodies together at most; one event may be larger alone.",
            examples=["1MiB"],
            extra={"default": "as its type"},
        ),
    ] = None
    linger: Annotated[
        Duration | None,
        Meta(
            description="How long a batch that is not full waits for more; 0 takes what is there.",
            examples=["100ms"],
            extra={"default": "as its type"},
        ),
    ] = None


class Rate(Struct, frozen=True):
    """How much is sent a second at most."""

    events: Annotated[
        float | None,
        Meta(gt=0, description="Events a second at most.", examples=[500], extra={"default": "no limit"}),
    ] = None
    requests: Annotated[
        float | None,
        Meta(gt=0, description="Sends a second at most.", examples=[10], extra={"default": "no limit"}),
    ] = None


class Destination(Struct, frozen=True, kw_only=True, rename={"start_from": "from"}):
    """Where events go. The table's key is its permanent id. Each type has settings of its own beside these."""

    type: Annotated[str, Meta(min_length=1, description="The kind of destination.", examples=["file"])]
    names: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...],
        Meta(
            min_length=1,
            description="What events call it in `integrations`; unique in its region.",
            examples=["My CRM"],
            extra={"default": "its id"},
        ),
    ] = ()
    region: Annotated[
        str,
        Meta(description="The region whose events it gets.", examples=["us"], extra={"default": "the first region"}),
    ] = ""
    was: Annotated[
        str,
        Meta(
            description="The id that it had before in the same region: it takes over what that one is owed, its "
            "retries, dead letters and replays.",
            examples=["old-crm"],
            extra={"default": "its id"},
        ),
    ] = ""
    enabled: Annotated[
        bool,
        Meta(
            description="When false, nothing is sent: what waits, what is to be tried again and what comes count as "
            "filtered (rule `disabled`), for good. `postroad hold` keeps them instead."
        ),
    ] = True
    events: Annotated[
        tuple[str, ...] | None,
        Meta(
            min_length=1,
            description="Names of the events it gets.",
            examples=["Email Bounced"],
            extra={"default": "all events"},
        ),
    ] = None
    start_from: Annotated[
        Literal["now", "beginning"], Meta(description="Where a new destination starts in the log.")
    ] = "now"
    transform: Annotated[
        str,
        Meta(
            description="A function `package.module:function` that changes or filters each event.",
            examples=["my_transforms:shorten"],
            extra={"default": "none"},
        ),
    ] = ""
    pii: Annotated[Pii, Meta(description="What it learns of people.")] = Pii()
    timeout: Annotated[Duration, Meta(gt=0, description="How long one send may take.")] = 30.0
    concurrency: Annotated[int, Meta(ge=1, le=1000, description="How many sends may be under way at once.")] = 8
    batch: Annotated[Batch, Meta(description="How many events share one send.")] = Batch()
    rate: Annotated[Rate, Meta(description="How much is sent a second at most.")] = Rate()
    retry: Annotated[RetryPolicy, Meta(description="When a failed delivery is tried again.")] = RetryPolicy()
    dedup_key: Annotated[
        Literal["digest", "message_id"],
        Meta(
            description="What it tells duplicates by (`webhook-id`, `$insert_id` and the like): a digest of region, "
            "source and message id, or the bare `message_id`, which another source may have used, too."
        ),
    ] = "digest"
    on_backlog_full: Annotated[
        Literal["refuse", "expire"],
        Meta(
            description="What becomes of events older than `retention` that it has not got yet: they hold back the "
            "log until the disk is full and ingest refuses (`refuse`), or they are given up (`expire`)."
        ),
    ] = "refuse"
    allow_private: Annotated[
        bool,
        Meta(
            description="Lets it call loopback and private addresses, but never a cloud's metadata service; for "
            "development. `postgres` and `parquet` don't ask it: their address is the operator's own."
        ),
    ] = False
    options: Annotated[Options, Filled] = Options()
    settings: Annotated[Struct | None, Filled] = None


class Config(Struct, frozen=True, kw_only=True):
    """A whole configuration, checked. Sections are in the order of the file."""

    server: Annotated[Server, Meta(description="The process itself.")] = Server()
    regions: Annotated[dict[str, Region], Meta(description="One table a region; without any there is one, `us`.")] = {}
    sources: Annotated[dict[str, Source], Meta(description="One table a source.")] = {}
    destinations: Annotated[dict[str, Destination], Meta(description="One table a destination.")] = {}
    origin: Annotated[Origin, Filled] = Origin()

    def sources_in(self, region: str) -> dict[str, Source]:
        """Return the sources of one region by id."""
        return {name: source for name, source in self.sources.items() if source.region == region}

    def destinations_in(self, region: str) -> dict[str, Destination]:
        """Return the destinations of one region by id."""
        return {name: place for name, place in self.destinations.items() if place.region == region}

    def former_ids_in(self, region: str) -> dict[str, str]:
        """Return what destinations of one region were called before, by id; only those that say so."""
        return {name: place.was for name, place in self.destinations_in(region).items() if place.was}
