"""Steering: go on with a run, cancel it or a wait of it, delete, salvage and sign it, and serve all of them."""

from __future__ import annotations

import argparse
import contextlib
import platform
import signal
import sys
import threading
import time
from collections.abc import Iterator

from .. import __version__, api, home
from ..core.status import WorkflowStatus
from ..engine import ending, wait_ends
from ..engine.host import Host
from ..engine.runner import Runner
from ..errors import WorkflowExecutionError
from ..handle import Run
from ..storage.base import Storage
from ..storage.preview import preview
from ..views import words
from ..views.palette import LOOKS
from ..views.picture import visible
from ..views.rows import blamed, counted, row_of
from .exits import CommandError, Exit
from .place import entry_of, next_step, storage_at
from .terminal import Printer, complain

BEAT = 1.0
"""Seconds at least between two lines of progress at a terminal; into a file five times as long."""


SHARE = 20
"""A line takes at most this part of the time of the engine, however many nodes it counts."""


@contextlib.contextmanager
def host_on(storage: Storage) -> Iterator[Host]:
    """Give the host of this process on a storage, and let everything go at the end."""
    home.init(storage=storage)
    try:
        yield home.default_host()
    finally:
        home.shutdown()


# ---- resume ----


def resume(args: argparse.Namespace, out: Printer) -> Exit:
    """Run a run to its end here, with lines of progress beside the output; its value is printed in short."""
    storage = storage_at(args.storage)
    entry_of(storage, args.run)
    if "" not in sys.path:
        sys.path.insert(0, "")  # what the notebook beside it imports can be imported here as well
    with host_on(storage) as host:
        run = api.resume_async(args.run, takeover=args.takeover)
        progress = Progress(host, Printer(stream=sys.stderr))
        host.engine.call(progress.watch, args.run)
        try:
            value = run.result()
        except KeyboardInterrupt:
            run.detach("interrupted")
            complain(f"run {args.run!r} was let go and nothing is lost; {next_step('resume', args.run)} goes on")
            return Exit.INTERRUPTED
        except WorkflowExecutionError as error:
            progress.last()
            raise CommandError(Exit.ERROR, _failure(run, error)) from error
        progress.last()
        if out.as_json:
            out.json({"run": args.run, "status": str(WorkflowStatus.SUCCESSFUL), "value": preview(value)})
        else:
            out.line(words.clean(preview(value)))
    return Exit.OK


def _failure(run: Run, error: WorkflowExecutionError) -> str:
    state = run.state
    node = state.nodes[state.failed].node_id if state.failed >= 0 else ""
    how = f" {next_step('story', run.workflow_id, node)} tells how." if node else ""
    said = words.one_line(str(error), 400)
    return f"{said}{how and (how if said.endswith(('.', '!', '?')) else f'.{how}')}"


class Progress:
    """Prints a line when a live run has moved, not too often, and at the end."""

    def __init__(self, host: Host, out: Printer) -> None:
        self._host = host
        self._out = out
        self._runner: Runner | None = None
        self._beat = BEAT if out.fancy else 5 * BEAT
        self._next = 0.0
        self._again = False
        self._said = ""

    async def watch(self, workflow_id: str) -> None:
        """Begin; on the engine's loop."""
        self._runner = self._host.runners.get(workflow_id)
        if self._runner is not None:
            self._runner.observers.append(self._look)
            self._look(self._runner)

    def last(self) -> None:
        """Print how the run stands now."""
        if self._runner is not None:
            self._say(self._runner)

    def _look(self, runner: Runner) -> None:
        left = self._next - time.monotonic()
        if left <= 0:
            began = time.monotonic()
            self._say(runner)
            self._next = began + max(self._beat, SHARE * (time.monotonic() - began))
        elif not self._again:
            self._again = True  # what is left out now may be the last thing that happens for long
            runner.loop.call_later(left, self._late, runner)

    def _late(self, runner: Runner) -> None:
        self._again = False
        if not runner.closed:
            self._look(runner)

    def _say(self, runner: Runner) -> None:
        state, blame = runner.state, blamed(runner.state)
        counts = counted(row_of(state, i, blame) for i in visible(state))
        text = words.counted(counts)
        if text and text != self._said:
            self._said = text
            code = next((code for code in "fwreyqp" if counts.get(code)), "s")
            self._out.line(f"{self._out.state(code, LOOKS[code].glyph)} {words.name(runner.workflow_id)}: {text}")


# ---- cancel, delete, salvage ----


