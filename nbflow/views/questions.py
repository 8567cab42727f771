"""What a person is asked, or was: one question for each wait that has a prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core.form import option_kind
from ..core.graph import FORGOTTEN, Json
from ..core.state import RunState
from ..core.status import NodeStatus
from . import words
from .rows import answer_of

OPEN = "open"
DONE = "done"
PAUSED = "paused"
CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Question:
    """One question. ``state`` is ``open``, ``done`` (answered, by a person or by time), ``paused`` or ``closed``.

    A paused question belongs to a run that nobody runs now; it opens again with the run. A closed one was never
    answered: the run was canceled, or time was up and nothing had been said for that case.
    ``node`` and ``token`` name the wait, ``key`` its events. ``fields`` is a JSON schema, ``show`` a MIME bundle.
    ``assigned_to`` is a label: nothing here checks who somebody is.
    """

    node: int
    node_id: str
    token: int
    key: str
    state: str
    title: str
    kind: str = "button"
    message: str = ""
    options: tuple[str, ...] = ()
    fields: Json | None = None
    default: str | None = None
    show: Json | None = None
    assigned_to: tuple[str, ...] = ()
    require_comment: bool = False
    opened: float = 0.0
    deadline: float | None = None
    fallback: str = ""
    answer: str = ""
    values: Json | None = None
    comment: str = ""
    by: str = ""
    source: str = ""
    answered: float | None = None

    @property
    def question_id(self) -> str:
        """The name of the question in its run; a new wait of the same node has another."""
        return str(self.token)

    def to_message(self) -> Json:
        """Return the question as the front end wants it; what only an open one needs is left out of others."""
        message: Json = {
            "id": self.question_id,
            "node": words.name(self.node_id),
            "state": self.state,
            "subject": words.name(self.title),
            "assigned": [words.name(who) for who in self.assigned_to],
        }
        if self.state == DONE:
            said: Json = {"values": words.cleaned(self.values)} if self.values else {}
            return (
                message
                | said
                | {
                    "answer": words.name(self.answer) or "answered",
                    "by": words.name(self.by),
                    "at": self.answered,
                    "comment": words.clean(self.comment),
                    "source": words.name(self.source),
                    "positive": option_kind(self.answer) != "reject",
                }
            )
        if self.state == OPEN:
            message |= {
                "kind": self.kind,
                "body": words.clean(self.message),
                "schema": self.fields,
                "options": [{"value": o, "label": label_of(o), "kind": option_kind(o)} for o in self.options],
                "default": self.default,
                "show": self.show,
                "require_comment": self.require_comment,
                "due": self.deadline,
                "fallback": label_of(self.fallback),
            }
        return message


def label_of(option: str) -> str:
    """Return an option as a person reads it: ``ask_again`` becomes ``Ask again``."""
    text = option.replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def question_of(state: RunState, index: int) -> Question | None:
    """Return the question of a node, None when it asks nobody (not yet, or not any more)."""
    node = state.nodes[index]
    wait = node.wait
    if wait is None or wait.prompt is None or node.owner == FORGOTTEN:
        return None
    prompt = wait.prompt
    where = _state_of(node.status)
    return Question(
        index,
        node.node_id,
        wait.token,
        wait.key,
        where,
        str(prompt.get("title") or node.node_id),
        str(prompt.get("kind") or "button"),
        str(prompt.get("message") or ""),
        tuple(map(str, prompt.get("options") or ())),
        prompt.get("fields"),
        prompt.get("default"),
        prompt.get("show"),
        tuple(map(str, prompt.get("assigned_to") or ())),
        bool(prompt.get("require_comment")),
        wait.at,
        wait.deadline,
        answer_of(wait.fallback),
        **(_decision(node.value, node.ended) if where == DONE else {}),
    )


def _state_of(status: NodeStatus) -> str:
    if status is NodeStatus.WAITING:
        return OPEN
    if status.finished or status is NodeStatus.COMMITTING:
        return DONE
    return PAUSED if status in (NodeStatus.PENDING, NodeStatus.QUEUED) else CLOSED


def _decision(value: Json | None, ended: float) -> Json:
    record: Any = value.get("v") if value is not None and value.get("c") == "json" else None
    said = record if isinstance(record, dict) else {}
    values = said.get("values")
    return {
        "answer": answer_of(value),
        "values": values if isinstance(values, dict) else None,
        "comment": str(said.get("comment") or ""),
        "by": str(said.get("by") or ""),
        "source": str(said.get("source") or ""),
        "answered": round(ended, 3) if ended else None,
    }


def in_order(questions: list[Question]) -> tuple[Question, ...]:
    """Return the questions with the open ones first, the oldest of each state before the others."""
    places = (OPEN, PAUSED, DONE, CLOSED)
    return tuple(sorted(questions, key=lambda q: (places.index(q.state), q.opened, q.token)))
