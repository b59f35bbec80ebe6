"""The shape of the code: small files, short functions, and imports that do nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "src").rglob("*.py"))
MODULES = sorted(
    ".".join(file.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__") for file in FILES
)


def test_every_file_is_small() -> None:
    """No file has more than 400 lines, those of the tests and the measurements neither."""
    folders = [path for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name != "clients"]
    others = [file for folder in (*folders, ROOT / "bench") for file in folder.rglob("*.py")]
    others += [
        *(ROOT / "tests").glob("*.py"),
        *(ROOT / "tests" / "clients").glob("*.py"),
    ]  # beside them: Node's packages
    long = {str(file.relative_to(ROOT)): count for file in (*FILES, *others) if (count := _lines(file)) > 400}
    assert long == {}


def _lines(file: Path) -> int:
    return len(file.read_text().splitlines())


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_functions_are_short(file: Path) -> None:
    """No function has more than 40 lines."""
    text = file.read_text()
    long = [
        f"{node.name} ({(node.end_lineno or 0) - node.lineno + 1} lines)"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno >= 40
    ]
    assert long == []


def test_importing_does_nothing() -> None:
    """Every module can be imported without opening a file of ours, a socket or a process."""
    program = f"""
import builtins, importlib, os, socket, sqlite3, subprocess
import typer.main, uvloop, httptools, aiohttp, numpy, structlog, starlette.applications, prometheus_client, rich.table
def refuse(*arguments, **names):
    raise AssertionError(f"an import did something: {{arguments}}")
socket.socket = subprocess.Popen = sqlite3.connect = builtins.open = os.mkdir = refuse
for module in {[module for module in MODULES if not module.endswith("__main__")]!r}:
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name not in ("obstore", "psycopg", "pyarrow"):  # extras, which not everybody has
            raise
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
