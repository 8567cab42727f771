"""What may be typed: the commands, their arguments, and the help."""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Callable
from typing import NoReturn

from ..core.status import WorkflowStatus
from ..views.words import clean
from .exits import MEANINGS

COMMANDS = {
    "list": "list the runs of the storage",
    "show": "show one run: how it stands, what it asks, its nodes",
    "story": "tell all that happened to a node",
    "logs": "print what a task has printed",
    "send": "send an event to a run",
    "answer": "answer a question of a run",
    "resume": "go on with a failed or stopped run, here",
    "cancel": "cancel a run, wherever it is live",
    "cancel-wait": "end one wait of a run without an event",
    "delete": "delete a run and all that is stored of it",
    "salvage": "go on from what can be read of a damaged run",
    "sign": "sign a run that is not signed, as it stands",
    "serve": "answer HTTP clients: events and approvals",
    "doctor": "say what works here and what not",
    "completion": "print the completion for a shell",
    "version": "print the version",
}
"""Each command in one line."""

ABOUT = """\
Look at the runs of a storage folder, answer their questions, and go on with them.
A run may be live in a notebook meanwhile; no server is needed."""

EPILOG = f"""\
environment:
  NBFLOW_STORAGE        the storage folder, when --storage is not given (default: ./.nbflow)
  NBFLOW_SIGN           1: everything in the storage must be signed with your key, and is
  NBFLOW_SIGNING_KEY    the key of another machine (default: a file in your folder for settings)
  NBFLOW_HUMAN_TIMEOUT  seconds that 'resume' waits for a person where none is at its terminal (60)
  NO_COLOR              no colours
  NBFLOW_DEBUG          when it is set, an error shows where in nbflow it arose

exit codes:
{chr(10).join(f"  {code.value:<5} {meaning}" for code, meaning in MEANINGS.items())}

examples:
  nbflow list --status running
  nbflow show books-2026-11
  nbflow answer books-2026-11 close_the_books approve --comment "seen by ana"
  nbflow send books-2026-11 invoice --json '{{"no": 17}}' --id invoice-17
  nbflow --json show books-2026-11 | jq '.nodes[] | select(.state == "failed")'

'nbflow COMMAND --help' tells more. What is printed into a pipe has tabs between its columns, and no heads.
The storage holds code: 'resume' runs what is stored there; the other commands only read it as text."""

_WIDE = {
    "list": "Into a pipe: id, status, live or idle, nodes done, nodes, open questions, last change (UTC), name.",
    "show": "Into a pipe the nodes are: node, state, attempts, seconds, value or error.",
    "story": "Into a pipe: number of the record, time (UTC), state after it, what happened.",
    "logs": "The last 200 lines of each task are kept.",
    "send": "The oldest wait for KEY takes the event; without one it is kept, in order. With --id it counts once,\n"
    "however often it is sent. For the receipt as JSON write 'nbflow --json send ...'.",
    "answer": "Of two answers the first one counts. At a terminal, without an OPTION, it asks line by line.\n"
    "A form with one button needs no OPTION: nbflow answer RUN QUESTION name=ana days=3",
    "resume": "The stored graph and code are used. A run that waits for a person asks at this terminal. Ctrl-C\n"
    "lets the run go: nothing is lost. Modules are also looked for in the present folder.",
    "cancel": "Final. The process that has the run does it; of a run that nobody has, it is done here.",
    "cancel-wait": "The wait gets its default, a question its on_timeout. Without one it fails, and with it the run,\n"
    "unless something catches that. The process that has the run does it; a run that nobody has has no open wait.",
    "delete": "A live run is refused: nbflow cancel RUN comes first. Without a terminal nothing is asked.",
    "salvage": "No file is changed or removed; what lay behind the damage stays beside it.",
    "sign": "For a folder whose runs must be signed (NBFLOW_SIGN=1). Whoever could write to it may have put code into\n"
    "the run: look at it first. Without a terminal nothing is asked.",
    "serve": "It prints where; the token stands in the file http-token of the storage. Ctrl-C ends it.",
    "doctor": "It looks at Python, the storage folder and the extras. A few files are written there, and removed.",
    "completion": 'bash: eval "$(nbflow completion bash)" in ~/.bashrc\n'
    'zsh:  eval "$(nbflow completion zsh)" in ~/.zshrc, after compinit\n'
    "fish: nbflow completion fish > ~/.config/fish/completions/nbflow.fish",
    "version": "",
}


def parser() -> _Parser:
    """Return the parser of the command line."""
    top = _Parser("nbflow", description=ABOUT, epilog=EPILOG, formatter_class=_Help)
    _common(top, storage=None, as_json=False)
    top.add_argument("--version", action="store_true", help="print the version")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", title="commands", prog="nbflow")
    for name, line in COMMANDS.items():
        about = f"{line[:1].upper()}{line[1:]}.\n{_WIDE[name]}"
        each = commands.add_parser(name, help=line, description=about.strip(), formatter_class=_Help)
        if name not in ("completion", "version"):
            _common(each, storage=argparse.SUPPRESS, as_json=None if name == "send" else argparse.SUPPRESS)
        elif name == "version":
            each.add_argument("--json", dest="as_json", action="store_true", default=argparse.SUPPRESS)
        _ARGUMENTS.get(name, _run)(each)
    return top


