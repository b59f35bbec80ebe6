"""A configuration is loaded whole, or every problem is told."""

import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Struct

from postroad import registry
from postroad.config import Address, key_hash, load, load_file
from postroad.config.loading import load_document
from postroad.config.model import Config
from postroad.errors import ConfigError

FILE = """
[server]
bind = "[::1]:8080"
data_dir = "/var/lib/postroad"

[regions.eu]
hosts = ["CDP-eu.example.com", "[::1]"]
segment_bytes = "1GiB"
[regions.us]

[sources.app]
write_key = "dev-write-key"
write_key_sha256 = ["16367aacb67a4a017c8da8ab95682ccb390863780f7114dda0a0e0c55644c7c4"]

[destinations."My CRM"]
type = "webhook"
url = "https://crm.example.com"
events = ["Email Bounced"]
retry = { first = "1s" }

[destinations.archive]
type = "file"
names = ["Archive", "archive"]
region = "us"
"""


def test_a_file(tmp_path):
    """Values arrive in the types the program works with, defaults that depend on others included."""
    path = tmp_path / "postroad.toml"
    path.write_text(FILE)
    config = load(path, {}, registry.settings_type)
    assert config.server.bind == Address("::1", 8080)
    assert str(config.server.bind) == "[::1]:8080"
    assert config.server.data_dir == Path("/var/lib/postroad")
    assert config.regions["eu"].hosts == ("cdp-eu.example.com", "::1")
    assert config.regions["eu"].segment_bytes == 1 << 30
    assert config.sources["app"].key_hashes == {key_hash("dev-write-key"), key_hash("second")}
    crm, archive = config.destinations["My CRM"], config.destinations["archive"]
    assert (crm.region, crm.names, crm.events) == ("eu", ("My CRM",), ("Email Bounced",))
    assert (crm.retry.first, crm.retry.factor) == (1.0, 3.0)
    assert crm.options == {"url": "https://crm.example.com"}
    assert archive.names == ("Archive", "archive")
    assert list(config.sources_in("eu")) == ["app"]
    assert list(config.destinations_in("us")) == ["archive"]


def test_the_file_that_the_environment_names(tmp_path):
    """POSTROAD_CONFIG names the file when none is given; the given one wins."""
    path, other = tmp_path / "one.toml", tmp_path / "other.toml"
    path.write_text(FILE)
    other.write_text('[regions.eu]\nhosts = ["x.example.com"]\n')
    environ = {"POSTROAD_CONFIG": str(other)}
    assert list(load(None, environ).regions) == ["eu"]
    assert list(load(path, environ).regions) == ["eu", "us"]


def test_no_region():
    """A file without regions has one, `us`."""
    assert list(load_document({}, {}).regions) == ["us"]


def test_a_missing_file():
    """A file that can't be read is a problem of the configuration."""
    with pytest.raises(ConfigError, match=r"^no-such\.toml: cannot be read: No such file or directory$"):
        load_file(Path("no-such.toml"), {})


def test_problems_of_a_type(tmp_path, monkeypatch):
    """What the registry says of a type's own settings comes with the rest, on its line."""
    monkeypatch.chdir(tmp_path)
    Path("postroad.toml").write_text(
        '[destinations."My CRM"]\ntype = "webhook"\nulr = "https://crm.example.com"\nconcurency = 5\n'
        '[destinations.pager]\ntype = "webhok"\nurl = 5\ntimeout = "soon"\n'
    )
    with pytest.raises(ConfigError) as caught:
        load(Path("postroad.toml"), {}, registry.settings_type)
    starts = [problem.partition(": ")[0] + ": " + problem.split(": ")[1] for problem in caught.value.problems]
    assert starts == [
        'postroad.toml:1: destinations."My CRM".url',
        'postroad.toml:3: destinations."My CRM".ulr',
        'postroad.toml:4: destinations."My CRM".concurency',
        "postroad.toml:6: destinations.pager.type",
        "postroad.toml:8: destinations.pager.timeout",
    ]
    assert "did you mean `concurrency`?" in caught.value.problems[2]


