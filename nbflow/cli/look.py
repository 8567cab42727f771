"""Looking: the list of runs, one run, and the story and the lines of one node. Nothing here unpickles or owns a run."""

from __future__ import annotations

import argparse
import time
from typing import Any

from ..core.codec import decode
from ..core.graph import Json
from ..core.status import NodeStatus, WorkflowStatus
from ..core.story import Row as StoryRow
from ..core.story import rows as story_rows
from ..engine.inspect import hint
from ..engine.listing import Listing
from ..home import near
from ..storage.base import RunEntry, Storage
from ..views import words
from ..views.detail import attempts_of
from ..views.palette import LOOKS
from ..views.questions import OPEN, PAUSED, Question
from ..views.runs import RunRow
from ..views.snapshot import Snapshot, TaskRow
from ..views.table import tasks_in_order, took_of
from .exits import CommandError, Exit
from .place import command_of, entry_of, next_step, state_of, storage_at
from .terminal import BOLD, DIM, Printer, lately, local, stamp

NODES = 60
"""A terminal shows so many nodes of a run, those that matter most first; --all, a pipe and --json have them all."""


# ---- list ----


def list_runs(args: argparse.Namespace, out: Printer) -> Exit:
    """Print the runs of a storage, the last changed first."""
    storage = storage_at(args.storage)
    wanted = {WorkflowStatus(status.upper()) for status in args.status or ()}
    rows = [row for row in Listing().of(storage, {}) if not wanted or row.status in wanted]
    rows = rows[: args.limit] if args.limit else rows
    if out.as_json:
        out.json({"storage": storage.url, "runs": [_run_json(row) for row in rows]})
    elif not out.fancy:
        out.table((), [_run_columns(row) for row in rows])
    elif not rows:
        out.line(f"No runs{' of this status' if wanted else ''} in {near(storage.url)}")
    else:
        heads = ("RUN", "NAME", "STATE", "NODES", "CHANGED", "ASKS")
        codes = "".join(row.look[1] for row in rows)
        now = time.time()
        out.table(heads, [_run_cells(row, now) for row in rows], codes=codes, state=2, give=(5, 1, 0))
    return Exit.OK


def _run_cells(row: RunRow, now: float) -> tuple[str, ...]:
    word, code, _ = row.look
    word = LOOKS["w"].word if code == "w" else word.capitalize()
    failed = f", {row.counts['f']} failed" if row.counts.get("f") else ""
    nodes = f"{row.done} of {row.total}{failed}" if row.total else ""
    asks = row.trouble or ", ".join(row.questions)
    return row.workflow_id, row.name, f"{LOOKS[code].glyph} {word}", nodes, lately(row.changed, now), asks


def _run_columns(row: RunRow) -> tuple[str, ...]:
    live = "live" if row.live else "idle"
    counts = (str(row.done), str(row.total), str(len(row.questions)))
    return row.workflow_id, str(row.status), live, *counts, stamp(row.changed) or "", row.name


def _run_json(row: RunRow) -> Json:
    return {
        "id": row.workflow_id,
        "name": row.name,
        "status": str(row.status),
        "live": row.live,
        "done": row.done,
        "total": row.total,
        "counts": {LOOKS[code].word.lower(): count for code, count in row.counts.items()},
        "questions": list(row.questions),
        "created": stamp(row.created),
        "started": stamp(row.started),
        "ended": stamp(row.ended),
        "changed": stamp(row.changed),
        "trouble": row.trouble,
    }


# ---- show ----


def show(args: argparse.Namespace, out: Printer) -> Exit:
    """Print one run: how it stands, what it asks, and its nodes."""
    storage = storage_at(args.storage)
    entry = entry_of(storage, args.run)
    state = state_of(storage, entry)
    snapshot = Snapshot.of(state, time.time(), elsewhere=entry.live)
    if out.as_json:
        more = {"metadata": state.metadata, "environment": state.environment, "undelivered": list(state.undelivered)}
        out.json(_shown(snapshot, entry) | more)
        return Exit.OK
    _heading(out, snapshot, entry)
    _questions(out, snapshot)
    out.line()
    tasks = tasks_in_order(snapshot)
    cut = out.fancy and not args.all and len(tasks) > NODES
    shown = tasks[:NODES] if cut else tasks
    heads = ("NODE", "STATE", "TRIES", "TOOK", "VALUE")
    codes = "".join(task.row.code for task in shown)
    out.table(heads, [_node_cells(task, snapshot.at, out.fancy) for task in shown], codes=codes, state=1, give=(4, 0))
    if cut:
        out.line(out.style(f"{words.ELLIPSIS} and {len(tasks) - NODES} more: --all shows them", DIM))
    return Exit.OK


def _heading(out: Printer, snapshot: Snapshot, entry: RunEntry) -> None:
    run = snapshot.run
    _, code, word = run.look
    title = out.style(words.name(run.workflow_id), BOLD)
    name = f"  {words.name(run.name)}" if run.name else ""
    out.line(f"{title}{name}  {out.state(code, f'{LOOKS[code].glyph} {word}')}")
    took = (run.ended or snapshot.at if entry.live or run.ended else 0.0) - run.started if run.started else -1.0
    owner = entry.owner or {}
    facts = [
        f"created {local(run.created)}",
        f"took {words.duration(took)}" if run.ended else f"runs for {words.duration(took)}" if took >= 0 else "",
        f"in process {owner.get('pid')} on {owner.get('host')}" if entry.live else "",
        words.counted(snapshot.counts),
        f"{run.undelivered} events that nobody took" if run.undelivered else "",
    ]
    out.line(out.style("; ".join(words.clean(fact) for fact in facts if fact), DIM))
    if run.failed:
        out.line(out.state("f", f"{next_step('story', run.workflow_id, run.failed)} tells how it failed"))


