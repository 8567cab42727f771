"""The command line with any words, over runs of any name: a known end, no traceback, nothing a terminal would obey."""

from __future__ import annotations

import io
import json
import os
import random
import re
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import nbflow as nf
from nbflow.cli import main
from nbflow.cli.exits import Exit
from nbflow.cli.parser import COMMANDS
from nbflow.engine.host import Host
from tests import figures

from .names import name
from .seeds import rounds, seeded

OBEYED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
OURS = re.compile(r"\x1b\[[0-9;]*m")
"""The colours that nbflow itself prints."""
LOOKING = [
    "list",
    "show",
    "story",
    "logs",
    "send",
    "answer",
    "cancel",
    "cancel-wait",
    "delete",
    "salvage",
    "sign",
    "completion",
    "version",
    "no",
]


class Screen(io.StringIO):
    """A stream that says of itself that a person reads there."""

    def isatty(self) -> bool:
        return True


def typed(words: list[str], storage: Path, terminal: bool) -> tuple[int, str, str]:
    """Return the exit code of a command and what it said."""
    out, err = (Screen(), Screen()) if terminal else (io.StringIO(), io.StringIO())
    env = {"NBFLOW_STORAGE": str(storage), "NBFLOW_HUMAN_TIMEOUT": "0.1", "TERM": "xterm"}
    with (
        redirect_stdout(out),
        redirect_stderr(err),
        patch.dict(os.environ, env),
        patch("sys.stdin", io.StringIO("y\n")),
    ):
        try:
            code = main(words)
        except SystemExit as ended:
            code = int(ended.code or 0) if not isinstance(ended.code, str) else 2
    return code, out.getvalue(), err.getvalue()


HOSTILE = "\x00../../etc/\x1b[31mpasswd\u202e"


def test_no_command_steers_the_terminal_by_the_name_of_a_run(host: Host, folder: Path) -> None:
    nf.run(nf.task(lambda x: print(x) or x, name=HOSTILE).bind(HOSTILE), workflow_id=HOSTILE)
    nf.shutdown()
    for command in [*sorted({*LOOKING} - {"delete"}), "delete"]:
        for more in ([], [HOSTILE], [HOSTILE, HOSTILE]):
            _, out, err = typed(
                [command, *more, *(["--wait", "0"] if command in ("send", "answer") else [])], folder, True
            )
            assert not OBEYED.search(OURS.sub("", out) + OURS.sub("", err.replace("\r", ""))), (command, more, out, err)
    figures.count("bad inputs", 3 * len(LOOKING))


@seeded
def test_no_words_end_in_a_traceback_or_steer_the_terminal(host: Host, folder: Path, seed: int) -> None:
    chance = random.Random(seed)
    names = [name(chance) for _ in range(6)]
    for each in names:
        nf.run(nf.task(lambda x: print(x) or x, name=each).bind(each), workflow_id=each, existing="restart")
    nf.shutdown()
    assert {*LOOKING} - {"no"} <= {*COMMANDS}
    for _ in range(rounds(60)):
        words = [chance.choice(LOOKING)]
        words += [chance.choice(names) if chance.random() < 0.7 else name(chance) for _ in range(chance.randrange(4))]
        words += chance.sample(
            ["--json", "--all", "--status", "--yes", "-n", "--wait", "--by", "--id", "--text"],
            chance.choice((0, 0, 1, 2)),
        )
        words += ["--wait", "0"] if words[0] in ("send", "answer") else []
        code, out, err = typed(words, folder, terminal=True)
        assert code in [*Exit], (words, code, err)
        assert "Traceback" not in out + err and "mistake in nbflow" not in err, (words, err)
        said = OURS.sub("", out) + OURS.sub("", err.replace("\r", ""))
        assert not OBEYED.search(said), (words, said)
    figures.count("bad inputs", rounds(60))


@seeded
def test_what_is_printed_for_programs_is_whole(host: Host, folder: Path, seed: int) -> None:
    chance = random.Random(seed)
    names = list(dict.fromkeys(name(chance) for _ in range(6)))
    for each in names:
        nf.run(nf.task(lambda x: x, name=each).bind(each), workflow_id=each)
    nf.shutdown()
    code, out, _ = typed(["list", "--json"], folder, terminal=False)
    assert code == 0 and sorted(row["id"] for row in json.loads(out)["runs"]) == sorted(names)
    code, out, _ = typed(["list"], folder, terminal=False)
    assert code == 0 and len(out.splitlines()) == len(names) and not OBEYED.search(out)
    for each in names:
        code, out, err = typed(["show", "--json", "--", each], folder, terminal=False)
        assert code == 0 and json.loads(out)["id"] == each, err
