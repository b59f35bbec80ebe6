"""`postroad check` warns of what can be used and looks like a mistake; the exit status stays that of success."""

import pytest

from postroad.ledger.sqlite.writer import SqliteLedger
from postroad.storage.layout import region_files


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Where the configuration goes; nothing else is there."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "postroad.toml"


async def warnings(verbs, file, text):
    """What is doubted of a configuration that is right."""
    file.write_text(text)
    (told,) = await verbs(file).rows("check")
    assert told["ok"]
    return [warning.removeprefix(f"{file}:") for warning in told["warnings"]]


@pytest.mark.parametrize(
    ("event", "near"),
    [
        ("Email Bounce", "Email Bounced"),
        ("email_bounced", "Email Bounced"),
        ("EmailOpened", "Email Opened"),
        ("Email marked as spam", "Email Marked as Spam"),
        *[
            (event, None)
            for event in (
                "Email Bounced",
                "Email Click",
                "Email Soft Bounced",
                "Email Machine Opened",
                "Email Subscribed",
                "Email Sent",
                "Email Deferred",
                "Email Undelivered",
                "Order Completed",
                "!",
            )
        ],
    ],
)
async def test_events(verbs, file, event, near):
    """A name that resembles an email event is doubted; other events, and other tools' names, are not."""
    text = f'[destinations.crm]\ntype = "console"\nevents = ["Signed Up", "{event}"]\n'
    told = f"3: destinations.crm.events[1]: is not the name of an email event; did you mean `{near}`?"
    assert await warnings(verbs, file, text) == ([told] if near else [])


async def test_a_short_key(verbs, file):
    """A short key is doubted; where others can reach the server it is refused, and so is one that anybody would try."""
    text = '[sources.app]\nwrite_key = ["long-enough", "s3cret"]\n[sources.web]\nwrite_key = "k"\n'
    short = "has fewer than 8 characters and can be guessed; `postroad keys new` makes one"
    told = [f"2: sources.app.write_key: {short}", f"4: sources.web.write_key: {short}"]
    assert await warnings(verbs, file, text) == told
    assert await warnings(verbs, file, f'{text}[server]\nbind = "localhost:80"\n') == told
    file.write_text(f'{text}[server]\nbind = "0.0.0.0:80"\n')
    status, out, refused = await verbs(file).run("check")
    assert (status, out, len(refused.splitlines())) == (2, "", 2)
    assert ":4: sources.web.write_key: is a key that anybody would try, and `server.bind` is open to others" in refused
    assert ":2: sources.app.write_key: has fewer than 8 characters, and `server.bind` is open to others" in refused
    assert "s3cret" not in refused


@pytest.mark.parametrize("text", ["", "# Nothing yet.\n"])
async def test_an_empty_file(verbs, file, text):
    """An empty file is said to be empty."""
    told = "is empty: what follows are the defaults, and there is no source that could send"
    assert await warnings(verbs, file, text) == [f" {told}"]
    status, out, err = await verbs(file).run("check")
    assert (status, out.startswith("ok: "), err) == (0, True, f"postroad: {file}: {told}\n")


async def test_a_misspelt_former_id(verbs, file, tmp_path):
    """A `was` that the data folder doesn't know is doubted when it resembles one that is held there."""
    ledger = SqliteLedger.open(region_files(tmp_path / "postroad-data", "us").ledger)
    await ledger.open_account("crm-old", start=0, at=1)
    await ledger.close()
    text = '[destinations.new]\ntype = "console"\nwas = "{}"\n'
    told = "3: destinations.new.was: is no destination that the data folder knows; did you mean `crm-old`?"
    assert await warnings(verbs, file, text.format("crm-odl")) == [told]
    assert await warnings(verbs, file, text.format("crm-old")) == []
    assert await warnings(verbs, file, text.format("elsewhere")) == []


async def test_a_browser_s_key_that_is_believed(verbs, file):
    """A key for browsers is public by itself; to believe it all the same is doubted. The table says which are."""
    text = '[sources.web]\nwrite_key = "pk_us_in-a-page"\n'
    assert await warnings(verbs, file, text) == []
    _, out, _ = await verbs(file).run("check")
    assert ["web", "api", "us", "1", "yes"] in [line.split() for line in out.splitlines()]
    (told,) = await warnings(verbs, file, f"{text}public = false\n")
    assert told.startswith("2: sources.web.write_key: has a key that starts with `pk_`, for browsers")
    assert await warnings(verbs, file, '[sources.web]\nwrite_key = "sk_us_a-secret-one"\npublic = true\n') == []


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("http://127.0.0.1:9000/hook", "loopback"),
        ("http://localhost/hook", "loopback"),
        ("https://10.1.2.3/", "private"),
        ("http://[::1]:80/", "loopback"),
        ("https://192.0.32.10/", None),
        ("https://crm.example.com/", None),
    ],
)
async def test_private_addresses(verbs, file, url, kind):
    """An address that will not be called is doubted, unless that is allowed; a name or a public address is not."""
    text = f'[destinations.crm]\ntype = "webhook"\nurl = "{url}"\n'
    found = await warnings(verbs, file, text)
    assert bool(found) is (kind is not None)
    if kind is not None:
        assert "destinations.crm.url: " in found[0]
        assert f"is {kind} and will not be called; `allow_private = true` lets it" in found[0]
    assert await warnings(verbs, file, text + "allow_private = true\n") == []


@pytest.mark.parametrize("allowed", ["true", "false"])
async def test_a_metadata_service(verbs, file, allowed):
    """An address that is never called is doubted, whatever the destination may call."""
    text = f'[destinations.crm]\ntype = "webhook"\nurl = "http://169.254.169.254/latest"\nallow_private = {allowed}\n'
    told = "3: destinations.crm.url: 169.254.169.254 is a cloud's metadata service and will never be called"
    assert await warnings(verbs, file, text) == [told]


async def test_what_is_in_force(verbs, file):
    """What a connection to a database must be is said, for people and as JSON, without the password."""
    pytest.importorskip("psycopg")
    dsn = "postgresql://ada:hunter2@db.example.com/events"
    file.write_text(f'[destinations.crm]\ntype = "postgres"\ndsn = "{dsn}?sslrootcert=/certs"\n')
    (told,) = await verbs(file).rows("check")
    assert told["in_force"]["crm"].startswith("sslmode=verify-full, sslrootcert=/certs, ")
    _, out, _ = await verbs(file).run("check")
    assert f"\ncrm: {told['in_force']['crm']}\n" in out
    assert "hunter2" not in f"{told}{out}"


async def test_disabled(verbs, file):
    """What `enabled = false` does is said."""
    (told,) = await warnings(verbs, file, '[destinations.crm]\ntype = "console"\nenabled = false\n')
    assert "destinations.crm.enabled: is false: what comes is filtered" in told
