"""Whatever is taken out or changed in a stopped server's folder, the audit says; what is innocent balances."""

import asyncio
import shutil
from pathlib import Path

import pytest
from planting import END, SIZE, Stores, look, remove, run, seed, segments, told

from postroad.delivery.losses import Losses
from postroad.ledger.base import Outcome, Settlement
from postroad.log.base import number_of
from postroad.log.embedded.ends import files_of
from postroad.storage.layout import RegionFiles

FORMAT_1 = Path(__file__).parent.parent / "golden" / "format1"


@pytest.fixture(scope="module")
def seeded(tmp_path_factory):
    """A region that a server left in order; to be copied."""
    folder = tmp_path_factory.mktemp("seeded") / "us"
    asyncio.run(seed(folder))
    return folder


@pytest.fixture
def folder(seeded, tmp_path):
    """A copy of it."""
    return shutil.copytree(seeded, tmp_path / "us")


def oldest_segments(files):
    """Delete segments that retention keeps."""
    for path in segments(files)[:2]:
        remove(path)


def cut_end(files):
    """Delete the newest segments."""
    for path in segments(files)[-2:]:
        remove(path)


def last_blocks(files):
    """Delete the last rows."""
    run(segments(files)[-1], "DELETE FROM block WHERE number > (SELECT max(number) - 2 FROM block)")


def middle_rows(files):
    """Delete rows in the middle."""
    run(segments(files)[-2], "DELETE FROM block WHERE number IN (SELECT number FROM block LIMIT 2 OFFSET 1)")


def another_body(files):
    """Put one block's body in the place of another's."""
    run(
        segments(files)[-2],
        "UPDATE block SET body = (SELECT body FROM block LIMIT 1) WHERE number = (SELECT min(number) + 1 FROM block)",
    )


def ledger(*statements):
    """Return a plant that runs these on the ledger."""
    return lambda files: run(files.ledger, *statements)


def in_log(*statements):
    """Return a plant that runs these on a segment in the middle."""
    return lambda files: run(segments(files)[-2], *statements)


def rejections(*statements):
    """Return a plant that runs these on the rejections."""
    return lambda files: run(files.rejections, *statements)


UNREAD = "and the log can't read them any more"
PLANTS = {
    "oldest segments": (oldest_segments, UNREAD),
    "a cut end": (cut_end, UNREAD),
    "last blocks": (last_blocks, UNREAD),
    "rows in the middle": (middle_rows, UNREAD),
    "another body": (another_body, UNREAD),
    "zeroed hashes": (in_log("UPDATE block SET hashes = zeroblob(length(hashes))"), "hash"),
    "an account": (ledger("DELETE FROM account WHERE number = 2"), "account 2 was opened and is not"),
    "an account, forgotten": (
        ledger("DELETE FROM account WHERE number = 4", "UPDATE sqlite_sequence SET seq = 3"),
        "account 4 was opened and is not",
    ),
    "a closed account": (
        ledger("UPDATE account SET end = start WHERE number = 2"),
        "account 2 (late) has an end that nobody set",
    ),
    "a rejection": (rejections("DELETE FROM rejection WHERE id = 1"), "3 are kept"),
    "a rejection's size": (rejections("UPDATE rejection SET kept_size = 1 WHERE id = 1"), "bytes"),
    "another log": (ledger("UPDATE meta SET value = 'ff' WHERE key = 'log'"), "the ledger belongs to the log ff"),
    "an outcome": (
        ledger("UPDATE outcome SET codes = x'110302' WHERE account = 1 AND block = 20"),
        "the total of delivered is",
    ),
    "an outcome taken back": (
        ledger("UPDATE outcome SET codes = x'000302' WHERE account = 1 AND block = 20"),
        "was passed and has no outcome",
    ),
    "a block of outcomes": (
        ledger("DELETE FROM outcome WHERE account = 1 AND block = 20"),
        "was passed and has no outcome",
    ),
    "a total": (ledger("UPDATE total SET count = count + 1 WHERE account = 1"), "the total of"),
    "what was forgotten": (ledger("UPDATE forgotten SET count = count - 1"), "retention removed"),
    "a retry": (ledger("DELETE FROM retry WHERE offset = (SELECT min(offset) FROM retry)"), "is retry, and not among"),
    "a dead letter": (
        ledger("DELETE FROM dead WHERE offset = (SELECT min(offset) FROM dead)"),
        "is dead, and not among",
    ),
    "a cursor": (
        ledger("UPDATE account SET cursor = cursor + 10 * 65536 WHERE number = 2"),
        "was passed and has no outcome",
    ),
    "destinations.json": (lambda files: files.starting_offsets.unlink(), "destination new has no account"),
    "ledger.db": (lambda files: remove(files.ledger), "the ledger is lost"),
    "ends.json": (lambda files: [path.unlink() for path in files_of(files.log)], "ends.json"),
}


