"""The open questions of all runs: read from the journals of the few runs that have any, and only when they change."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ...core.state import RunState
from ...core.status import WorkflowStatus
from ...engine.host import Host
from ...engine.inspect import read
from ...errors import NbflowError, WorkflowNotFoundError
from ...views.questions import OPEN, PAUSED, Question, in_order, question_of
from ...views.runs import RunRow

Json = dict[str, Any]

CARDS = 20
"""So many questions are shown at once, those of the oldest runs first; the others wait in their runs."""
DECISIONS = 12
"""So many of the latest decisions are shown."""
PATIENCE = 30.0
"""Seconds after which an answer that a live owner did not take may be given again."""


def ask_id(workflow_id: str, token: str) -> str:
    """Return the name of a question among those of all runs."""
    return f"{workflow_id}:{token}"


def split_id(ask: str) -> tuple[str, str]:
    """Return the run and the token of a question."""
    workflow_id, _, token = ask.rpartition(":")
    return workflow_id, token


class Asked:
    """The questions that a dashboard shows. Use it from one thread at a time, not from the engine's."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[object, list[Question]]] = {}
        self._decided: dict[str, Json] = {}
        self._sent: dict[str, tuple[str, float]] = {}
        self.more = 0
        """How many open questions are not among those that are shown."""

    def sent(self, ask: str, option: str) -> None:
        """Note that an answer lies in the inbox of a run."""
        self._sent[ask] = (option, time.monotonic())

    def look(self, host: Host, rows: Iterable[RunRow]) -> list[Json]:
        """Return the questions as the front end wants them: those that are open, then the latest decisions."""
        asking = sorted((row for row in rows if row.questions), key=lambda row: (row.created, row.workflow_id))
        shown, room = list[RunRow](), CARDS
        for row in asking:
            if room <= 0:
                break
            shown.append(row)
            room -= len(row.questions)
        self.more = sum(len(row.questions) for row in asking[len(shown) :])
        self._forget(host, {row.workflow_id for row in shown})
        asks = [self._message(question, row) for row in shown for question in self._of_run(host, row)]
        still = {ask["id"] for ask in asks}
        self._sent = {ask: kept for ask, kept in self._sent.items() if ask in still}
        self._decided = dict([*self._decided.items()][-DECISIONS:])
        return [*asks, *self._decided.values()]

    def _message(self, question: Question, row: RunRow) -> Json:
        name = ask_id(row.workflow_id, question.question_id)
        sent, since = self._sent.get(name, ("", 0.0))
        if sent and row.live and time.monotonic() - since > PATIENCE:
            sent = ""  # its owner does not take it: whoever asks must not be locked out for good
        return _placed(question, row.workflow_id) | {"idle": not row.live, "sent": sent}

    def _of_run(self, host: Host, row: RunRow) -> list[Question]:
        key = (row.asked, row.live, row.status)
        kept = self._open.get(row.workflow_id)
        if kept is not None and kept[0] == key:
            return kept[1]
        found = self._read(host, row.workflow_id, paused=not row.live)
        self._open[row.workflow_id] = (key, found)
        return found

    def _read(self, host: Host, workflow_id: str, paused: bool) -> list[Question]:
        """Return the open questions of a run, and note what became of those that were open."""
        before = {question.question_id for question in self._open.get(workflow_id, (None, []))[1]}
        try:
            questions = questions_of(host, workflow_id)
        except NbflowError as error:
            if isinstance(error, WorkflowNotFoundError):
                return []
            return self._open.get(workflow_id, (None, []))[1]  # damaged, or a disk that does not answer: as it was
        standing = (OPEN, PAUSED) if paused else (OPEN,)
        found = [replace(each, state=OPEN) for each in questions if each.state in standing]
        still = {question.question_id for question in found}
        for question in questions:
            if question.question_id in before - still and question.state != PAUSED:
                self._decided[ask_id(workflow_id, question.question_id)] = _placed(question, workflow_id)
        return found

    def _forget(self, host: Host, shown: set[str]) -> None:
        """Look once more at the runs that asked and ask no more: what was decided there?"""
        for workflow_id in [name for name in self._open if name not in shown]:
            self._read(host, workflow_id, paused=True)
            del self._open[workflow_id]


def _placed(question: Question, workflow_id: str) -> Json:
    return question.to_message() | {"id": ask_id(workflow_id, question.question_id), "run": workflow_id}


def questions_of(host: Host, workflow_id: str) -> list[Question]:
    """Return all questions of a run, from the engine or its journal. Raises NbflowError. Not on the engine's loop."""
    if workflow_id in host.runners and host.engine.thread.is_alive():
        found: list[Question] | None = host.engine.call(_live, host, workflow_id)
        if found is not None:
            return found
    return _all(read(host.storage, workflow_id))


async def _live(host: Host, workflow_id: str) -> list[Question] | None:
    runner = host.runners.get(workflow_id)
    return None if runner is None else _all(runner.state)


def _all(state: RunState) -> list[Question]:
    waits = (i for i, node in enumerate(state.nodes) if node.wait is not None)
    found = [question for i in waits if (question := question_of(state, i)) is not None]
    if state.status is WorkflowStatus.CANCELED:
        return [question for question in found if question.state not in (OPEN, PAUSED)]
    return list(in_order(found))
