"""`postroad export` and `postroad import` against a real server."""

import json
import stat

import pytest
from server import KEY

from postroad.cli import export
from postroad.cli.client import Unreachable
from postroad.cli.sender import CallSender

pytestmark = pytest.mark.asyncio(loop_scope="session")


def call(name, **more):
    """Return a line for a valid event."""
    members = {"type": "track", "userId": "u1", "event": "Imported", "messageId": name, **more}
    return json.dumps(members)


async def exported(server, *options):
    """Export to standard output and return the lines."""
    status, out, err = await server.run("export", *options)
    rows = [json.loads(line) for line in out.splitlines()]
    assert (status, err) == (0, f"postroad: exported {len(rows)} events\n")
    return rows


async def test_there_and_back(server, tmp_path):
    """What was exported is imported again as it is, and the server knows that it has it."""
    await server.send("export-1", "export-2")
    file = tmp_path / "events.ndjson"
    status, out, err = await server.run("export", "--output", str(file))
    assert (status, out) == (0, "")
    count = len(file.read_bytes().splitlines())
    assert err == f"postroad: exported {count} events\n"
    assert count >= 2
    assert stat.S_IMODE(file.stat().st_mode) == 0o600, "nobody else may read it"
    (before,) = await server.rows("status")
    (told,) = await server.rows("import", str(file), "--key", KEY, "--permissive")
    assert told == {"taken": count, "refused": 0, "lines": count}
    (after,) = await server.rows("status")
    assert after["status"]["appended"] == before["status"]["appended"]
    assert after["status"]["duplicates"] == before["status"]["duplicates"] + count


async def test_export_narrowed(server):
    """An export is narrowed by name and time, and goes on behind an offset."""
    await server.send("export-3")
    await server.send("export-4")
    rows = await exported(server, "--event", "Email Delivered", "--from", "1h")
    names = [row["postroad"]["messageId"] for row in rows]
    assert names[-2:] == ["export-3", "export-4"]
    assert await exported(server, "--event", "Email Bounced") == []
    assert await exported(server, "--to", "1h") == []
    (last,) = await exported(server, "--after", str(rows[-2]["postroad"]["offset"]))
    assert last == rows[-1]


async def test_export_does_not_overwrite(server, tmp_path):
    """A file that is there is added to with --after, and otherwise left alone."""
    await server.send("export-5", "export-6")
    file = tmp_path / "mine"
    file.write_text("mine\n")
    assert "--after" in await server.complains(2, "export", "--output", str(file))
    assert file.read_text() == "mine\n"
    rows = await exported(server)
    status, _, _ = await server.run("export", "--output", str(file), "--after", str(rows[-2]["postroad"]["offset"]))
    assert status == 0
    first, last = file.read_text().splitlines()
    assert (first, json.loads(last)) == ("mine", rows[-1])


async def test_import_refuses_lines(server, tmp_path):
    """Each line that is refused is told with its number, the others of its batch are taken, and the status is 1."""
    file = tmp_path / "calls.ndjson"
    good = [call(f"import-{place}") for place in range(450)]
    bad = {3: "no json", 200: '{"type":"track","userId":"u"}', 201: "", 449: '{"type":"trak","userId":"u"}', 448: "[]"}
    file.write_text("".join(f"{bad.get(place, line)}\n" for place, line in enumerate(good, 1)))
    rows = await server.rows("import", str(file), "--key", KEY, status=1)
    assert [row["line"] for row in rows[:-1]] == [3, 200, 448, 449]
    assert "event" in rows[1]["why"]
    assert rows[-1] == {"taken": 445, "refused": 4, "lines": 450}
    taken = {row["postroad"]["messageId"] for row in await exported(server, "--event", "Imported")}
    assert taken >= {f"import-{place}" for place in range(450) if place + 1 not in bad}