def test_the_line_of_a_setting_of_a_type(tmp_path):
    """A rule of a type about several settings is told at the line of the one it names, by its whole name."""

    class Settings(Struct, frozen=True, kw_only=True):
        """Settings, one of whose names begins as another does."""

        url: int = 0
        url_b: dict[str, int] = {}

        def __post_init__(self):
            """Break."""
            raise ValueError(("url_b.c: is wrong", "url: is wrong", "is wrong")[self.url])

    for url, told in enumerate((":4: destinations.crm.url_b.c", ":3: destinations.crm.url", ":1: destinations.crm")):
        path = tmp_path / "postroad.toml"
        path.write_text(f'[destinations.crm]\ntype = "x"\nurl = {url}\nurl_b = {{ c = 1 }}\n')
        with pytest.raises(ConfigError) as caught:
            load(path, {}, lambda _section, _name: Settings)
        assert caught.value.problems == (f"{path}{told}: is wrong",)


@pytest.mark.parametrize("text", ["localhost:0", "0.0.0.0:65535", "[::1]:80", "Host.example:1"])
def test_addresses(text):
    """A host and a port is an address, and is written as it was."""
    assert str(load_document({"server": {"bind": text}}, {}).server.bind) == text


@pytest.mark.parametrize(
    "text", ["localhost", ":80", "::1:80", "[a]:80", "a:65536", "a:-1", "a:²", "a b:80", "http://a:80"]
)
def test_what_is_no_address(text):
    """Anything else is not."""
    with pytest.raises(ConfigError, match="must be a host and a port"):
        load_document({"server": {"bind": text}}, {})


def test_secrets_do_not_show():
    """Neither the keys nor a destination's settings are in the text of a configuration."""
    document = tomllib.loads(FILE.replace("https://crm.example.com", "https://s3cret@crm.example.com"))
    shown = repr(load_document(document, {}))
    assert "dev-write-key" not in shown
    assert "s3cret" not in shown
    assert "Options(url)" in shown


def test_references(tmp_path):
    """`${NAME}`, `${file:PATH}` and `$${` are expanded once, anywhere in a text."""
    secret = tmp_path / "secret"
    secret.write_text("from ${a} file\n")
    document = {
        "destinations": {
            "crm": {
                "type": "webhook",
                "a": "x${NAME}y${NAME}",
                "b": ["${file:" + str(secret) + "}"],
                "c": "$${NAME} $NAME {NAME} $$${NAME}",
                "concurrency": "${COUNT}",
            }
        }
    }
    crm = load_document(document, {"NAME": "${COUNT}", "COUNT": "3"}).destinations["crm"]
    assert crm.concurrency == 3
    assert crm.options == {"a": "x${COUNT}y${COUNT}", "b": ["from ${a} file"], "c": "${NAME} $NAME {NAME} $${NAME}"}


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"x" * 70000, "which is larger than 64 KiB"), (b"caf\xe9", "which is not UTF-8"), (b"\n", "which is empty")],
)
def test_files_that_are_no_secret(tmp_path, content, told):
    """A file that can't hold a text is told, without its content."""
    path = tmp_path / "secret"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_document({"server": {"data_dir": "${file:" + str(path) + "}"}}, {})
    assert caught.value.problems == (f"server.data_dir: needs the file {path}, {told}",)


def test_a_pipe_is_no_secret(tmp_path):
    """What is no regular file is told at once, also a pipe that nobody writes to; a link to a file is right."""
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(tmp_path / "secret")
    (tmp_path / "secret").write_text("here")
    for path in (pipe, tmp_path, Path("/dev/null")):
        with pytest.raises(ConfigError) as caught:
            load_document({"server": {"data_dir": "${file:" + str(path) + "}"}}, {})
        assert caught.value.problems[0].startswith(f"server.data_dir: needs the file {path}, which cannot be read: ")
    assert load_document({"server": {"data_dir": "${file:" + str(link) + "}"}}, {}).server.data_dir == Path("here")


