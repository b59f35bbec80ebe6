"""Broken configurations and, word for word, what is said of them."""

import os
from pathlib import Path

import pytest

from postroad.config import load_file
from postroad.errors import ConfigError

GOLDEN = Path(__file__).parent / "golden"
SECRET = "hunter2 hunter2"


@pytest.mark.parametrize("case", sorted(path.stem for path in GOLDEN.glob("*.toml")))
def test_problems(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All problems of a file are told at once, each with line, path and near miss, and none with a secret."""
    monkeypatch.chdir(GOLDEN)
    with pytest.raises(ConfigError) as caught:
        load_file(Path(f"{case}.toml"), {"SECRET": SECRET})
    told = str(caught.value) + "\n"
    expected = GOLDEN / f"{case}.problems"
    if os.environ.get("UPDATE_GOLDEN"):
        expected.write_text(told)
    assert told == expected.read_text(), "run with UPDATE_GOLDEN=1 and read the difference"
    assert SECRET not in told
    assert "hunter2" not in repr(caught.value)
