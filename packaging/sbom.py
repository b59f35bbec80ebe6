"""Print an SBOM (CycloneDX 1.6, JSON) of a server with all extras: from the lock files and docs/licences.md alone.

The same lock files give the same bytes: there is no time in it and no number of its own. Needs nothing but Python.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
NEEDED: Final = "requirements.lock"
ALL: Final = "requirements-extras.lock"

_REQUIREMENT: Final = re.compile(r"([a-z0-9-]+)==(\S+)(?: ; (.+?))?((?: --hash=sha256:[0-9a-f]{64})+)")
_LICENCE: Final = re.compile(r"^\| ([a-z0-9-]+) \| ([^|]+?) \|", re.MULTILINE)
_VERSION: Final = re.compile(r'^__version__ = "(.+)"$', re.MULTILINE)


def requirements(text: str) -> Iterator[tuple[str, str, str, list[str]]]:
    """Yield name, version, marker (often empty) and SHA-256 of all files of each requirement of a lock file."""
    for line in text.replace(" \\\n   ", "").splitlines():
        found = _REQUIREMENT.fullmatch(line)
        if found is None:
            raise ValueError(f"{line[:80]!r} is not a requirement with a version and hashes; `make lock` writes them")
        name, version, marker, hashes = found.groups()
        yield name, version, marker or "", [part.partition("sha256:")[2] for part in hashes.split()]


def licences(page: str) -> dict[str, str]:
    """Return the licence of each package that docs/licences.md names, as an SPDX expression."""
    return {name: licence for name, licence in _LICENCE.findall(page) if name != "package"}


def sbom(root: Path) -> dict[str, Any]:
    """Return the document. Raises `KeyError` for a package whose licence the page doesn't have."""
    found = _VERSION.search((root / "src/postroad/__init__.py").read_text(encoding="utf-8"))
    if found is None:
        raise ValueError("src/postroad/__init__.py has no __version__")
    needed = {name for name, *_ in requirements((root / NEEDED).read_text(encoding="utf-8"))}
    known = licences((root / "docs/licences.md").read_text(encoding="utf-8"))
    parts = []
    for name, version, marker, hashes in requirements((root / ALL).read_text(encoding="utf-8")):
        address = f"pkg:pypi/{name}@{version}"
        facts = [("postroad:marker", marker)] if marker else []
        # `hashes` would be those of the component; a version has several files, one of which is installed.
        facts += [("postroad:sha256", digest) for digest in hashes]
        parts.append(
            {
                "type": "library",
                "bom-ref": address,
                "name": name,
                "version": version,
                "purl": address,
                "scope": "required" if name in needed else "optional",
                "licenses": [{"expression": known[name]}],
                "properties": [{"name": key, "value": value} for key, value in facts],
            }
        )
    itself = f"pkg:pypi/postroad@{found[1]}"
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": itself,
                "name": "postroad",
                "version": found[1],
                "purl": itself,
                "licenses": [{"expression": "Apache-2.0"}],
            }
        },
        "components": parts,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(sbom(ROOT), indent=2) + "\n")