@pytest.mark.parametrize("which", [0, 1])
async def test_one_of_the_files_of_ends_is_enough(folder, which):
    """Either file says where the log ended: an end that was cut off is noticed by it, and a start hides nothing."""
    files = RegionFiles(folder)
    files_of(files.log)[which].write_bytes(b"{}")
    assert (await look(folder)).balanced
    cut_end(files)
    gone = sum(stretch.events for stretch in (await look(folder)).lost)
    await Stores.open(folder).close()
    assert sum(stretch.events for stretch in (await look(folder)).lost) == gone > 0


async def test_a_start_without_ends_is_remembered(folder):
    """Where both were gone at a start, what was cut off before can't be known, and the audit goes on saying so."""
    files = RegionFiles(folder)
    cut_end(files)
    for path in files_of(files.log):
        path.unlink()
    for _ in range(2):
        await Stores.open(folder).close()
        assert "nobody can tell" in told(await look(folder))


async def test_an_older_copy_of_the_log(folder, tmp_path):
    """A log folder put back from before, with its own ends.json, is behind what lies beside it: its loss is counted."""
    files = RegionFiles(folder)
    shutil.copytree(files.log, tmp_path / "older")
    stores = Stores.open(folder)
    await stores.accept(2)
    await stores.close()
    accepted = (await look(folder)).accepted
    shutil.rmtree(files.log)
    shutil.copytree(tmp_path / "older", files.log)
    stores = Stores.open(folder)
    await stores.accept(1)
    await stores.close()
    books = await look(folder)
    assert sum(stretch.events for stretch in books.lost) == 2 * SIZE
    assert books.accepted == accepted + SIZE


@pytest.mark.parametrize("name", PLANTS)
async def test_what_is_planted_is_said(folder, name):
    """Each harm is noticed, by a sentence that names it."""
    plant, said = PLANTS[name]
    plant(RegionFiles(folder))
    books = await look(folder)
    assert not books.balanced
    assert said in told(books)


WRITTEN_OFF = {
    "a cut end": cut_end,
    "last blocks": last_blocks,
    "oldest segments": oldest_segments,
    "rows in the middle": middle_rows,
    "another body": another_body,
}


@pytest.mark.parametrize("name", WRITTEN_OFF)
async def test_what_was_written_off_is_a_column(folder, name):
    """Once a server has started on it, the books balance, and exactly what was owed of it is in the column `lost`."""
    before = {one.account: one for one in (await look(folder)).accounts}
    WRITTEN_OFF[name](RegionFiles(folder))
    gone = sum(stretch.events for stretch in (await look(folder)).lost)
    stores = Stores.open(folder)
    for account in await stores.ledger.accounts():
        losses = Losses(account, stores.reader, stores.ledger)
        for block in await stores.reader.read(await stores.reader.first(), 1 << 30):
            if block.lost:
                await losses.meet(block)
    await stores.accept(1)
    await stores.close()
    books = await look(folder)
    assert books.balanced, told(books)
    assert sum(stretch.events for stretch in books.lost) == gone > 0
    after = {one.account: one for one in books.accounts}
    lost = {number: one.outcomes.get("lost", 0) for number, one in after.items()}
    assert lost[2] == gone if name != "oldest segments" else 0 < lost[2] < gone
    assert lost[1] == before[1].pending + before[1].outcomes["retry"] + SIZE - (
        after[1].pending + after[1].outcomes["retry"]
    )


