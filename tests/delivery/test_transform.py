"""A transform changes or filters events; whatever it does wrong costs one event, never the delivery."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from postroad.clock import SystemClock
from postroad.config import load_file
from postroad.config.model import Pii
from postroad.contract.email import Kind
from postroad.destinations.base import Event
from postroad.errors import UsageError
from postroad.shaping import transformer as transformer_module
from postroad.shaping.shape import Shape, make_shape
from postroad.shaping.transformer import Transformer, check_transform
from postroad.testing.events import call, email_event, every_email_event, plain_track, unusual_events

Make = Callable[..., Shape]

OUT_OF_TIME = "the transform did not end within ({processor} s of processor time|{clock} s)"
"""Where the machine is so busy that a loop gets a tenth of a processor, it is the clock's timer that rings."""


HERE = Path(__file__).parent
"""The folder of the module `transforms`."""


@pytest.fixture
async def shape_of() -> AsyncIterator[Make]:
    """Make shapes of one transform, and end their processes."""
    made: list[Shape] = []

    def make(function: str, limit: float = 5.0) -> Shape:
        made.append(Shape(Transformer(f"transforms:{function}", SystemClock(), limit=limit, path=HERE), None))
        return made[-1]

    yield make
    for shape in made:
        await shape.close()


def told(number: int, **properties: object) -> Event:
    """Return a track call with these properties."""
    return call("track", {"event": "Told", "properties": properties}, message_id=f"told-{number}", offset=number)


async def text_of(shape: Shape, event: Event) -> str:
    """Return why the event can't be delivered."""
    answer = await shape(event)
    assert isinstance(answer, str)
    return answer


async def test_an_untouched_event_keeps_its_meaning(shape_of: Make) -> None:
    """An event that is returned as it came is the same event: all digits of integers, all text, all our own facts."""
    shape = shape_of("same")
    long = told(2, n=1)._replace(body=told(2, n=1).body.replace(b'"n":1', b'"n":' + b"9" * 5000))
    alias = email_event(Kind.UNSUBSCRIBED)
    alias = alias._replace(name="Unsubscribed", body=alias.body.replace(b"Email Unsubscribed", b"Unsubscribed"))
    for event in [*every_email_event(), alias, plain_track(), *unusual_events(), long]:
        shaped = await shape(event)
        assert isinstance(shaped, Event)
        assert json.loads(shaped.body, parse_int=str) == json.loads(event.body, parse_int=str)
        assert shaped._replace(body=b"") == event._replace(body=b"")


async def test_a_changed_event_goes_out_changed(shape_of: Make) -> None:
    """What the transform changed is what the destination gets: the body, and the name and kind that are read off it."""
    shape = shape_of("rename")
    shaped = await shape(email_event(Kind.OPENED))
    assert isinstance(shaped, Event)
    body = json.loads(shaped.body)
    assert (shaped.name, shaped.kind, body["event"]) == ("Renamed", None, "Renamed")
    assert body["properties"]["added"] == {"zażółć": 1.5}
    again = await shape(told(1, new_name="Email Bounced"))
    assert isinstance(again, Event)
    assert (again.name, again.kind) == ("Email Bounced", Kind.BOUNCED)


async def test_none_filters(shape_of: Make) -> None:
    """An event for which it returns None is not for this destination."""
    shape = shape_of("only_orders")
    assert await shape(email_event(Kind.OPENED)) is None
    assert isinstance(await shape(plain_track()), Event)


async def test_an_exception_costs_one_event(shape_of: Make) -> None:
    """What it raises, `sys.exit` included, is said with the place in its code; the events around it go out."""
    shape = shape_of("as_told")
    wrong = {3: "raise", 5: "exit", 6: "raise something odd"}
    events = [told(n, do=wrong.get(n, "pass"), key=f"k\n{n}") for n in range(8)]
    answers = await asyncio.gather(*(shape(event) for event in events))
    assert [n for n, answer in enumerate(answers) if not isinstance(answer, Event)] == [3, 5, 6]
    raised = str(answers[3])
    assert raised.startswith("the transform raised LookupError: no such key: k 3\nTraceback")
    assert "transforms.py" in raised
    assert "in as_told" in raised
    assert "transform.py" not in raised.replace("transforms.py", "")  # frames of ours would only confuse
    assert str(answers[5]).startswith("the transform raised SystemExit: enough\n")
    assert str(answers[6]).startswith("the transform raised Wordless\n")


