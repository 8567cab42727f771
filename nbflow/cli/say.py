"""Saying something to a run: an event or an answer, left in its inbox, and what became of it at its owner."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from typing import Any

from ..core.answers import decide
from ..core.codec import decode
from ..core.commands import Acknowledge
from ..core.graph import Json
from ..core.node import Node
from ..core.records import EventReceived
from ..core.state import RunState
from ..engine import events
from ..engine.events import Receipt
from ..engine.inspect import hint
from ..storage.base import RunEntry, Storage
from ..views import words
from ..views.questions import OPEN, PAUSED, Question, label_of, question_of
from .exits import CommandError, Exit
from .place import entry_of, next_step, state_of, storage_at
from .terminal import Printer

FIRST_LOOK = 0.1
"""Seconds until the first look at what became of an event; each further one comes twice as late, up to a second."""
SOURCE = "cli"
SILENT = "stored; the owner of the run has not taken it yet"


# ---- send ----


def send(args: argparse.Namespace, out: Printer) -> Exit:
    """Leave an event for a run, and tell what became of it."""
    payload = _payload(args)
    storage = storage_at(args.storage)
    entry = entry_of(storage, args.run)
    receipt = events.leave(storage, args.run, args.key, payload, args.id, args.by, SOURCE)
    return _told(out, _became(storage, entry, receipt, args.wait), args.run)


def _payload(args: argparse.Namespace) -> Any:
    text = args.text if args.text is not None else args.payload
    if text == "-":
        text = sys.stdin.read()
    if args.text is not None or text is None:
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise CommandError(
            Exit.USAGE, f"--json takes a JSON document, and this is none: {error}. For plain text write --text."
        ) from None


# ---- answer ----


def answer(args: argparse.Namespace, out: Printer) -> Exit:
    """Answer a question, or at a terminal ask for the answer."""
    storage = storage_at(args.storage)
    entry = entry_of(storage, args.run)
    state = state_of(storage, entry)
    question = _question(state, args)
    if isinstance(question, Receipt):
        return _told(out, question, args.run)
    option, values = _said(question, args.words)
    payload = {"option": option, "values": values, "comment": args.comment, "by": args.by}
    if not args.words and not (len(question.options) == 1 and not question.fields) and sys.stdin.isatty():
        from .ask import asked  # needs more of nbflow than an answer on the command line

        payload = asked(storage, args.run, question) | {"by": args.by}
    elif not option:
        raise CommandError(
            Exit.USAGE, f"Which answer? {question.node_id!r} of run {args.run!r} takes {' or '.join(question.options)}."
        )
    return _told(out, give(storage, entry, state, question, payload, args.wait), args.run)


def give(
    storage: Storage, entry: RunEntry, state: RunState, question: Question, payload: Json, seconds: float
) -> Receipt:
    """Leave an answer for a run and return what became of it.

    What is left has the name of the question: of two who answer at once, one is told that it was second.
    """
    prompt = _prompt(state.nodes[question.node])
    _, reason = decide(prompt, payload, "", 0.0, SOURCE)
    if reason:
        return Receipt("rejected", reason, "", question.node_id)
    event_id = f"{question.node_id}:{question.token}:answer"
    receipt = events.leave(storage, entry.workflow_id, question.key, payload, event_id, payload["by"], SOURCE)
    second = Receipt("closed", "an answer was sent before; the first one counts", event_id, question.node_id)
    if receipt.status == "duplicate":
        return second
    became = _became(storage, entry, receipt, seconds)
    taken = _recorded(storage, entry.workflow_id, event_id) if became.status == "delivered" else None
    return second if taken is not None and events.is_anothers(taken, receipt) else became


def _recorded(storage: Storage, workflow_id: str, event_id: str) -> Json | None:
    """Return what an event brought, as the journal has it."""
    for wire in storage.read_run(workflow_id):
        record = decode(wire)
        if isinstance(record, EventReceived) and record.event_id == event_id:
            return record.payload
    return None


def _prompt(node: Node) -> Json:
    return (node.wait.prompt or {}) if node.wait is not None else {}


def open_questions(state: RunState) -> list[Question]:
    """Return the questions of a run that wait for an answer, the oldest first."""
    found = [asked for i in range(len(state.nodes)) if (asked := question_of(state, i)) is not None]
    return sorted((q for q in found if q.state in (OPEN, PAUSED)), key=lambda q: (q.opened, q.token))


def _question(state: RunState, args: argparse.Namespace) -> Question | Receipt:
    """Return the question that is meant, or the receipt that says who answered it. Raises CommandError."""
    found = open_questions(state)
    name = args.question
    if name is None:
        if len(found) == 1:
            return found[0]
        which = ", ".join(repr(each.node_id) for each in found)
        raise CommandError(
            Exit.USAGE if found else Exit.NOT_FOUND,
            f"Which question? Open are {which}." if found else f"Run {args.run!r} asks nothing now.",
        )
    for each in found:
        if name in (each.node_id, each.key, each.title):
            return each
    done = events.answered_question(state, name)
    if done is not None:
        return Receipt("closed", _decided(state, done), "", done.node_id)
    if len(found) == 1 and _answers(found[0], name):
        args.words.insert(0, name)
        return found[0]
    known = [each.node_id for each in found]
    asks = f"Open are {', '.join(map(repr, known))}." if known else "It asks nothing now."
    raise CommandError(Exit.NOT_FOUND, f"Run {args.run!r} has no question {name!r}{hint(name, known)} {asks}")


def _answers(question: Question, word: str) -> bool:
    """Tell whether a word can only be meant as an answer: an option, by its name or its label, or a field."""
    field = word.partition("=")[0] in (question.fields or {}).get("properties", {})
    return (field and "=" in word) or word.casefold() in {
        each.casefold() for o in question.options for each in (o, label_of(o))
    }


def _decided(state: RunState, node: Node) -> str:
    question = question_of(state, state.index[node.node_id])
    if question is None or not question.answer:
        return "it was answered already"
    return f"decided already: {question.answer}{f' by {question.by}' if question.by else ''}"


def _said(question: Question, given: list[str]) -> tuple[str, Json]:
    """Return the option and the fields among the words of a command; a form with one button needs no option."""
    rest, option = [*given], ""
    if rest and (rest[0] in question.options or "=" not in rest[0]):
        option = rest.pop(0)
    labels = {label_of(each).casefold(): each for each in question.options}
    option = option if option in question.options else labels.get(option.casefold(), option)
    values = {}
    for word in rest:
        name, equals, value = word.partition("=")
        if not equals:
            raise CommandError(Exit.USAGE, f"{word!r}: after the option come fields of the form, as NAME=VALUE.")
        values[name] = value
    if not option and len(question.options) == 1:
        option = question.options[0]
    return option, values


# ---- what became of it ----


def _became(storage: Storage, entry: RunEntry, receipt: Receipt, seconds: float) -> Receipt:
    """Wait until the live owner of a run has taken an event, and return what became of it there."""
    if receipt.status != "queued":
        return receipt
    if not entry.live:
        return Receipt("queued", "stored; the run takes it when somebody goes on with it", receipt.id)
    deadline, pause = time.monotonic() + seconds, FIRST_LOOK
    while time.monotonic() < deadline:
        time.sleep(min(pause, max(0.0, deadline - time.monotonic())))
        pause = min(1.0, 2 * pause)
        found = _in_journal(storage, entry.workflow_id, receipt.id)
        if found is not None:
            return found
    return Receipt("queued", SILENT if seconds else "stored", receipt.id)


def _in_journal(storage: Storage, workflow_id: str, event_id: str) -> Receipt | None:
    state, said = RunState(), None
    for wire in storage.read_run(workflow_id):
        record = decode(wire)
        for command in state.handle(record) if record is not None else ():
            if isinstance(command, Acknowledge) and command.event_id == event_id and said is None:
                said = command
    if said is None:
        return None
    node = "" if said.node is None else state.nodes[said.node].node_id
    reason = {"queued": "nobody waits for it yet", "rejected": "it does not fit the question"}.get(said.status, "")
    if said.status == "closed" or state.status is None:
        reason = f"run {workflow_id!r} is {state.status}"
    return Receipt(said.status, reason, event_id, node)


def _told(out: Printer, receipt: Receipt, run: str) -> Exit:
    if out.as_json:
        out.json({"run": run, **asdict(receipt)})
        return _code(receipt)
    taker = f" to {words.name(receipt.node)}" if receipt.node and receipt.status == "delivered" else ""
    text = f"{receipt.status}{taker}{f': {receipt.reason}' if receipt.reason else ''}"
    if not receipt:
        raise CommandError(Exit.REFUSED, f"{text}. {next_step('show', run)} tells how the run stands.")
    out.line(out.state("s", words.name(text)))
    return _code(receipt)


def _code(receipt: Receipt) -> Exit:
    if not receipt:
        return Exit.REFUSED
    return Exit.WAITING if receipt.reason == SILENT else Exit.OK