async def untouched(stores):
    """Start and stop."""


async def retention(stores):
    """Deliver all there is, and let retention remove it."""
    end = number_of(await stores.reader.end())
    for account, start in ((1, END + 16), (2, END), (4, END + 1)):
        await stores.settle(account, range(start, END + 3 if account == 4 else end), *[Outcome.DELIVERED] * SIZE)
    for offset in await stores.ledger.rows(1, Outcome.RETRY, limit=99):
        await stores.ledger.settle(1, Settlement({offset: Outcome.EXPIRED}, {}))
    stores.clock.advance(100)
    assert await stores.log.retire(end << 16, 10)


async def forgetting(stores):
    """Let retention remove, and the ledger forget it."""
    await retention(stores)
    await stores.ledger.forget(await stores.reader.first())
    assert await stores.ledger.drop(1, [END << 16 | 1]) == 1


async def a_replay(stores):
    """Replay, filtered, to the end."""
    end = await stores.reader.end()
    replay = await stores.ledger.open_account("first", start=END << 16, end=end, at=9, replay="{}")
    await stores.settle(replay.number, range(END, end >> 16), Outcome.OUT_OF_ACCOUNT, Outcome.DELIVERED, Outcome.DEAD)


async def a_resent_letter(stores):
    """Resend a dead letter, and let the quota evict others."""
    await stores.ledger.resend(1, [END << 16 | 1], 9)


INNOCENT = {one.__name__: one for one in (untouched, retention, forgetting, a_replay, a_resent_letter)}


@pytest.mark.parametrize("name", INNOCENT)
async def test_what_is_innocent_balances(folder, name):
    """What a server does itself is no harm."""
    stores = Stores.open(folder)
    await INNOCENT[name](stores)
    await stores.close()
    books = await look(folder)
    assert books.balanced, told(books)
    assert list(books.lost) == []


async def test_what_is_held_balances(folder):
    """A destination that is gone from the configuration is owed what it was, and one that was just written into it
    nothing yet.
    """
    books = await look(folder, "first", "brand-new")
    assert books.balanced, told(books)
    assert {one.destination: one.pending for one in books.accounts if one.open}["late"] == 24 * SIZE


@pytest.mark.parametrize("how", ["closed", "killed"])
async def test_an_older_folder_balances(tmp_path, how):
    """What an older Postroad left balances before it is brought over and after."""
    folder = shutil.copytree(FORMAT_1 / how / "us", tmp_path / "us")
    before = await look(folder, "console", "crm") if how == "closed" else None
    assert before is None or before.balanced, told(before)
    stores = Stores.open(folder)
    if how == "killed":
        for name in ("console", "crm"):
            await stores.ledger.open_account(name, start=0, at=1)
    await stores.accept(3)
    await stores.ledger.adopt(*(await stores.reader.identity() or ("aa", 1)))
    await stores.close()
    books = await look(folder, "console", "crm")
    assert books.balanced, told(books)
    assert books.accepted > 0


@pytest.mark.parametrize("ran", [False, True])
async def test_before_the_first_delivery(tmp_path, ran):
    """Events that came before delivery ever ran are owed from where destinations.json says, and no alarm; once it has
    opened the ledger, to find no account there is one.
    """
    files = RegionFiles(tmp_path / "us")
    await seed(files.folder)
    remove(files.ledger)
    if not ran:
        files.ledger_lock.unlink()
    found = await look(files.folder)
    assert any("the ledger has no account" in problem for problem in found.problems) is ran
