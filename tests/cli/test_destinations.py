"""`postroad destinations`, and what `check` says of what is held, without a server."""

import pytest

from postroad.cli import destinations as verb
from postroad.cli.client import Unreachable
from postroad.ledger.base import Outcome, RetryRow, Settlement
from postroad.ledger.sqlite.writer import SqliteLedger
from postroad.storage.layout import region_files

CRM = {"region": "us", "id": "crm", "state": "held: not in the configuration", "heir": None}
CRM |= {
    "waiting": 7,
    "retrying": 1,
    "dead": 0,
    "replays": 2,
    "log_bytes": 5000,
    "on_backlog_full": "refuse",
    "hold": None,
}
FILE = CRM | {"id": "file", "state": "served", "replays": 0}


@pytest.fixture
async def data(tmp_path):
    """A data folder in which `crm` waits for one more try in `us`, and `lake` in a region that is not configured."""
    for region, name in (("us", "crm"), ("eu", "lake")):
        ledger = SqliteLedger.open(region_files(tmp_path / "data", region).ledger)
        await ledger.open_account(name, start=0, at=1)
        retry = RetryRow(0, 9, 1, 1, "busy", b"k", b"v")
        await ledger.settle(1, Settlement({0: Outcome.RETRY}, {0: 1}, 1, [retry]))
        await ledger.close()
    return tmp_path / "data"


@pytest.fixture
def config(tmp_path, data):
    """A configuration that has neither."""
    file = tmp_path / "postroad.toml"
    file.write_text(f'[server]\ndata_dir = "{data}"\nadmin_bind = "127.0.0.1:1"\n')
    return file


@pytest.fixture
def asked(monkeypatch):
    """What a server is asked that has these two destinations, in two regions at most."""
    asked, found = [], [CRM, FILE]

    def ask(_server, method, path, _question=None):
        asked.append(f"{method} {path}")
        return {"destinations": found} if method == "GET" else {}

    monkeypatch.setattr(verb, "ask_admin", ask)
    return asked, found


async def test_check_says_what_is_held(config, verbs):
    """Each held destination and each region that is gone is a sentence, and one that can't be read is one too."""
    status, out, err = await verbs(config).run("check")
    assert (status, out.startswith("ok: ")) == (0, True)
    us, eu = err.splitlines()
    assert us.startswith(
        "postroad: destination 'crm' of region 'us' is held: it is not in the configuration; 0 waiting"
    )
    assert eu.startswith("postroad: destination 'lake' of region 'eu' is held: its region is not in the configuration")
    config.write_text(config.read_text() + '[destinations.new]\ntype = "file"\nwas = "crm"\n')
    (told,) = await verbs(config).rows("check")
    taken, _ = told["held"]
    assert taken == "destination 'crm' of region 'us' is taken over by 'new', with 0 waiting events and 1 retries"
    (config.parent / "data" / "eu" / "ledger.db").write_bytes(b"garbage" * 1000)
    (told,) = await verbs(config).rows("check")
    assert [sentence[:34] for sentence in told["held"]] == [taken[:34], "what is owed can't be looked at: /"[:34]]


async def test_check_makes_nothing(tmp_path, verbs):
    """Where there is no data folder, none is made and nothing is held."""
    file = tmp_path / "postroad.toml"
    file.write_text(f'[server]\ndata_dir = "{tmp_path / "none"}"\n')
    (told,) = await verbs(file).rows("check")
    assert told["held"] == []
    assert not (tmp_path / "none").exists()


async def test_list(config, verbs, asked):
    """The server says what it has."""
    assert await verbs(config).rows("destinations", "list") == [CRM, FILE]
    asked[1][0] = CRM | {"heir": "hubspot"}
    _, out, _ = await verbs(config).run("destinations", "list")
    assert "held: not in the configuration; hubspot takes it over at the next start" in out
    assert "4.9 KiB" in out


async def test_list_without_a_server(config, verbs, monkeypatch):
    """The files say it, those of a region that is gone too; one that can't be read is an error."""

    def ask(*_question):
        raise Unreachable("nobody")

    monkeypatch.setattr(verb, "ask_admin", ask)
    rows = await verbs(config).rows("destinations", "list")
    assert [(row["region"], row["id"], row["state"], row["retrying"]) for row in rows] == [
        ("us", "crm", "held: not in the configuration", 1),
        ("eu", "lake", "held: its region is not in the configuration", 1),
    ]
    (config.parent / "data" / "us" / "ledger.db").write_bytes(b"garbage" * 1000)
    assert "ledger.db" in await verbs(config).complains(3, "destinations", "list")


async def test_abandon_asks(config, verbs, asked):
    """A terminal is asked, with what would go; a no leaves everything, and where nobody can be asked `--yes` is due."""
    chosen = ("destinations", "abandon", "crm")
    status, _, err = await verbs(config).run(*chosen, typed="n\n")
    assert status == 1
    assert "Give up 7 waiting events, 1 retries, 2 replays of crm in region us for good?" in err
    assert "--yes" in await verbs(config).complains(2, *chosen)
    assert not [question for question in asked[0] if question.startswith("POST")]
    status, out, _ = await verbs(config).run(*chosen, typed="y\n")
    assert (status, out.strip()) == (0, "abandoned crm in region us: 7 waiting events, 1 retries, 2 replays")
    assert asked[0][-1] == "POST /api/destinations/us/crm/abandon"
    (told,) = await verbs(config).rows(*chosen, "--yes")
    assert told == {"region": "us", "abandoned": "crm", "waiting": 7, "retrying": 1}


async def test_abandon_needs_to_know_which(config, verbs, asked):
    """One that is in two regions is named with its region; one that nobody knows is an error with the near miss."""
    asked[1].append(CRM | {"region": "eu"})
    asked[1].append(CRM | {"id": "going", "state": "abandoned: being written off"})
    assert "--region" in await verbs(config).complains(2, "destinations", "abandon", "crm", "--yes")
    assert (await verbs(config).run("destinations", "abandon", "crm", "--yes", "--region", "eu"))[0] == 0
    assert asked[0][-1] == "POST /api/destinations/eu/crm/abandon"
    assert "crm" in await verbs(config).complains(2, "destinations", "abandon", "crn", "--yes")
    assert "'going'" in await verbs(config).complains(2, "destinations", "abandon", "going", "--yes")
