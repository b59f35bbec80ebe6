"""The settings of a source: who may send events, how much, and what is believed of it."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from postroad.config.declared import Filled, Options, is_write_key, settings_of
from postroad.config.keys import PUBLISHABLE
from postroad.config.leaves import from_text
from postroad.config.sorts import Size

Strict = Literal["header", "always"]

_FOR_PUBLIC: Final = "no limit; {} for a public source"


class SourceRate(Struct, frozen=True):
    """How much a source may send a second; ten seconds' worth may come at once after a rest."""

    events: Annotated[
        float | None,
        Meta(
            gt=0,
            description="Events a second at most; each of a batch counts.",
            examples=[500],
            extra={"default": _FOR_PUBLIC.format("100")},
        ),
    ] = None
    bytes: Annotated[
        Size | None,
        Meta(
            gt=0,
            description="Bytes of bodies a second at most, as they are once inflated.",
            examples=["1MiB"],
            extra={"default": _FOR_PUBLIC.format("`512KiB`")},
        ),
    ] = None


PUBLIC_RATE: Final = SourceRate(events=100.0, bytes=512 << 10)
"""What a public source may send where its `rate` says nothing else."""


class Source(Struct, frozen=True, kw_only=True):
    """Who may send events. Each type has settings of its own beside these."""

    type: Annotated[str, Meta(min_length=1, description="The kind of source; `api` is an app with a write key.")] = (
        "api"
    )
    region: Annotated[
        str,
        Meta(
            description="The region its events are stored in.", examples=["us"], extra={"default": "the first region"}
        ),
    ] = ""
    strict: Annotated[
        Strict | None,
        Meta(description="Overrides `server.strict`.", examples=["always"], extra={"default": "as the server"}),
    ] = None
    public: Annotated[
        bool | None,
        Meta(
            description="Whether anybody can have its key, as with a browser's: it is stored and delivered as others, "
            "but within a rate, a quota of rejections and a dedup window apart from theirs, and never acted on.",
            examples=[False],
            extra={"default": "true when one of its write keys starts with `pk_`"},
        ),
    ] = None
    may: Annotated[
        tuple[Literal["delete", "suppress", "unsuppress"], ...],
        Meta(
            description="What its events may do here beside being stored and delivered; never with `public`.",
            examples=["suppress"],
        ),
    ] = ()
    rate: Annotated[
        SourceRate, Meta(description="How much it may send a second; what is beyond is answered 429 and not stored.")
    ] = SourceRate()
    options: Annotated[Options, Filled] = Options()
    settings: Annotated[Struct | None, Filled] = None

    @property
    def is_public(self) -> bool:
        """Whether anybody can have its key: as it says itself, else as its written keys look."""
        if self.public is not None:
            return self.public
        return any(key.startswith(PUBLISHABLE) for keys in self.written_keys.values() for key in keys)

    @property
    def limits(self) -> SourceRate:
        """How much it may send a second, with what public sources have by default."""
        rate = self.rate
        if not self.is_public:
            return rate
        return SourceRate(
            PUBLIC_RATE.events if rate.events is None else rate.events,
            PUBLIC_RATE.bytes if rate.bytes is None else rate.bytes,
        )

    @property
    def keys(self) -> dict[str, frozenset[str]]:
        """SHA-256 in hexadecimal of the keys that it may send with, by the setting of its type that has them."""
        if self.settings is None:
            return {}
        declared = settings_of(type(self.settings))
        found = {
            setting.key: getattr(self.settings, setting.name) for setting in declared if is_write_key(setting.kind)
        }
        return {key: hashes for key, hashes in found.items() if hashes}

    @property
    def written_keys(self) -> dict[str, list[str]]:
        """The write keys themselves that the configuration has, by setting. Never show one."""
        written = {key: self.options[key] for key in self.keys if key in self.options}
        lists = {key: from_text(value) if str(value).startswith("[") else value for key, value in written.items()}
        return {
            key: [str(one) for one in (value if isinstance(value, list) else [value])] for key, value in lists.items()
        }

    @property
    def key_hashes(self) -> frozenset[str]:
        """SHA-256 of every key of this source, in hexadecimal."""
        return frozenset().union(*self.keys.values())
