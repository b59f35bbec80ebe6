"""Broken configurations and, word for word, what is said of them."""

from pathlib import Path

import pytest

import golden_files
from postroad import registry
from postroad.config import load_file
from postroad.errors import ConfigError

GOLDEN = Path(__file__).parent / "golden"
SECRET = "hunter2 hunter2"


@pytest.mark.parametrize("case", sorted(path.stem for path in GOLDEN.glob("*.toml")))
def test_problems(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All problems of a file are told at once, each with line, path and near miss, and none with a secret."""
    monkeypatch.chdir(GOLDEN)
    with pytest.raises(ConfigError) as caught:
        load_file(Path(f"{case}.toml"), {"SECRET": SECRET}, registry.settings_type)
    told = str(caught.value) + "\n"
    golden_files.check(GOLDEN / f"{case}.problems", told)
    assert SECRET not in told
    assert "hunter2" not in repr(caught.value)
