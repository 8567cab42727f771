"""The code of a run that waits: what it was started with, under what the notebook has now."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from ...core.graph import Json
from ...core.machine import EVENT, MachineOpened, machine_of
from ...dag.fingerprint import fingerprint
from ...machine import registry
from ...machine.convert import Misfit
from ...machine.definition import Handler, Workflow
from .doors import unknown

if TYPE_CHECKING:
    from .driver import MachineDriver


class Definitions:
    """The definition that one run uses. The newest of its type counts, handler by handler."""

    def __init__(self, driver: MachineDriver, given: Workflow) -> None:
        self._driver = driver
        self._given = given
        self._seen: list[Any] = []
        self._posted = False
        self.workflow = given
        self._new = self._merge()

    @property
    def name(self) -> str:
        """The type of the workflow."""
        return self._given.workflow_type

    def form(self) -> Json:
        """Return what the machine is made of."""
        return self.workflow.form()

    def changed(self, workflow_type: str) -> None:
        """Take notice of a new definition. From any thread."""
        if workflow_type == self.name and not self._posted:
            self._posted = True
            self._driver.runner.host.engine.post(self._look)

    def _look(self) -> None:
        self._posted = False
        self.refresh()

    def refresh(self) -> None:
        """Use the newest handlers from now on, and ask the questions anew that they change."""
        runner = self._driver.runner
        self._new += self._merge()
        machine = machine_of(runner.state)
        if machine is None or runner.closed:
            return
        self.announce()
        if machine.form != (form := self.form()):
            runner.write(MachineOpened(self._driver.node, runner.now(), form))

    def announce(self) -> None:
        """Say which handlers are other than those that this run used before."""
        if self._new:
            names = ", ".join(map(repr, dict.fromkeys(self._new)))
            self._driver.runner.notice(f"{self.name!r} was defined anew: this run uses {names} as it is now.")
        self._new = []

    def _merge(self) -> list[str]:
        """Put the newest handlers over those that are used; return the names of those that do something else."""
        newest = registry.newest(self.name)
        seen = [newest, *(newest.handlers.values() if newest is not None else ())]
        if newest is None or (len(seen) == len(self._seen) and all(map(operator.is_, seen, self._seen))):
            return []
        self._seen = seen
        before, self.workflow = self.workflow, self.workflow.under(newest)
        return [
            key[1] for key, handler in self.workflow.handlers.items() if _differs(before.handlers.get(key), handler)
        ]

    def door(self, key: str, payload: Any) -> tuple[str, str]:
        """Return "rejected" or "closed" and why an event is not taken, or '' and a warning."""
        machine = machine_of(self._driver.runner.state)
        name, answer = key, False
        if machine is not None and (name := machine.name_of(key)) != key:
            if key not in machine.asked:
                return "closed", f"that wait for {name!r} is over"
            answer = True
        handler = self.workflow.handlers.get((EVENT, name))
        if handler is None:
            return "rejected", unknown(self.name, name, self.workflow.event_names)
        said = (payload.get("values") or None) if answer and isinstance(payload, dict) else payload
        try:
            return "", handler.parameters.take(said)[1]
        except Misfit as wrong:
            return "rejected", f"{name!r}: {wrong}; its handler is {handler.signature}"


def _differs(before: Handler | None, after: Handler) -> bool:
    if before is None:
        return True
    return before.function is not after.function and fingerprint(before.function) != fingerprint(after.function)