_KEYS = st.sampled_from(
    ["server", "regions", "sources", "destinations", "us", "app", '"My CRM"', "bind", "type", "region", "write_key",
     "names", "retry", "first", "events", "hosts", "tls", "log", "data_dir", "retention", "rejections", "x"]
)  # fmt: skip
_SCALARS = st.one_of(
    st.sampled_from(
        ['"us"', '"file"', '"5s"', '"${X}"', '"${file:/}"', '"${"',
         '"a\\u0000b"', "''", "true", "1979-05-27", "07:32:00",
         "nan", "-inf", "1e400", "9" * 30, "-1", "0.5", '"[\\"a\\", 1]"', '"{a=1}"', '"a\\nb = 1"', '"127.0.0.1:99999"']
    ),
    st.text(max_size=5).map(lambda text: '"' + text.encode("unicode_escape").decode().replace('"', "") + '"'),
)  # fmt: skip
_VALUES = st.one_of(
    _SCALARS,
    st.lists(_SCALARS, max_size=3).map(lambda values: f"[{','.join(values)}]"),
    st.tuples(_KEYS, _SCALARS).map(lambda pair: f"{{{pair[0]} = {pair[1]}}}"),
)
_LINES = st.one_of(
    st.tuples(st.lists(_KEYS, min_size=1, max_size=3).map(".".join), _VALUES).map(" = ".join),
    st.lists(_KEYS, min_size=1, max_size=3).map(lambda keys: f"[{'.'.join(keys)}]"),
    st.lists(_KEYS, min_size=1, max_size=3).map(lambda keys: f"[[{'.'.join(keys)}]]"),
)


@given(
    st.one_of(st.text(), st.lists(_LINES, max_size=8).map("\n".join)).map(lambda text: text.encode("utf-8", "replace")),
    st.dictionaries(
        st.lists(_KEYS, max_size=3).map(lambda keys: "__".join(["POSTROAD", *keys]).upper()), st.text(max_size=5)
    ),
)
@example(b"", {"POSTROAD__SERVER__DATA_DIR": "\ud800"})
@example(b"", {"POSTROAD__SERVER__TRUSTED_PROXIES": "[" * 20000})
def test_any_file(tmp_path_factory, content, environ):
    """Any bytes and any environment give a configuration or its problems, never another exception."""
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(content)
    try:
        assert isinstance(load(path, environ, registry.settings_type), Config)
    except ConfigError as error:
        told = error.problems
    else:
        told = ("nothing",)
    assert all(told)


@pytest.mark.parametrize(
    "content",
    [
        "x = " + "[" * 20000,
        *(f"{table}.x" + ".x" * 1500 + " = 1" for table in ("server", "destinations")),
        "x" + ".x" * 1500 + " = 1",
        "x = " + "9" * 5000,
        'server.bind = "' + "[" * 20000 + '"',
    ],
)
def test_extreme_files(tmp_path, content):
    """Absurd nesting and absurd numbers are problems of the file like others."""
    path = tmp_path / "postroad.toml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"nested too deeply|TOML does not allow|must be"):
        load_file(path, {})


@pytest.mark.parametrize(
    ("settings", "public", "limits"),
    [
        ('write_key = "pk_us_abcdefgh"', True, (100, 512 << 10)),
        ('write_key = ["sk_us_abcdefgh", "pk_us_abcdefgh"]', True, (100, 512 << 10)),
        ('write_key = "sk_us_abcdefgh"', False, (None, None)),
        ('write_key = "sk_us_abcdefgh"\npublic = true\nrate = { events = 5 }', True, (5, 512 << 10)),
        ('write_key = "pk_us_abcdefgh"\npublic = false\nrate = { bytes = "1KiB" }', False, (None, 1 << 10)),
    ],
)
def test_public_sources(tmp_path, settings, public, limits):
    """A source with a publishable key is public unless it says otherwise, and a public one has a rate by default."""
    path = tmp_path / "postroad.toml"
    path.write_text(f"[sources.web]\n{settings}\n")
    source = load(path, {}, registry.settings_type).sources["web"]
    assert source.is_public is public
    assert (source.limits.events, source.limits.bytes) == limits