def _common(each: argparse.ArgumentParser, *, storage: str | None, as_json: bool | str | None) -> None:
    each.add_argument("--storage", metavar="FOLDER", default=storage, help="where the runs are kept")
    if as_json is not None:
        each.add_argument("--json", dest="as_json", action="store_true", default=as_json, help="print one document")


def _run(each: argparse.ArgumentParser) -> None:
    each.add_argument("run", metavar="RUN", help="the id of the run")


def _list(each: argparse.ArgumentParser) -> None:
    statuses = [status.lower() for status in WorkflowStatus]
    each.add_argument(
        "--status", metavar="STATUS", action="append", type=str.lower, choices=statuses,
        help=f"only runs of this status, may be repeated: {', '.join(statuses)}",
    )  # fmt: skip
    each.add_argument("-n", "--limit", metavar="N", type=_count, default=0, help="only the N that changed last")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a number from 1 on is wanted, not {clean(text)!r}")
    return int(text)


def _show(each: argparse.ArgumentParser) -> None:
    _run(each)
    each.add_argument("--all", action="store_true", help="all nodes, also at a terminal")


def _node(each: argparse.ArgumentParser) -> None:
    _run(each)
    each.add_argument("node", metavar="NODE", help="the id of the node, as 'show' prints it")


def _send(each: argparse.ArgumentParser) -> None:
    _run(each)
    each.add_argument("key", metavar="KEY", help="what the event is about")
    payload = each.add_mutually_exclusive_group()
    payload.add_argument("--json", dest="payload", metavar="DOCUMENT", help="the payload as JSON; - reads stdin")
    payload.add_argument("--text", metavar="TEXT", help="the payload as text; - reads stdin")
    each.add_argument("--id", metavar="ID", help="a name for the event: with it, it counts once")
    _sender(each)


def _answer(each: argparse.ArgumentParser) -> None:
    _run(each)
    each.add_argument("question", metavar="QUESTION", nargs="?", help="its node or its title; needless for one")
    each.add_argument("words", metavar="OPTION | FIELD=VALUE", nargs="*", help="the option, and the fields of the form")
    each.add_argument("--comment", metavar="TEXT", default="", help="why")
    _sender(each)


def _sender(each: argparse.ArgumentParser) -> None:
    each.add_argument("--by", metavar="NAME", default=who(), help="who says so; recorded, not checked")
    each.add_argument(
        "--wait", metavar="SECONDS", type=float, default=5.0,
        help="how long to wait until the owner of a live run has taken it (5)",
    )  # fmt: skip


def _resume(each: argparse.ArgumentParser) -> None:
    _run(each)
    each.add_argument("--takeover", action="store_true", help="also when another process has the run: it loses it")


def _cancel(each: argparse.ArgumentParser) -> None:
    _run(each)
    each.add_argument("--by", metavar="NAME", default=who(), help="who says so; recorded, not checked")


def _cancel_wait(each: argparse.ArgumentParser) -> None:
    _run(each)
    each.add_argument("wait", metavar="WAIT", help="the id of the node that waits, or the title of its question")
    each.add_argument("--by", metavar="NAME", default=who(), help="who says so; recorded, not checked")


def _delete(each: argparse.ArgumentParser) -> None:
    _run(each)
    each.add_argument("-y", "--yes", action="store_true", help="do not ask")


def _serve(each: argparse.ArgumentParser) -> None:
    each.add_argument("--host", default="127.0.0.1", help="where to listen (127.0.0.1: this machine only)")
    each.add_argument("--port", type=int, default=0, help="0 chooses a free one")
    each.add_argument("--public-url", metavar="URL", help="the address that others use, where a proxy stands in front")


def _completion(each: argparse.ArgumentParser) -> None:
    each.add_argument("shell", choices=["bash", "zsh", "fish"])


def _nothing(each: argparse.ArgumentParser) -> None:
    pass


_ARGUMENTS: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "list": _list,
    "show": _show,
    "story": _node,
    "logs": _node,
    "send": _send,
    "answer": _answer,
    "resume": _resume,
    "cancel": _cancel,
    "cancel-wait": _cancel_wait,
    "delete": _delete,
    "sign": _delete,
    "serve": _serve,
    "doctor": _nothing,
    "completion": _completion,
    "version": _nothing,
}


def who() -> str:
    """Return who types here: the hub's name of the person, else nobody is recorded."""
    return os.environ.get("JUPYTERHUB_USER", "")


class _Parser(argparse.ArgumentParser):
    """Repeats no control characters of what was typed, which may have been pasted from anywhere."""

    def error(self, message: str) -> NoReturn:
        super().error(clean(message))

    def refuse(self, command: str | None, words: list[str]) -> NoReturn:
        """End with what was typed too much, and what to type instead where that can be told."""
        hint = "; a payload comes with --json or --text: nbflow send RUN KEY --json 12" if command == "send" else ""
        self.error(f"unrecognized arguments: {' '.join(words)}{hint}")


class _Help(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=min(100, shutil.get_terminal_size().columns - 2))
