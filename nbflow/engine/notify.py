"""Who is told that a question is open: functions, and addresses of a chat, a phone or a mailbox, each one once.

A notification never holds up its run. One that cannot be sent is tried again, longer and longer apart, as long as the
question is open; at last it becomes a notice. What was sent or given up stands in the journal, so that a restart does
not tell anybody twice; only a process that dies between the two tells once more.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import inspect
import os
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..core.records import Notified, WaitOpened
from ..storage import values

if TYPE_CHECKING:
    from .runner import Runner

PAUSES = (2.0, 10.0, 60.0, 300.0)
"""Seconds before each further try; after the last one it is given up."""
LIMIT = 30.0
"""Seconds that one try may take; after them its thread is left to itself."""
AT_ONCE = 4
"""So many are being sent at once in one run."""
ADDRESS = "env:"
"""How a target begins that names the variable of the environment that holds the address."""

_ADDRESSES = re.compile(r"\w[\w+.-]*://\S+")


@dataclass(frozen=True, slots=True)
class Notification:
    """What a person is told: a question is open. ``link`` is where to answer, '' when no endpoint runs here.

    >>> from nbflow.engine.notify import Notification
    >>> print(Notification("Publish?", "RMSE is 1.2", "churn", "publish", ("approve", "reject")))
    Publish?
    RMSE is 1.2
    Run churn waits for: approve or reject
    """

    title: str
    message: str
    workflow_id: str
    node_id: str
    options: tuple[str, ...] = ()
    assigned_to: tuple[str, ...] = ()
    link: str = ""

    @property
    def text(self) -> str:
        """All but the title, in lines."""
        waits = f"Run {self.workflow_id} waits for: {' or '.join(self.options)}"
        who = f"For {', '.join(self.assigned_to)}" if self.assigned_to else ""
        return "\n".join(part for part in (self.message, waits, who, self.link) if part)

    def __str__(self) -> str:
        return f"{self.title}\n{self.text}"


def targets_of(notify: Any) -> tuple[Any, ...]:
    """Return who is to be told, as a tuple.

    Each is a function of a Notification, or ``"env:NAME"``, the variable that holds an address of apprise. An address
    itself is refused: it usually holds a password, and what is given here is stored. Raises TypeError, ValueError.
    """
    listed = isinstance(notify, (list, tuple))
    targets = () if notify is None else tuple(notify) if listed else (notify,)
    for target in targets:
        if isinstance(target, str):
            if not re.fullmatch(r"env:[A-Za-z_][A-Za-z0-9_]*", target):
                raise ValueError(
                    "notify= takes no address, since it would stand in the storage with its password: put it into a "
                    "variable of the environment and write notify='env:NAME_OF_THE_VARIABLE'."
                )
        elif not callable(target):
            raise TypeError(
                f"notify= takes a function of one notification, 'env:NAME' or a list of them, not {target!r}."
            )
    return targets


class Notifier:
    """Tells people of the open questions of one run. For the engine's loop."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._open: dict[int, asyncio.Task[None]] = {}

    def begin(self, index: int, wait: WaitOpened) -> None:
        """Tell those who were not told yet, until the question is closed."""
        if wait.notify is not None:
            self._open[index] = self.runner.spawn(self._all(index, wait))

    def close(self, index: int) -> None:
        """Tell nobody any more of the question of a node. Idempotent."""
        task = self._open.pop(index, None)
        if task is not None:
            task.cancel()

    async def _all(self, index: int, wait: WaitOpened) -> None:
        runner = self.runner
        node = runner.state.nodes[index]
        try:
            targets = await asyncio.to_thread(values.decode, wait.notify or {}, runner.blobs)
            about = self._about(index, wait)
        except Exception as error:
            runner.notice(f"Nobody is told of {node.node_id!r}: {_masked(error)}")
            return
        left = [(place, target) for place, target in enumerate(targets) if place not in node.told]
        await asyncio.gather(*(self._one(index, wait.token, place, target, about) for place, target in left))

    def _about(self, index: int, wait: WaitOpened) -> Notification:
        runner, prompt = self.runner, wait.prompt or {}
        node_id = runner.state.nodes[index].node_id
        make = runner.host.link_to
        link = make(runner.workflow_id, node_id, wait.token) if make is not None else ""
        return Notification(
            str(prompt.get("title") or node_id),
            str(prompt.get("message") or ""),
            runner.workflow_id,
            node_id,
            tuple(map(str, prompt.get("options") or ())),
            tuple(map(str, prompt.get("assigned_to") or ())),
            link,
        )

    async def _one(self, index: int, token: int, place: int, target: Any, about: Notification) -> None:
        """Tell one, and write down that it was told or given up."""
        runner = self.runner
        for pause in (*PAUSES, None):
            try:
                async with self._slots:
                    await asyncio.wait_for(_send(target, about), LIMIT)
            except Exception as error:
                if pause is not None and not isinstance(error, ModuleNotFoundError):
                    await self._sleep(pause)
                    continue
                # the journal has no more than the kind of the error: its message may hold an address
                runner.write(Notified(index, token, runner.now(), place, type(error).__name__))
                runner.notice(f"{_name(target)} could not be told of {about.node_id!r}: {_masked(error)}")
            else:
                runner.write(Notified(index, token, runner.now(), place))
            return

    async def _sleep(self, seconds: float) -> None:
        due, clock = asyncio.Event(), self.runner.host.clock
        timer = clock.call_at(clock.time() + seconds, due.set)
        try:
            await due.wait()
        finally:
            timer.cancel()


async def _send(target: Any, about: Notification) -> None:
    if isinstance(target, str):
        await _in_thread(lambda: _to_address(target.removeprefix(ADDRESS), about))
        return
    sent = await _in_thread(lambda: target(about))
    if inspect.isawaitable(sent):
        await sent


def _in_thread(call: Callable[[], Any]) -> asyncio.Future[Any]:
    """Make a call in a thread that nothing waits for at the end: no pool of the engine's may fill with deaf hosts."""
    future: concurrent.futures.Future[Any] = concurrent.futures.Future()
    context = contextvars.copy_context()

    def main() -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            found = context.run(call)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(found)

    threading.Thread(target=main, name="nbflow-notify", daemon=True).start()
    return asyncio.wrap_future(future)


def _to_address(variable: str, about: Notification) -> None:
    address = os.environ.get(variable, "").strip()
    if not address:
        raise LookupError(f"the variable {variable} is not set in the environment of this process")
    try:
        from apprise import Apprise  # the one lazy place: only who gives addresses needs it
    except ImportError:
        raise ModuleNotFoundError("addresses need apprise: pip install 'nbflow[notify]'") from None
    sender = Apprise()
    if not sender.add(address):
        raise ValueError(f"the variable {variable} holds no address that apprise knows")
    if not sender.notify(title=about.title, body=about.text, body_format="text"):
        raise ConnectionError(f"the service at the address in {variable} did not take it")


def _name(target: Any) -> str:
    return target if isinstance(target, str) else str(getattr(target, "__name__", type(target).__name__))


def _masked(error: BaseException) -> str:
    """Return an error in one line without addresses: those of chats are passwords."""
    line = next(iter(str(error).splitlines()), "")
    return _ADDRESSES.sub("<address>", f"{type(error).__name__}: {line}" if line else type(error).__name__)