def _questions(out: Printer, snapshot: Snapshot) -> None:
    for question in snapshot.questions:
        if question.state not in (OPEN, PAUSED):
            continue
        out.line()
        who = f"  (for {', '.join(map(words.name, question.assigned_to))})" if question.assigned_to else ""
        out.line(out.state("w", f"{LOOKS['w'].glyph} {words.name(question.title)}") + who)
        if question.message:
            out.line(words.clean(question.message).strip())
        if question.state == PAUSED:
            out.line(out.style("Nobody runs the run now; an answer counts when it goes on.", DIM))
        command = command_of("answer", snapshot.run.workflow_id, question.node_id)
        out.line(f"  {command} {_usage(question)}")


def _usage(question: Question) -> str:
    fields = (question.fields or {}).get("properties", {})
    parts = ["|".join(map(words.name, question.options)), *(f"{words.name(name)}=.." for name in fields)]
    return " ".join([*parts, "--comment .."] if question.require_comment else parts)


def _node_cells(task: TaskRow, now: float, fancy: bool) -> tuple[str, ...]:
    row = task.row
    took = took_of(row, now)
    look = LOOKS[row.code]
    state = f"{look.glyph} {look.word}" if fancy else look.word.lower()
    seconds = "" if took is None else words.duration(took) if fancy else f"{took:.3f}"
    said = words.error_line(task.error) if row.code == "f" else task.value or row.note
    return task.node_id, state, str(row.attempt or ""), seconds, said


def _shown(snapshot: Snapshot, entry: RunEntry) -> Json:
    run = snapshot.run
    return {
        "id": run.workflow_id,
        "name": run.name,
        "status": str(run.status),
        "live": entry.live,
        "owner": entry.owner if entry.live else None,
        "created": stamp(run.created),
        "started": stamp(run.started),
        "ended": stamp(run.ended),
        "failed": run.failed or None,
        "questions": [_question_json(question) for question in snapshot.questions],
        "nodes": [_node_json(task, snapshot.at) for task in snapshot.tasks],
    }


def _question_json(question: Question) -> Json:
    found = {
        "node": question.node_id,
        "state": question.state,
        "title": question.title,
        "message": question.message,
        "options": list(question.options),
        "fields": question.fields,
        "default": question.default,
        "assigned_to": list(question.assigned_to),
        "require_comment": question.require_comment,
        "opened": stamp(question.opened),
        "deadline": stamp(question.deadline),
        "fallback": question.fallback or None,
    }
    decided = {
        "answer": question.answer,
        "values": question.values,
        "comment": question.comment,
        "by": question.by,
        "source": question.source,
        "answered": stamp(question.answered),
    }
    return found | (decided if question.state not in (OPEN, PAUSED) else {})


def _node_json(task: TaskRow, now: float) -> Json:
    row = task.row
    took = took_of(row, now)
    return {
        "node": task.node_id,
        "state": LOOKS[row.code].word.lower() if row.code != "w" else "waiting",
        "attempts": row.attempt,
        "started": stamp(row.started),
        "ended": stamp(row.ended),
        "seconds": None if took is None else round(took, 3),
        "value": task.value,
        "error": {name: task.error.get(name) for name in ("type", "message", "traceback")} if task.error else None,
        "note": row.note,
        "function": task.function,
    }


# ---- story, logs ----


def story(args: argparse.Namespace, out: Printer) -> Exit:
    """Print all that happened to a node, and the traceback of its last failure."""
    storage = storage_at(args.storage)
    index = _node(storage, args.run, args.node)
    records = [record for wire in storage.read_run(args.run) if (record := decode(wire)) is not None]
    rows = story_rows(records, args.node)
    attempts = attempts_of(records, index)
    if out.as_json:
        told = [{"number": row.number, "at": stamp(row.at), "what": row.what, "state": row.status} for row in rows]
        out.json({"run": args.run, "node": args.node, "story": told, "attempts": [_attempt(each) for each in attempts]})
    elif not out.fancy:
        out.table((), [(str(row.number), stamp(row.at) or "", str(row.status), row.what) for row in rows])
    else:
        out.table(("#", "WHEN", "STATE", "WHAT"), [_story_cells(row) for row in rows], give=(3,))
        failed = [each["error"] for each in attempts if "error" in each and each["error"]["traceback"]]
        if failed and rows[-1].status in (NodeStatus.FAILED, NodeStatus.RETRYING):
            out.line()
            out.line(words.clean(failed[-1]["traceback"]).rstrip())
    return Exit.OK


def _story_cells(row: StoryRow) -> tuple[str, ...]:
    return str(row.number), local(row.at, seconds=True), str(row.status), row.what


def _attempt(attempt: Json) -> dict[str, Any]:
    return {**attempt, "started": stamp(attempt["started"]), "ended": stamp(attempt["ended"])}


def logs(args: argparse.Namespace, out: Printer) -> Exit:
    """Print what a task has printed."""
    storage = storage_at(args.storage)
    _node(storage, args.run, args.node)
    text = storage.read_log(args.run, args.node)
    if out.as_json:
        out.json({"run": args.run, "node": args.node, "log": text})
    elif text:
        out.line((words.clean(text) if out.fancy else text).removesuffix("\n"))
    return Exit.OK


def _node(storage: Storage, run: str, node: str) -> int:
    """Return the index of a node. Raises CommandError with a hint."""
    state = state_of(storage, entry_of(storage, run))
    if node not in state.index:
        raise CommandError(
            Exit.NOT_FOUND,
            f"Run {run!r} has no node {node!r}{hint(node, state.index)} {next_step('show', run)} lists them.",
        )
    return state.index[node]
