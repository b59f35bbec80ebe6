"""`postroad completion`: what a shell runs to complete our commands and options."""

from enum import StrEnum
from typing import Annotated

import typer
from typer._completion_shared import get_completion_script

from postroad.cli.options import verb
from postroad.cli.output import say_bytes
from postroad.cli.program import VARIABLE


class Shell(StrEnum):
    """The shells that we know how to tell."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")]) -> None:
    """Print what makes a shell complete commands and options.

    bash: add `eval "$(postroad completion bash)"` to ~/.bashrc; zsh: the same with zsh in ~/.zshrc, below compinit;
    fish: `postroad completion fish > ~/.config/fish/completions/postroad.fish`.
    """
    script = get_completion_script(prog_name="postroad", complete_var=VARIABLE, shell=shell.value)
    say_bytes(f"{script}\n".encode())


app = verb(completion)
