"""What verbs print can be read by people and by programs, whoever wrote what is in it."""

import json
import sys
import unicodedata

import pytest

from postroad.cli.output import pretty, say, say_json, say_tries, table
from postroad.clock import MICROSECONDS, ManualClock
from postroad.errors import UsageError
from postroad.operations.asking import read_time
from postroad.operations.story import Try

NOW = 1_700_000_000 * MICROSECONDS


def test_plain_columns(capsys):
    """In a pipe a table is plain columns: texts to the left, numbers to the right, nothing cut off."""
    table(("name", "count"), [("a", 5), ("b" * 200, 12345)])
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["name".ljust(200) + "  count", "a".ljust(200) + "      5", "b" * 200 + "  12345"]


def test_an_empty_table(capsys):
    """A table without rows is its column names."""
    table(("name", "count"), [])
    assert capsys.readouterr().out == "name  count\n"


def test_nobody_moves_the_cursor(capsys):
    """Control signs in what others wrote are escaped, in lines, cells and bodies."""
    evil = "\x1b[2Jhello\r"
    say(evil)
    table(("name",), [(evil,)])
    printed = capsys.readouterr().out + pretty(b'{"a":"\\u001b[2J"}') + pretty(b"\x1b[2J")
    assert "\x1b" not in printed
    assert "\r" not in printed
    assert printed.count("\\x1b[2Jhello\\r") == 2


def test_bodies():
    """A body is indented when it is JSON and shown as it is when it is not."""
    assert pretty(b'{"a":{"b":1}}') == '{\n  "a": {\n    "b": 1\n  }\n}'
    assert pretty(b"no json \xff") == "no json \\xff"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1h", NOW - 3600 * MICROSECONDS),
        ("7d", NOW - 7 * 86400 * MICROSECONDS),
        ("0s", NOW),
        ("2023-11-14T22:13:20Z", NOW),
        ("2023-11-14T22:13:20", NOW),
        ("2023-11-14T23:13:20.000001+01:00", NOW + 1),
        ("2023-11-14", NOW - (22 * 3600 + 13 * 60 + 20) * MICROSECONDS),
    ],
)
def test_times(text, expected):
    """A time is ISO 8601, in UTC unless it says otherwise, or a duration ago."""
    assert read_time(text, ManualClock(NOW)) == expected


@pytest.mark.parametrize("text", ["", "soon", "-1h", "1h30", "2023-13-01", "12:00"])
def test_what_is_no_time(text):
    """Anything else is refused with an example of what would do."""
    with pytest.raises(UsageError, match="1h"):
        read_time(text, ManualClock(NOW))


def test_the_trace_of_a_transform(capsys):
    """A reason of several lines is printed line by line, and what is in a line can't move the cursor."""
    say_tries(
        [Try(NOW, 400, "answered 400", "bad\x1b[2J"), Try(NOW, 0, "the transform raised\n  line 1\n  line 2", "")]
    )
    assert capsys.readouterr().out.splitlines() == [
        "  2023-11-14T22:13:20.000Z 400 answered 400",
        "    bad\\x1b[2J",
        "  2023-11-14T22:13:20.000Z the transform raised",
        "      line 1",
        "      line 2",
    ]


def test_json_on_a_terminal(capsysbinary, monkeypatch):
    """What JSON lets stand and a terminal may obey is escaped on a terminal: the same value. In a pipe it stands."""
    value = {"text": "a\x9b2Jb\x80\x7f\x9fżółw\xa0\u2028"}
    say_json(value)
    piped = capsysbinary.readouterr().out
    assert "\x9b".encode() in piped
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    say_json(value)
    shown = capsysbinary.readouterr().out
    assert json.loads(shown) == json.loads(piped) == value
    assert not [sign for sign in shown.decode() if unicodedata.category(sign) == "Cc" and sign != "\n"]
