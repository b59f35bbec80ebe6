"""`postroad init` writes a first configuration that is right, and never over another."""

import json
import re
import stat
import tomllib
from pathlib import Path

import jsonschema
import pytest

from postroad.config import key_hash

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "reference" / "postroad.schema.json").read_text())
SETTING = re.compile(r"^# (?=[a-z_0-9.]+ = )", re.MULTILINE)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """The current folder is an empty one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def plain(verbs):
    """The command line without a configuration."""
    return verbs()


async def test_what_it_writes_is_right(plain, here):
    """Without a terminal and without flags: the defaults, each with its sentence, and `check` finds nothing."""
    status, out, err = await plain.run("init")
    assert (status, err) == (0, "")
    file = here / "postroad.toml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text()
    document = tomllib.loads(text)
    assert document["server"] == {"bind": "127.0.0.1:8080", "data_dir": "./postroad-data"}
    assert document["destinations"] == {"events": {"type": "file", "from": "beginning"}}
    [key] = re.findall(r"write key  (\S+)", out)
    assert document["sources"]["app"]["write_key_sha256"] == key_hash(key)
    assert key not in text
    for line in re.findall(r"^[a-z_.]+ = .*", text, re.MULTILINE):
        assert re.search(rf"^# .*\.\n{re.escape(line)}", text, re.MULTILINE), line
    assert jsonschema.Draft7Validator(SCHEMA).is_valid(document)
    status, out, err = await plain.run("check")
    assert (status, err) == (0, "")
    assert out.startswith("ok: postroad.toml")


@pytest.mark.parametrize("kind", ["file", "webhook", "segment", "postgres", "console"])
async def test_each_type_of_destination(plain, here, kind):
    """With what its type needs, any destination can be the first; the file passes `check`."""
    if kind == "postgres":
        pytest.importorskip("psycopg")
    needed = {"webhook": "url=https://x.example/e", "segment": "write_key=k", "postgres": "dsn=postgresql://h/d"}
    words = ["--set", needed[kind]] if kind in needed else []
    status, _, err = await plain.run("init", "--destination", kind, *words, "--set", "rate.events=5")
    assert status == 0, err
    [entry] = tomllib.loads((here / "postroad.toml").read_text())["destinations"].values()
    assert (entry["type"], entry["rate"]) == (kind, {"events": 5})
    status, out, err = await plain.run("check")
    assert status == 0, out + err


async def test_flags(plain, here):
    """Each flag is a setting of the file, and `--json` tells a program the key."""
    words = ["--bind", "127.0.0.1:9", "--data-dir", "/srv/p", "--region", "eu", "--source", "My App"]
    [told] = await plain.rows("init", "conf.toml", *words)
    document = tomllib.loads((here / "conf.toml").read_text())
    assert document["server"] == {"bind": "127.0.0.1:9", "data_dir": "/srv/p"}
    assert document["regions"].keys() == {"eu"}
    assert document["sources"]["My App"]["write_key_sha256"] == told["sha256"] == key_hash(told["key"])
    assert told["file"] == "conf.toml"
    assert told["key"].startswith("sk_eu_")


async def test_questions_on_a_terminal(plain, here):
    """On a terminal it asks what no flag says; an empty answer is the default."""
    answers = "eu\nshop\n127.0.0.1:9\n\nwebhook\nhttps://x.example/e\n"
    status, _, err = await plain.run("init", typed=answers)
    assert status == 0, err
    document = tomllib.loads((here / "postroad.toml").read_text())
    assert document["server"] == {"bind": "127.0.0.1:9", "data_dir": "./postroad-data"}
    assert document["sources"].keys() == {"shop"}
    assert document["destinations"]["webhook"]["url"] == "https://x.example/e"
    for asked in ("Region [us]", "Type of the destination (console, ", "webhook: url"):
        assert asked in err


async def test_a_file_that_is_there_stays(plain, here):
    """Nothing is written over another file, a broken link to nowhere included; `--force` does it."""
    file = here / "postroad.toml"
    file.write_text("mine")
    assert "is there already; --force writes over it" in await plain.complains(2, "init")
    assert file.read_text() == "mine"
    (here / "link.toml").symlink_to("nowhere")
    assert "is there already" in await plain.complains(2, "init", "link.toml")
    assert (await plain.run("init", "--force"))[0] == 0
    assert "[server]" in file.read_text()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--destination", "webhok"], "'webhok' is not a type of destination; did you mean `webhook`?"),
        (["--destination", "webhook"], "webhook: url is required: give it by --set url=VALUE"),
        (["--set", "keep"], "'keep' is not KEY=VALUE"),
        (["--set", "kep=3"], "destinations.events.kep: is not a setting of type `file`; did you mean `keep`?"),
        (["--region", "A B"], 'regions."A B": is not a region name'),
        (["--bind", "here"], "server.bind: must be a host and a port"),
        (["--destination", "segment", "--set", "write_key=${NOT_SET_ANYWHERE}"], "NOT_SET_ANYWHERE"),
        (["no/such/folder.toml"], "no/such/folder.toml: No such file or directory"),
    ],
)
async def test_nothing_wrong_is_written(plain, here, words, why):
    """What `check` would refuse is said at once, and no file is written."""
    status, out, err = await plain.run("init", *words)
    assert (status, out) == (2, "")
    assert why in err
    assert list(here.iterdir()) == []


async def test_every_line_can_be_uncommented(plain, here):
    """Each setting that stands there as a comment is one: with its sign taken away the names are all known."""
    await plain.run("init", "--destination", "webhook", "--set", "url=https://x.example/e")
    file = here / "postroad.toml"
    file.write_text(SETTING.sub("", file.read_text()))
    _, _, err = await plain.run("check")
    assert "is not a setting" not in err
