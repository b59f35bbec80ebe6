"""Golden files: what something must be, byte for byte. `UPDATE_GOLDEN=1 make test` writes them anew; read the diff."""

import os
from pathlib import Path


def check(path: Path, found: bytes | str) -> None:
    """Compare with a golden file, or write it."""
    data = found.encode() if isinstance(found, str) else found
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    assert data == path.read_bytes(), f"{path} differs; if that is meant, run with UPDATE_GOLDEN=1 and read the diff"
