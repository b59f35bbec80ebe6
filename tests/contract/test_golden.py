"""What becomes of every kind of semantic event, good and bad, in both modes: read the golden files."""

import json
from pathlib import Path

import pytest
from calls import ALL, AT, cases, slug

import golden_files
from postroad.contract.calls import Type
from postroad.contract.decode import Unusable, decode

GOLDEN = Path(__file__).parent.parent / "golden" / "contract"


def outcome(request):
    """Return what strict and permissive mode make of a track call, as the golden files write it."""
    found = decode(json.dumps(request).encode(), Type.TRACK, AT, lambda: "assigned-by-us")
    if isinstance(found, Unusable):
        reasons = [[problem.path, problem.code, problem.message] for problem in found.reasons]
        strict = {"status": 400, "errors": [problem.sentence for problem in found.reasons]}
        return {"request": request, "strict": strict, "permissive": {"rejected": reasons}}
    errors = [problem.sentence for problem in found.violations]
    permissive = {
        "kind": found.kind.event if found.kind else None,
        "message_id": found.message_id,
        "routed": found.routed,
        "violations": [[problem.path, problem.code, problem.message] for problem in found.violations],
        "notes": [[problem.path, problem.code, problem.message] for problem in found.notes],
        "stored": json.loads(found.body),
    }
    strict = {"status": 400 if errors else 200, "errors": errors}
    return {"request": request, "strict": strict, "permissive": permissive}


@pytest.mark.parametrize(("kind", "case"), ALL, ids=[f"{slug(kind)}-{case}" for kind, case in ALL])
def test_a_call_becomes_what_its_golden_file_says(kind, case):
    """Statuses, sentences, codes and the stored body of a call change only together with its file."""
    found = json.dumps(outcome(cases(kind)[case]), indent=2) + "\n"
    golden_files.check(GOLDEN / slug(kind) / f"{case}.json", found)


def test_every_golden_file_has_its_call():
    """No golden file is left over from a call that is no longer checked."""
    files = {f"{path.parent.name}/{path.stem}" for path in GOLDEN.glob("*/*.json")}
    assert files == {f"{slug(kind)}/{case}" for kind, case in ALL}
