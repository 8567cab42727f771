"""A real pseudo terminal with the command in it, for the tests of what only a person sees."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from typing import Any

import pytest

from .commands import COMMAND, Shell

pexpect: Any = pytest.importorskip("pexpect", reason="Windows has no pseudo terminals")

CTRL_C, CTRL_D = "\x03", "\x04"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def _hears_ctrl_c() -> None:
    """Undo what the shell of a background job hands down: there SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """The command in a pseudo terminal of some columns."""

    def __init__(self, shell: Shell, *words: str, columns: int = 80, program: Sequence[str] = (), **env: str) -> None:
        command = [*program] or [str(COMMAND), *words]
        self.child = pexpect.spawn(
            command[0], command[1:], cwd=str(shell.here), encoding="utf-8", timeout=20, dimensions=(24, columns),
            env={**shell.env, "TERM": "xterm", "PYTHONUNBUFFERED": "1", **env},
            preexec_fn=_hears_ctrl_c,
        )  # fmt: skip

    def sees(self, *texts: str) -> str:
        """Wait for texts in their order; return all that came until the last of them."""
        seen = ""
        for text in texts:
            self.child.expect_exact(text)
            seen += self.child.before + text
        return seen.replace("\r\n", "\n")

    def types(self, text: str) -> None:
        self.child.sendline(text)

    def ends(self) -> tuple[str, int]:
        """Wait for the end and return what came until then, and the exit code."""
        self.child.expect(pexpect.EOF)
        self.child.close()
        return str(self.child.before.replace("\r\n", "\n")), int(self.child.exitstatus)


def plain(text: str) -> str:
    """Return text without its colours."""
    return COLOUR.sub("", text)