def cancel(args: argparse.Namespace, out: Printer) -> Exit:
    """Cancel a run, whoever owns it."""
    storage = storage_at(args.storage)
    entry_of(storage, args.run)
    with host_on(storage) as host:
        ending.cancel(host, args.run, args.by)
    return _done(out, args.run, "canceled")


def cancel_wait(args: argparse.Namespace, out: Printer) -> Exit:
    """End one open wait without an event, in the process that has the run."""
    storage = storage_at(args.storage)
    entry_of(storage, args.run)
    with host_on(storage) as host:
        try:
            wait_ends.cancel_wait(host, args.run, args.wait, args.by)
        except ValueError as error:  # it names the waits that are open
            raise CommandError(Exit.NOT_FOUND, str(error)) from error
    if out.as_json:
        out.json({"run": args.run, "wait": args.wait, "status": "ENDED"})
    else:
        out.line(f"{words.name(args.run)}: {words.name(args.wait)} waits no more")
    return Exit.OK


def delete(args: argparse.Namespace, out: Printer) -> Exit:
    """Delete a run that is not live, with all that is stored of it; at a terminal, ask first."""
    storage = storage_at(args.storage)
    entry_of(storage, args.run)
    if not args.yes and not _agreed(f"Delete run {args.run!r} and all that is stored of it?"):
        raise CommandError(Exit.REFUSED, "Nothing was deleted.")
    storage.delete_run(args.run)
    return _done(out, args.run, "deleted")


def salvage(args: argparse.Namespace, out: Printer) -> Exit:
    """Let a damaged run go on from what can be read, and tell what was left aside."""
    storage = storage_at(args.storage)
    if not storage.entry(args.run) and not storage.exists(args.run):
        entry_of(storage, args.run)
    found = storage.salvage_run(args.run)
    if out.as_json:
        out.json({"run": args.run, "kept": found.kept, "damage": found.damage, "left": len(found.left),
                  "aside": list(found.aside)})  # fmt: skip
    elif not found.damage:
        out.line(f"{words.name(args.run)} is not damaged: {found.kept} records can be read")
    else:
        left = f"{len(found.left)} behind the damage were left aside"
        out.line(f"{words.name(args.run)}: {found.kept} records go on; {left}")
        out.line(f"The damage: {found.damage}. The files stay as they are: {', '.join(found.aside)}")
    return Exit.OK


def sign(args: argparse.Namespace, out: Printer) -> Exit:
    """Sign a run as it stands; at a terminal, ask first."""
    storage = storage_at(args.storage)
    entry_of(storage, args.run)
    if not args.yes and not _agreed(f"Sign run {words.name(args.run)}, with any code that others put there?"):
        raise CommandError(Exit.REFUSED, "Nothing was signed.")
    count = storage.sign_run(args.run)
    return _done(out, args.run, f"signed: {count} records" if count else "was signed already")


def _agreed(question: str) -> bool:
    """Ask at a terminal; without one everybody agrees."""
    if not sys.stdin.isatty():
        return True
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().casefold() in ("y", "yes")


def _done(out: Printer, run: str, what: str) -> Exit:
    if out.as_json:
        out.json({"run": run, "status": what.upper()})
    else:
        out.line(f"{words.name(run)} {what}")
    return Exit.OK


# ---- serve, version ----


def serve(args: argparse.Namespace, out: Printer) -> Exit:
    """Serve the runs of a storage by HTTP until Ctrl-C."""
    import nbflow  # its face opens the HTTP room: tornado comes with it

    home.init(storage=home.open_storage(args.storage))
    try:
        endpoint = nbflow.serve(args.port, args.host, public_url=args.public_url)
        if out.as_json:
            out.json({"url": endpoint.url})
        else:
            out.line(f"Serving {home.near(home.default_host().storage.url)} at {endpoint.url} (Ctrl-C ends it)")
        sys.stdout.flush()
        _until_told()
        endpoint.close()
    finally:
        home.shutdown()
    return Exit.OK


def _until_told() -> None:
    """Wait for Ctrl-C or a word of the system to end."""
    told = threading.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: told.set())
    while not told.wait(1.0):
        pass  # in slices: on Windows an endless wait would not see Ctrl-C


def version(args: argparse.Namespace, out: Printer) -> Exit:
    """Print the version of nbflow and of what it runs on."""
    if out.as_json:
        out.json({"nbflow": __version__, "python": platform.python_version(), "platform": sys.platform})
    else:
        out.line(f"nbflow {__version__} (Python {platform.python_version()}, {sys.platform})")
    return Exit.OK
