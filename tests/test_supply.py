"""What Postroad is made of: licences, the SBOM, and the audit of what lock files name."""

import importlib.metadata
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from referencing import Registry, Resource

ROOT = Path(__file__).parents[1]
SBOM = runpy.run_path(str(ROOT / "packaging" / "sbom.py"))
AUDIT = ROOT / "packaging" / "audit.py"
PAGE = SBOM["licences"]((ROOT / "docs" / "licences.md").read_text())
SAYS = {
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""SPDX names of what older metadata calls licences."""

STUB = """\
import json, os, sys
words = os.environ["STUB"]
if words.startswith("{"):
    open(sys.argv[sys.argv.index("-o") + 1], "w").write(words)
else:
    sys.stderr.write(words)
sys.exit(1)
"""


def locked(name: str) -> dict[str, str]:
    """Return the versions that a lock file names, and fail for a line that is none."""
    return {name: version for name, version, *_ in SBOM["requirements"]((ROOT / name).read_text())}


def declared(name: str) -> set[str]:
    """Return the licences that an installed package says it has, in all the ways there are to say it."""
    said = importlib.metadata.metadata(name)
    words = {str(said.get("License-Expression") or ""), str(said.get("License") or "").partition("\n")[0]}
    words |= {line.split(" :: ")[-1] for line in said.get_all("Classifier") or [] if line.startswith("License")}
    return {SAYS.get(word, word) for word in words if word}


def test_every_dependency_has_its_licence_on_the_page() -> None:
    """docs/licences.md names each package that a server or the build needs, and none that is gone from the locks."""
    needed = locked("requirements-extras.lock").keys() | locked("requirements-build.lock").keys()
    assert needed - PAGE.keys() == set()
    assert PAGE.keys() - needed == {"certifi"}
    assert "certifi" in locked("requirements-full.lock")


def installed() -> list[str]:
    """Return the packages of the page that are here: those of an extra need not be, nor those for another system."""
    here = {str(one.metadata["Name"]).replace("_", "-").lower() for one in importlib.metadata.distributions()}
    return sorted(PAGE.keys() & here)


@pytest.mark.parametrize("name", installed())
def test_the_page_says_what_the_package_says(name: str) -> None:
    """The licence of the page is the one that the installed package names itself."""
    said = declared(name)
    assert said & {PAGE[name], *PAGE[name].split(" OR ")}, f"{name} says {said}"


def test_copyleft_is_named() -> None:
    """Whatever asks for more than its notice is pointed out below the tables, and nothing new of the kind came."""
    asking = {name for name, licence in PAGE.items() if any(sign in licence for sign in ("GPL", "MPL", "EPL", "CDDL"))}
    assert asking == {"psycopg", "psycopg-binary", "certifi", "pathspec"}
    text = (ROOT / "docs" / "licences.md").read_text()
    assert "**psycopg is under the LGPL.**" in text
    assert "**certifi and pathspec are under the MPL**" in text


def test_the_sbom_is_the_lock() -> None:
    """The SBOM has each package of the lock with version, licence and hashes; what an extra adds is optional."""
    told = subprocess.run([sys.executable, "packaging/sbom.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    parts = json.loads(told.stdout)["components"]
    text = (ROOT / "requirements-extras.lock").read_text()
    assert len(parts) == text.count("==") - text.count("_version ==") - text.count("_platform ==")
    assert {part["name"] for part in parts if part["scope"] == "required"} == locked("requirements.lock").keys()
    [aiohttp] = [part for part in parts if part["name"] == "aiohttp"]
    assert aiohttp["purl"] == f"pkg:pypi/aiohttp@{locked('requirements.lock')['aiohttp']}"
    assert aiohttp["licenses"] == [{"expression": "Apache-2.0 AND MIT"}]
    digests = [fact["value"] for part in parts for fact in part["properties"] if fact["name"] == "postroad:sha256"]
    assert len(digests) == text.count("--hash=sha256:")


@pytest.mark.full
def test_the_sbom_is_a_cyclonedx_document() -> None:
    """It is valid by the published schema, and its licences are expressions by SPDX."""
    import cyclonedx.schema._res as kept  # noqa: PLC0415 - only the full lock has them
    from license_expression import get_spdx_licensing  # noqa: PLC0415

    folder = Path(kept.__file__).parent
    schemas = {file.name: json.loads(file.read_text()) for file in folder.glob("*.SNAPSHOT.schema.json")}
    schema = schemas["bom-1.6.SNAPSHOT.schema.json"]
    base = schema["$id"].rpartition("/")[0]
    beside = [(f"{base}/{name}", Resource.from_contents(text)) for name, text in schemas.items()]
    document = SBOM["sbom"](ROOT)
    jsonschema.Draft7Validator(schema, registry=Registry().with_resources(beside)).validate(document)
    spdx = get_spdx_licensing()
    for part in document["components"]:
        assert spdx.validate(part["licenses"][0]["expression"]).errors == [], part["name"]


@pytest.mark.parametrize(
    ("answer", "status", "line"),
    [
        ("requests.exceptions.ConnectionError: no route", 0, "audit skipped: the database of vulnerabilities"),
        ('{"dependencies": [{"name": "a", "skip_reason": "not found"}]}', 0, "audit skipped: the database that is"),
        ("ERROR: a lock file is wrong", 1, "the audit failed"),
        ('{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}', 0, "audited 1 packages: no known"),
        (
            '{"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}]}',
            1,
            "a 1: CVE-1, mended in 2",
        ),
    ],
)
def test_the_audit(answer: str, status: int, line: str, tmp_path: Path) -> None:
    """A known hole makes the audit fail and is named; a database that can't be had is said and fails nothing."""
    (tmp_path / "pip_audit.py").write_text(STUB)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "STUB": answer}
    done = subprocess.run(
        [sys.executable, str(AUDIT), "x.lock"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert line in done.stdout