async def test_import_permissive(server):
    """A call that only breaks the contract is taken with --permissive, and refused without."""
    line = json.dumps({"type": "track", "userId": "u", "event": "Email Opened", "properties": {}}).encode()
    (row, end) = await server.rows("import", "-", "--key", KEY, status=1, stdin=line)
    assert (row["line"], end["taken"]) == (1, 0)
    assert row["why"] == "properties.email_id: is required"
    (end,) = await server.rows("import", "-", "--key", KEY, "--permissive", stdin=line)
    assert end["taken"] == 1


async def test_import_again_and_from_the_middle(server, tmp_path):
    """A file whose calls have no ids is deduplicated too, and --skip goes on behind so many lines."""
    file = tmp_path / "calls.ndjson"
    file.write_text('{"type":"track","userId":"u","event":"Nameless"}\n' * 3)
    for options in ((), (), ("--skip", "1")):
        (end,) = await server.rows("import", str(file), "--key", KEY, *options)
        assert end == {"taken": 3 - len(options) // 2, "refused": 0, "lines": 3}
    assert len(await exported(server, "--event", "Nameless")) == 3


async def test_import_errors(server, tmp_path):
    """A wrong key, a missing file and a server that isn't there end in one sentence and take nothing."""
    file = tmp_path / "calls.ndjson"
    file.write_text(call("nobody-1") + "\n")
    for mode in ("--strict", "--permissive"):
        assert "write key" in await server.complains(2, "import", str(file), "--key", "wrong", mode)
    assert "nothing.ndjson" in await server.complains(2, "import", "nothing.ndjson", "--key", KEY)
    assert await exported(server, "--event", "nobody-1") == []


async def test_export_interrupted(server, tmp_path, monkeypatch):
    """An export that is interrupted says with status 130 behind which offset to go on, and has all lines up to it."""
    await server.send("export-7")
    await server.send("export-8")
    whole = [row["postroad"]["offset"] for row in await exported(server)]
    real, written = export._write, 0

    def write(*given):
        nonlocal written
        if written == 2:
            raise KeyboardInterrupt
        written += 1
        real(*given)

    file = tmp_path / "part.ndjson"
    with monkeypatch.context() as patch:
        patch.setattr(export, "_write", write)
        status, out, err = await server.run("export", "--output", str(file))
    assert (status, out) == (130, "")
    place = err.split("--after ")[1].strip()
    assert int(place) == json.loads(file.read_text().splitlines()[-1])["postroad"]["offset"]
    status, _, _ = await server.run("export", "--output", str(file), "--after", place)
    assert status == 0
    assert [json.loads(line)["postroad"]["offset"] for line in file.read_text().splitlines()] == whole


@pytest.mark.parametrize(("error", "expected"), [(KeyboardInterrupt(), 130), (Unreachable("gone"), 3)])
async def test_import_interrupted(server, tmp_path, monkeypatch, error, expected):
    """An import that is interrupted, or loses its server, says how many lines to skip; all of those are taken."""
    file = tmp_path / "calls.ndjson"
    file.write_text("".join(call(f"stopped-{expected}-{place}") + "\n" for place in range(1000)))
    real, sent = CallSender.send, 0

    async def send(self, batch):
        nonlocal sent
        sent += 1
        if sent == 3:
            raise error
        return await real(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(CallSender, "send", send)
        status, _, err = await server.run("import", str(file), "--key", KEY, "--concurrency", "1")
    assert status == expected
    assert "go on with --skip 400" in err
    (end,) = await server.rows("import", str(file), "--key", KEY, "--skip", "400")
    assert end == {"taken": 600, "refused": 0, "lines": 1000}
    names = {row["postroad"]["messageId"] for row in await exported(server, "--event", "Imported")}
    assert names >= {f"stopped-{expected}-{place}" for place in range(1000)}


async def test_backup_verb(server, tmp_path):
    """A backup of the running server is told in figures, and refused where something is already."""
    await server.send("backup-1")
    (told,) = await server.rows("backup", str(tmp_path / "copy"))
    assert told["folder"] == str(tmp_path / "copy")
    assert told["files"] > 3
    assert (tmp_path / "copy" / "us" / "file.ndjson").exists()
    assert "not empty" in await server.complains(2, "backup", str(tmp_path / "copy"))
