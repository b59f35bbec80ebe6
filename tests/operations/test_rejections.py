"""Rejections: which are meant, and what is shown of them."""

import pytest

from postroad.errors import UsageError
from postroad.operations.asking import NotThere
from postroad.operations.rejections import (
    RejectionPlace,
    RejectionsFilter,
    RejectionsQuery,
    list_rejections,
    rejections,
    show_rejection,
)
from postroad.rejections import Rejection


async def test_pages(us):
    """They are listed the newest first, a page at a time."""
    page = await list_rejections(us.regions, RejectionsQuery(region="us", limit=1))
    assert ([entry.id for entry in page.rejections], page.next) == ([2], 2)
    page = await list_rejections(us.regions, RejectionsQuery(region="us", before=page.next))
    assert ([entry.id for entry in page.rejections], page.next) == ([1], None)
    with pytest.raises(UsageError, match="only us"):
        await list_rejections(us.regions, RejectionsQuery(region="eu"))


@pytest.mark.parametrize(
    ("wanted", "most", "expected"),
    [
        ({}, None, [3, 2, 1]),
        ({}, 2, [3, 2]),
        ({"source": ""}, None, [3]),
        ({"source": "app", "since": 2}, None, [2]),
        ({"code": "not_json"}, None, [2, 1]),
    ],
)
async def test_which_are_meant(us, wanted, most, expected):
    """They are narrowed by source, reason and time; `kept` says whether the body was kept."""
    await us.rejections.record([Rejection(3, "", "key_unknown", (), "/v1/track", 2, "abcd", None)])
    found = [entry async for entry in rejections(us.regions["us"], RejectionsFilter(**wanted), most=most)]
    assert [entry.id for entry in found] == expected
    assert [entry.kept for entry in found] == [number < 3 for number in expected]


async def test_all_of_many(us, monkeypatch):
    """However many there are, each comes once."""
    monkeypatch.setattr("postroad.operations.rejections._PAGE", 2)
    await us.rejections.record([Rejection(9, "app", "not_json", (), "/v1/track", 2, "", b"no") for _ in range(3)])
    region = us.regions["us"]
    assert [entry.id async for entry in rejections(region, RejectionsFilter())] == [5, 4, 3, 2, 1]
    assert [entry.id async for entry in rejections(region, RejectionsFilter(), most=3)] == [5, 4, 3]


async def test_show(us):
    """One is shown with its body, in which bytes that are no text are escaped and write keys are masked."""
    body = b'{"writeKey" : "s3cret", "a": "\xff"}'
    details = (("event", "required", "is required"),)
    await us.rejections.record([Rejection(3, "app", "required", details, "/v1/track", 2, "", body)])
    story = await show_rejection(us.regions, RejectionPlace(region="us", id=3))
    assert (story.id, story.details[0].message, "s3cret" in story.body) == (3, "is required", False)
    assert "\\xff" in story.body
    with pytest.raises(NotThere, match="evicted"):
        await show_rejection(us.regions, RejectionPlace(region="us", id=9))