async def test_an_endless_loop_costs_one_event(shape_of: Make) -> None:
    """A transform that loops is ended and says where it was; the events after it go out, from a new process."""
    shape = shape_of("as_told", 0.5)
    events = [told(n, do="loop" if n in {2, 3} else "drop" if n == 4 else "pass") for n in range(6)]
    answers = await asyncio.gather(*(shape(event) for event in events))
    assert [type(answer).__name__ for answer in answers] == ["Event", "Event", "str", "str", "NoneType", "Event"]
    sentence, *trace = str(answers[2]).splitlines()
    assert re.fullmatch(OUT_OF_TIME.format(processor="0.5", clock="5"), sentence)
    assert trace[0].startswith("Stack")
    assert trace[1].endswith("in as_told")
    assert len(trace) == 2


@pytest.mark.parametrize(
    ("function", "limit", "why"),
    [
        ("stubborn", 0.1, OUT_OF_TIME.format(processor="0.1", clock="1")),
        ("asleep", 0.1, OUT_OF_TIME.format(processor="0.1", clock="1")),
        ("deaf", 0.05, "the transform did not end within 0.6 s and was killed"),
        ("leave", 5.0, "the transform ended its own process with status 7"),
        ("crash", 5.0, "the transform ended its own process by SIGSEGV"),
        ("greedy", 5.0, "the transform raised MemoryError"),
    ],
)
async def test_no_way_to_misbehave_stops_the_delivery(
    function: str, limit: float, why: str, shape_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catching all, waiting, ignoring signals, crashing, wanting all memory: each is a sentence about one event."""
    if function == "deaf":  # the only one that has to be killed, after a wait
        monkeypatch.setattr(transformer_module, "_SLACK", 0.1)
    shape = shape_of(function, limit)
    assert re.match(why, await text_of(shape, plain_track()))


async def test_a_process_that_was_killed_by_chance_blames_nobody(shape_of: Make, tmp_path: Path) -> None:
    """An event at which the process ended once is tried again in a new one."""
    assert isinstance(await shape_of("leave_once")(told(1, mark=str(tmp_path / "mark"))), Event)


async def test_a_process_killed_between_events_is_replaced(shape_of: Make) -> None:
    """When its idle process is gone, the next event finds a new one."""
    shape = shape_of("which_process")

    async def pid() -> int:
        shaped = await shape(told(1))
        assert isinstance(shaped, Event)
        number: int = json.loads(shaped.body)["properties"]["pid"]
        return number

    first = await pid()
    assert await pid() == first != os.getpid()
    os.kill(first, 9)
    assert await pid() != first


async def test_a_process_may_have_nothing_to_do(shape_of: Make) -> None:
    """The time limit is one of work: a process that waits for the next event longer than that lives on."""
    shape = shape_of("which_process", 0.05)
    first = await shape(told(1))
    assert (await text_of(shape_of("asleep", 0.07), told(2))).startswith("the transform did not end within 0.7 s")
    second = await shape(told(1))
    assert isinstance(first, Event)
    assert first == second


async def test_what_it_prints_and_reads_is_not_the_conversation(shape_of: Make) -> None:
    """A transform may print and read standard input: neither reaches what we say to each other."""
    shaped = await shape_of("noisy")(told(1))
    assert isinstance(shaped, Event)
    assert json.loads(shaped.body)["properties"] == {"read": ""}


@pytest.mark.parametrize(
    ("do", "why"),
    [
        ("list", "the transform returned a list; it must return the event, or None"),
        ("text", "the transform returned a str; it must return the event, or None"),
        ("true", "the transform returned a bool; it must return the event, or None"),
        ("no id", "the transform changed or lost messageId, which it may not"),
        ("other id", "the transform changed or lost messageId, which it may not"),
        ("other time", "the transform changed or lost receivedAt, which it may not"),
        ("only properties", "the transform changed or lost messageId, which it may not"),
        ("other type", "the transform made the event's type none of track, identify, page, screen, group, alias"),
        ("unhashable type", "the transform made the event's type none of track"),
        ("no name", "the transform left a track event without a name"),
        ("an object", "what the transform returned can't be written as JSON: TypeError: Object of type object"),
        ("a set", "what the transform returned can't be written as JSON: TypeError: Object of type set"),
        ("not a number", "what the transform returned can't be written as JSON: ValueError: Out of range float"),
        ("half a sign", "what the transform returned can't be written as JSON: UnicodeEncodeError"),
        ("itself", "what the transform returned can't be written as JSON: ValueError: Circular reference"),
        ("too large", "what the transform returned has 70"),
        ("too deep", "what the transform returned: objects and arrays are nested more than 64 deep"),
    ],
)
async def test_nonsense_is_a_sentence(do: str, why: str, shape_of: Make) -> None:
    """What is returned and is no event is said in one sentence, and the next event goes out."""
    shape = shape_of("nonsense")
    assert (await text_of(shape, told(1, do=do))).startswith(why)
    assert isinstance(await shape(told(2, do="nothing wrong")), Event)


async def test_a_closed_shape_leaves_no_process(shape_of: Make) -> None:
    """After `close` its process is gone, and a second `close` does nothing."""
    shape = shape_of("which_process")
    shaped = await shape(told(1))
    assert isinstance(shaped, Event)
    await shape.close()
    with pytest.raises(ProcessLookupError):
        os.kill(json.loads(shaped.body)["properties"]["pid"], 0)
    await shape.close()


async def test_personal_data_is_hidden_after_the_transform(tmp_path: Path) -> None:
    """What a transform copies elsewhere under a known name is hidden all the same."""
    shape = make_shape("transforms:same", Pii(email="drop"), tmp_path, SystemClock(), HERE)
    assert shape is not None
    shaped = await shape(email_event(Kind.OPENED))
    await shape.close()
    assert isinstance(shaped, Event)
    assert json.loads(shaped.body)["context"] == {"traits": {}}


def test_nothing_to_do_is_no_shape(tmp_path: Path) -> None:
    """A destination without a transform and with every mode `pass` has no shape, and no key is made."""
    assert make_shape("", Pii(), tmp_path, SystemClock()) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("transforms", "'transforms' is not a place such as 'package.module:function'"),
        ("transforms.same", "is not a place"),
        ("transforms:", "is not a place"),
        ("transforms:a b", "is not a place"),
        (
            "no_such_module:f",
            "there is no module 'no_such_module', neither installed nor in the folder `server.transform_path`",
        ),
        ("transforms.inner:f", "there is no module 'transforms.inner'"),
        ("transforms:shorten", "'transforms:shorten': the module has no 'shorten'"),
        ("transforms:NOTHING", "is not a plain function"),
        ("transforms:asynchronous", "is not a plain function"),
        ("broken:f", "'broken:f' can't be imported: ZeroDivisionError: division by zero"),
        ("unfinished:f", "'unfinished:f' can't be imported: SyntaxError: "),
        ("leaving:f", "'leaving:f' can't be imported: it ended the process with status 4"),
    ],
)
def test_a_place_without_a_function_is_a_sentence(
    place: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong with the setting is told before anything starts, and no code of it runs in our own process."""
    (tmp_path / "broken.py").write_text("1 / 0\n")
    (tmp_path / "unfinished.py").write_text("def f(\n")
    (tmp_path / "leaving.py").write_text("import os\nos._exit(4)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(UsageError) as caught:
        check_transform(place, HERE)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_function_that_is_there_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function in a module of the folder passes, also where the folder is named from the current one."""
    check_transform("transforms:same", HERE)
    monkeypatch.chdir(HERE.parent)
    check_transform("transforms:same", Path("delivery"))


def test_a_file_in_the_folder_hides_no_module(tmp_path: Path) -> None:
    """A `json.py` or `colorsys.py` beside the transform breaks nothing: installed modules come first."""
    (tmp_path / "json.py").write_text("1 / 0\n")
    (tmp_path / "colorsys.py").write_text("1 / 0\n")
    (tmp_path / "mine.py").write_text("import colorsys\n\ndef same(event):\n    return event\n")
    check_transform("mine:same", tmp_path)


def test_the_current_folder_is_not_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that merely lies where the server is started is not run."""
    (tmp_path / "planted.py").write_text("def same(event):\n    return event\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="there is no module 'planted'"):
        check_transform("planted:same")


async def test_no_secret_of_the_environment(shape_of: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transform sees what a Python needs, and none of the variables that the configuration takes secrets from."""
    for name in ("CRM_SECRET", "POSTROAD__SERVER__BIND", "AWS_SECRET_ACCESS_KEY", "LC_TIME", "TZ"):
        monkeypatch.setenv(name, "C")
    monkeypatch.setenv("SECRET_PATH", "hidden")
    shaped = await shape_of("which_environment")(told(1))
    assert isinstance(shaped, Event)
    seen = json.loads(shaped.body)["properties"]["environment"]
    assert {"PATH", "LC_TIME", "TZ"} < set(seen)
    assert not [name for name in seen if "SECRET" in name or "POSTROAD" in name]


async def test_a_function_that_vanished_blames_no_event(tmp_path: Path) -> None:
    """When the function can't be loaded any more, events wait until it can; none is given up."""

    class Mender(SystemClock):
        """Bring the module back while the transformer waits for its next try."""

        async def sleep(self, seconds: float) -> None:
            assert seconds > 0
            (tmp_path / "vanished.py").write_text("def same(event):\n    return event\n")

    clock: Any = Mender()
    shape = Shape(Transformer("vanished:same", clock, path=tmp_path), None)
    assert isinstance(await shape(plain_track()), Event)
    await shape.close()


PAGE = (Path(__file__).parents[2] / "docs" / "transforms-and-privacy.md").read_text()


async def test_the_documented_transform(tmp_path: Path) -> None:
    """The function on the documentation's page does what it says."""
    code = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
    (tmp_path / "our_transforms.py").write_text(code)
    check_transform("our_transforms:for_the_warehouse", tmp_path)
    shape = Shape(Transformer("our_transforms:for_the_warehouse", SystemClock(), path=tmp_path), None)
    shaped = await shape(email_event(Kind.OPENED))
    assert isinstance(shaped, Event)
    body = json.loads(shaped.body)
    assert "email_subject" not in body["properties"]
    assert body["context"]["team"] == "billing"
    assert await shape(call("identify", {"traits": {}}, message_id="m", offset=1)) is None
    await shape.close()


def test_the_documented_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables of the page are right together, and `check` says of a function that is missing where it was named."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "postroad.toml"
    path.write_text("\n".join(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)))
    check = [sys.executable, "-m", "postroad", "check", "--config", "postroad.toml"]
    missing = subprocess.run(check, capture_output=True, text=True, check=False)
    assert missing.returncode == 2
    assert missing.stderr == (
        "postroad: postroad.toml:6: destinations.warehouse.transform: "
        "'our_transforms:for_the_warehouse' can't be imported: "
        "there is no module 'our_transforms', neither installed nor in the folder `server.transform_path`\n"
    )
    (tmp_path / "transforms").mkdir()
    (tmp_path / "transforms" / "our_transforms.py").write_text("def for_the_warehouse(event):\n    return event\n")
    assert subprocess.run(check, capture_output=True, check=False).returncode == 0
    analytics = load_file(path, {}).destinations["analytics"]
    assert (analytics.pii.email, analytics.pii.ip, analytics.pii.link_url) == ("hash", "drop", "pass")
