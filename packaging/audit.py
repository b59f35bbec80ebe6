"""Look for known vulnerabilities of what lock files name: `python packaging/audit.py LOCK...`; asks pip-audit.

Exit status 1 when one is known. Where the database can't be had, that is said, and the status is 0: a build that can't
reach it says nothing of the packages.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

_SECONDS: Final = 120
_NO_NETWORK: Final = ("ConnectionError", "ConnectTimeout", "ReadTimeout", "ServiceError", "Could not connect")


def ask(locks: Sequence[str]) -> tuple[dict[str, Any] | None, str]:
    """Return pip-audit's report, None when it wrote none, and what it said."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner", "off"]
        command += ["-f", "json", "-o", str(report), *(word for lock in locks for word in ("-r", lock))]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)  # noqa: S603 - our own words
        except subprocess.TimeoutExpired:
            return None, "ReadTimeout"
        return json.loads(report.read_text(encoding="utf-8")) if report.exists() else None, done.stderr


def judge(report: dict[str, Any] | None, said: str) -> tuple[int, list[str]]:
    """Return the exit status and the lines to print."""
    if report is None:
        if any(sign in said for sign in _NO_NETWORK):
            return 0, ["audit skipped: the database of vulnerabilities can't be reached from here"]
        return 1, [said.strip(), "the audit failed; pip-audit's words are above"]
    packages = report["dependencies"]
    missing = [entry["name"] for entry in packages if "skip_reason" in entry]
    if packages and len(missing) == len(packages):
        return 0, [f"audit skipped: the database that is reached from here knows none of the {len(packages)} packages"]
    lines = [
        f"{entry['name']} {entry['version']}: {hole['id']}, mended in {', '.join(hole['fix_versions']) or 'no version'}"
        for entry in packages
        for hole in entry.get("vulns", ())
    ]
    known = bool(lines)
    if missing:
        lines.append(f"not audited, since the database doesn't know them: {', '.join(missing)}")
    lines.append(
        f"audited {len(packages) - len(missing)} packages: {'see above' if known else 'no known vulnerability'}"
    )
    return int(known), lines


if __name__ == "__main__":
    status, told = judge(*ask(sys.argv[1:]))
    sys.stdout.write("\n".join(told) + "\n")
    sys.exit(status)
