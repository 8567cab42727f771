"""The mutants: what each changes in the source, which guarantee of the README that breaks, and what must notice it."""

from __future__ import annotations

from dataclasses import dataclass

GRAPHS, MACHINES, CANCELS = ("simulation", "graph"), ("simulation", "machine"), ("simulation", "cancel")


@dataclass(frozen=True)
class Mutant:
    """A change of the source: in ``file`` each ``old`` becomes ``new``; ``killer`` is what fails then."""

    name: str
    law: str
    file: str
    changes: tuple[tuple[str, str], ...]
    killer: tuple[str, ...]


def _tests(*names: str) -> tuple[str, ...]:
    return ("pytest", *names)


ONCE = "the body of a task runs at most once with max_retries=0, mark_start=True"
RECORDED = "a task's recorded result is recorded once, and the task never runs again"
EVENT = "an event with an id is taken exactly once"
SOURCE = "a source is told of an event when that is on the disk"
MACHINE = "what a handler takes, stores and chooses is one commit; its finished calls do not run again"
RULE = "a rule acts once for an event"
QUESTION = "a question gets one decision, the first"
TOLD = "a notification is sent once"
TIMER = "a timer never fires early; its moment is recorded first"
ORDER = "events of one key are taken in the order in which they came"
OWNER = "of two processes one owns a run, and the other records nothing more"
GONE = "a run that was deleted does not come back"
FULL = "nothing is acknowledged that is not stored"
LIVE = "a run comes to its end when nothing goes wrong any more"

MUTANTS = [
    Mutant(
        "a start is not looked at", ONCE, "nbflow/engine/bodies.py",
        (("if task.settings.mark_start and not task.settings.retry", "if False and not task.settings.retry"),), GRAPHS,
    ),
    Mutant(
        "a body does not wait for the record of its start", ONCE, "nbflow/engine/bodies.py",
        (("self.runner.write(started, then=partial(self._enter, body, task))",
          "self.runner.write(started)\n            self._enter(body, task)"),),
        _tests("tests/engine/test_bodies.py", "-k", "finds_its_start"),
    ),
    Mutant(
        "a body enters though it was stopped meanwhile", LIVE, "nbflow/engine/bodies.py",
        (("            return  # it was stopped while its start was written down", "            pass"),),
        _tests("tests/engine/test_bodies.py", "-k", "stopped_while_its_start"),
    ),
    Mutant(
        "what is done counts before it is on the disk", RECORDED, "nbflow/engine/committer.py",
        (("                self._append(lines)\n", "                self._acknowledge(records)\n"
          "                self._append(lines)\n"),
         ("            else:\n                self._acknowledge(records)\n", ""),
         ("future = self._writer.submit", "self._durable(records)\n        future = self._writer.submit"),
         ("            return\n        self._acknowledge(records)\n",
          "            return\n        self.acknowledged += len(records)\n        self._wake()\n")), GRAPHS,
    ),
    Mutant(
        "no sync of the journal", RECORDED, "nbflow/storage/journal.py",
        (("        self._calls.fdatasync(self._fd)\n", ""),), GRAPHS,
    ),
    Mutant(
        "a run that others moved on is gone on with", OWNER, "nbflow/engine/trouble.py",
        (("newer != [*map(json.loads, lines[: len(newer)])]", "False"),),
        _tests("tests/engine/test_trouble.py", "-k", "moved_on"),
    ),
    Mutant(
        "no fence", OWNER, "nbflow/storage/journal.py",
        (("not see the frame, and this one must not claim it.\n        self.check_fence()\n", "\n"),), GRAPHS,
    ),
    Mutant(
        "an event counts as often as it comes", EVENT, "nbflow/core/inbox.py",
        (("        if event.event_id in self.seen:", "        if False:"),),
        _tests("tests/core/test_inbox.py"),
    ),
    Mutant(
        "an event is forgotten before it is recorded", EVENT, "nbflow/engine/keeper.py",
        (("        runner.write(record, then=acknowledge)", "        acknowledge()\n        runner.write(record)"),),
        GRAPHS,
    ),
    Mutant(
        "a source is told too early", SOURCE, "nbflow/engine/waits.py",
        (("            event = await found\n",
          "            event = await found\n            await listener.event_checkpointed(event)\n"),), GRAPHS,
    ),
    Mutant(
        "a call of a handler is made again", MACHINE, "nbflow/engine/drivers.py",
        (("index = state.index.get(node_id, -1)", "index = -1"),), MACHINES,
    ),
    Mutant(
        "a handler that was at it is not begun again", MACHINE, "nbflow/core/machine.py",
        (('        return Move("begin", current.name, current.why, current.event)', '        return Move("rest")'),),
        MACHINES,
    ),
    Mutant(
        "a rule forgets where it was", RULE, "nbflow/core/rules.py",
        (('return bool(event["off"] < self.offsets.get(event["ns"], 0))', "return False"),),
        _tests("tests/core/test_flow_rules.py", "-k", "offset_counts_once"),
    ),
    Mutant(
        "two answers at once", QUESTION, "nbflow/engine/events.py",
        (("    async with runner.waits.answering:", "    if True:"),),
        _tests("tests/engine/test_events.py", "-k", "two_answers_at_once"),
    ),
    Mutant(
        "everybody is told again by the next owner", TOLD, "nbflow/engine/notify.py",
        ((" if place not in node.told]", "]"),), _tests("tests/engine/test_notify.py", "-k", "nobody_else"),
    ),
    Mutant(
        "a timer is early", TIMER, "nbflow/engine/clock.py",
        (("is not None and moment <= now:", "is not None and moment <= now + 0.3:"),), GRAPHS,
    ),
    Mutant(
        "a restart begins a wait anew", TIMER, "nbflow/core/flow.py",
        (("    elif node.wait is None:\n", "    elif True:\n"),), _tests("tests/core/test_waits.py"),
    ),
    Mutant(
        "the newest event first", ORDER, "nbflow/core/inbox.py",
        (("event = queue.popleft()", "event = queue.pop()"),), _tests("tests/core/test_inbox.py"),
    ),
    Mutant(
        "a deletion is not synced", GONE, "nbflow/storage/folder.py",
        (('            self._calls.fsync_dir(f"{self.url}/runs")\n            self._calls.fsync_dir(trash)\n', ""),),
        CANCELS,
    ),
    Mutant(
        "a failed commit counts", FULL, "nbflow/engine/committer.py",
        (("                self._stopped = True\n                self._trouble(records, lines, error)\n",
          "                self._acknowledge(records)\n"),), GRAPHS,
    ),
    Mutant(
        "what is written to a run that is lost is waited for", LIVE, "nbflow/engine/committer.py",
        (("        if self._over:\n", "        if False:\n"),),
        _tests("tests/engine/test_committer.py", "-k", "after_it_was_stopped"),
    ),
    Mutant(
        "a run that was lost while it began stays in the way", LIVE, "nbflow/engine/host.py",
        (("            return runner  # lost to another process while it began: it is none of the live ones",
          "            pass"),), _tests("tests/engine/test_trouble.py", "-k", "taken_while_it_begins"),
    ),
    Mutant(
        "a run has no name before its first commit", LIVE, "nbflow/engine/runner.py",
        (("        return self.journal.workflow_id", "        return self.state.workflow_id"),),
        _tests("tests/engine/test_trouble.py", "-k", "first_commit_fails"),
    ),
]  # fmt: skip
