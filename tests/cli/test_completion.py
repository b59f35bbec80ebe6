"""What the shells complete."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from postroad.cli.program import VERBS

SRC = Path(__file__).parents[2] / "src"

ASK = """
set -e
eval "$(postroad completion bash)"
complete -p postroad >/dev/null
COMP_WORDS=({words}) COMP_CWORD={place}
_postroad_completion postroad
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def path(tmp_path):
    """A path with our `postroad` on it."""
    (tmp_path / "postroad").write_text(f'#!/bin/sh\nPYTHONPATH="{SRC}" exec "{sys.executable}" -m postroad "$@"\n')
    (tmp_path / "postroad").chmod(0o755)
    return f"{tmp_path}:{os.environ['PATH']}"


def offered(path, *words):
    """Return what bash offers for the last of these words."""
    script = ASK.format(words=" ".join(f"'{word}'" for word in words), place=len(words) - 1)
    done = subprocess.run(["bash", "-c", script], env={**os.environ, "PATH": path}, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().split()


def test_bash_completes_verbs(path):
    """A verb by its first letters, and all of them where nothing is typed yet."""
    assert offered(path, "postroad", "ho") == ["hold"]
    assert offered(path, "postroad", "re") == ["reload", "release", "replay", "rejections"]
    assert offered(path, "postroad", "") == list(VERBS)


def test_bash_completes_what_a_verb_has(path):
    """The commands of a verb that has several, its options, and the values of an argument that has few."""
    assert set(offered(path, "postroad", "dead", "")) >= {"list", "show", "resend", "drop"}
    assert "--destination" in offered(path, "postroad", "replay", "--d")
    assert offered(path, "postroad", "completion", "z") == ["zsh"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_takes_its_script(shell, path, tmp_path):
    """The script of each shell is right by that shell, where it is installed, and asks our program."""
    script = tmp_path / "script"
    with script.open("wb") as output:
        subprocess.run(["postroad", "completion", shell], env={**os.environ, "PATH": path}, stdout=output, check=True)
    assert f"_POSTROAD_COMPLETE=complete_{shell}" in script.read_text()
    if shutil.which(shell):
        subprocess.run([shell, "-n", str(script)], check=True)


def test_another_shell_is_refused(path):
    """A shell that we don't know is named with those that we do."""
    done = subprocess.run(
        ["postroad", "completion", "tcsh"],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in done.stderr
