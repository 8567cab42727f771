"""The way of a command: read it, do it, and end with an exit code and one line that says what to type next."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence

from .exits import Exit, told
from .parser import parser
from .terminal import Printer, complain

_HOMES = {
    "list": "look:list_runs",
    "show": "look:show",
    "story": "look:story",
    "logs": "look:logs",
    "send": "say:send",
    "answer": "say:answer",
    "resume": "steer:resume",
    "cancel": "steer:cancel",
    "cancel-wait": "steer:cancel_wait",
    "delete": "steer:delete",
    "salvage": "steer:salvage",
    "sign": "steer:sign",
    "serve": "steer:serve",
    "doctor": "check:doctor",
    "version": "steer:version",
    "completion": "complete:script",
}
"""Where each command is done; only that module is imported."""


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit code; nothing is raised but for a usage that is wrong.

    >>> from nbflow.cli import main
    >>> main(["version"])
    nbflow ...
    0
    """
    words = [*(sys.argv[1:] if argv is None else argv)]
    if words[:1] == ["__complete"]:
        from .complete import complete

        return complete(words[1:])
    return _guarded(lambda: _do(words))


def _do(words: list[str]) -> Exit:
    known = parser()
    args, more = known.parse_known_args(words)
    if more:
        known.refuse(args.command, more)
    if args.version:
        args.command = "version"
    if args.command is None:
        known.print_help()
        return Exit.OK
    module, name = _HOMES[args.command].split(":")
    function: Callable[[argparse.Namespace, Printer], Exit]
    function = getattr(importlib.import_module(f".{module}", __package__), name)
    code = function(args, Printer(getattr(args, "as_json", False)))
    sys.stdout.flush()  # here, so that a reader that went away is met inside the guard
    return code


def _guarded(do: Callable[[], Exit]) -> int:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that knows no such letter shows another
    try:
        return int(do())
    except BrokenPipeError:
        _silence()
        return int(Exit.BROKEN_PIPE)
    except KeyboardInterrupt:
        return int(Exit.INTERRUPTED)
    except Exception as error:
        if os.environ.get("NBFLOW_DEBUG"):
            raise
        code, text = told(error)
        if text:
            from .place import typed  # it knows the storage, which a command that goes well may not need

            complain(typed(error, text))
        return int(code)


def _silence() -> None:
    """Send what is still buffered nowhere: the interpreter would complain at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
