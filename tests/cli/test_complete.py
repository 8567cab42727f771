"""Completion: a real bash asks the command, which offers commands, runs, nodes, questions and their options."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from nbflow.cli.complete import SCRIPTS

from .commands import COMMAND, Shell


def offers(nbflow: Shell, *typed: str) -> list[str]:
    return [row[0] for row in nbflow("__complete", *typed).rows]


def in_bash(nbflow: Shell, typed: str) -> list[str]:
    """Return what bash puts into COMPREPLY for a line that ends at the cursor."""
    words = shlex.split(typed + "_")
    words[-1] = words[-1][:-1]
    program = f"""
        eval "$(nbflow completion bash)"
        COMP_WORDS=({" ".join(map(shlex.quote, words))}); COMP_CWORD={len(words) - 1}
        _nbflow; printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    path = f"{COMMAND.parent}:{nbflow.env['PATH']}"
    said = nbflow.run(["bash", "-c", program], PATH=path)
    assert said.err == ""
    return [line for line in said.out.splitlines() if line]


def test_each_place_offers_what_fits_there(looking: Shell) -> None:
    assert offers(looking, "s") == ["show", "story", "send", "salvage", "sign", "serve"]
    assert set(offers(looking, "show", "")) == {"books", "release", "the invoice"}
    assert offers(looking, "show", "b") == ["books"]
    assert set(offers(looking, "story", "books", "")) == {"load", "close_the_books", "add_up"}
    assert offers(looking, "answer", "books", "") == ["close_the_books"]
    assert offers(looking, "answer", "books", "close_the_books", "") == ["approve", "reject"]
    assert offers(looking, "answer", "release", "release", "") == ["submit", "share=", "stage="]
    assert offers(looking, "answer", "release", "release", "submit", "s") == ["share=", "stage="]
    assert offers(looking, "send", "the invoice", "") == ["invoice"]
    assert offers(looking, "send", "the invoice", "invoice", "--j") == ["--json"]
    assert offers(looking, "completion", "") == ["bash", "zsh", "fish"]
    assert offers(looking, "--st") == ["--storage"]
    assert offers(looking, "cancel", "books", "") == []
    assert offers(looking, "cancel-wait", "books", "") == ["close_the_books"]


def test_the_storage_that_is_named_is_the_one_that_is_looked_into(looking: Shell) -> None:
    for named in (["--storage", str(looking.storage)], [f"--storage={looking.storage}"]):
        said = looking("__complete", *named, "show", "b", NBFLOW_STORAGE="nowhere")
        assert said.rows[0][0] == "books"


def test_nothing_that_goes_wrong_disturbs_the_shell(nbflow: Shell) -> None:
    for typed in (["show", ""], ["answer", "x", ""], ["shwo", ""], ["story", "x", "y", "z", ""], []):
        said = nbflow("__complete", *typed)
        assert said.code == 0 and said.err == ""


def test_a_real_bash_completes(looking: Shell) -> None:
    assert in_bash(looking, "nbflow ca") == ["cancel", "cancel-wait"]
    assert in_bash(looking, "nbflow show b") == ["books"]
    assert in_bash(looking, "nbflow show the") == ["the\\ invoice"]
    assert in_bash(looking, "nbflow answer books close_the_books ") == ["approve", "reject"]
    assert in_bash(looking, "nbflow show nothing") == []


def test_a_real_bash_completes_folders_after_storage(nbflow: Shell, tmp_path: Path) -> None:
    (nbflow.here / "one two").mkdir()
    (nbflow.here / "file").touch()
    assert in_bash(nbflow, "nbflow --storage ") == ["one two"]


@pytest.mark.parametrize("shell", SCRIPTS)
def test_each_shell_understands_its_script(nbflow: Shell, shell: str) -> None:
    script = nbflow("completion", shell)
    assert script.code == 0 and "nbflow __complete" in script.out
    found = shutil.which(shell)
    if found is not None:  # bash is everywhere; the others are checked where they are
        subprocess.run([found, "-n"], input=script.out, text=True, check=True)
