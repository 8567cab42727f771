"""At a terminal a run asks there: while it blocks the main thread, its open questions are put one after the other.

The first answer wins, whichever door it comes by: when another one was quicker, the asking ends and says who decided.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import select
import sys
import time
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import door
from .core.form import option_kind, validate
from .core.graph import Json
from .core.status import NodeStatus
from .engine import events
from .engine.answers import answer_for
from .engine.patience import human_timeout
from .engine.runner import Runner
from .views import words
from .views.questions import DONE, OPEN, Question, label_of, question_of

if TYPE_CHECKING:
    from .handle import Run

BEAT = 0.2
"""Seconds between two looks at whether a question has come, or is still open."""


def wait(run: Run, outcome: concurrent.futures.Future[Any], timeout: float | None) -> Any:
    """Wait for a run in the main thread, and put its questions to the person at this terminal meanwhile.

    Raises what the run raises, TimeoutError after ``timeout`` seconds, and KeyboardInterrupt at Ctrl-C.
    """
    return Asking(run, outcome, timeout).until_done()


class Over(Exception):
    """The question is not open any more, or nobody waits for the run any more."""


class Form:
    """Asks line by line for what one question wants: an option, the fields of its form, a comment.

    ``_check`` is called between the lines, and after each: it raises Over when there is nothing to answer any more.
    """

    def _option(self, question: Question) -> str:
        options = question.options
        if len(options) == 1 and question.fields:
            return options[0]
        default = question.default or (options[0] if len(options) == 1 else None)
        hint = f" (Enter is {default})" if default else ""
        while True:
            said = self._line(question, f"Your answer{hint}: ")
            chosen = _chosen(options, said) if said else default
            if chosen is not None:
                return chosen
            say(f"Choose one of {', '.join(f'{i} {option}' for i, option in enumerate(options, 1))}.")

    def _values(self, question: Question, option: str) -> Json:
        if not question.fields or option_kind(option) == "reject":
            return {}  # nobody has to fill in a form in order to say no
        needed = question.fields.get("required", ())
        fields = question.fields.get("properties", {})
        return {name: self._value(question, name, field, name in needed) for name, field in fields.items()}

    def _value(self, question: Question, name: str, field: Json, needed: bool) -> Any:
        form = {"properties": {name: field}, "required": [name] if needed else []}
        while True:
            said = self._line(question, _prompt(name, field, needed))
            clean, errors = validate(form, {name: said} if said else {})
            if not errors:
                return clean[name]
            say(f"  {errors[name]}.")

    def _comment(self, question: Question) -> str:
        while question.require_comment:
            said = self._line(question, "Comment: ")
            if said:
                return said
            say("  A comment is needed.")
        return ""

    def _line(self, question: Question, prompt: str) -> str:
        """Return what the person types. Raises Over, EOFError, TimeoutError."""
        if door.in_kernel() or not _can_look():
            said = input(prompt)  # there is no way out of it before the person presses Enter
            self._check(question)
            return said.strip()
        say(prompt, end="")
        while not _line_is_ready():
            self._check(question)
        said = sys.stdin.readline()
        if not said:
            raise EOFError
        self._check(question)
        return said.strip()

    def _check(self, question: Question) -> None:
        raise NotImplementedError


class Asking(Form):
    """Puts the questions of one run to the person at this terminal."""

    def __init__(self, run: Run, outcome: concurrent.futures.Future[Any], timeout: float | None) -> None:
        self._run = run
        self._host = run._host
        self._outcome = outcome
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._passed: set[int] = set()
        self._deaf = False
        self._bell: concurrent.futures.Future[None] = concurrent.futures.Future()
        outcome.add_done_callback(lambda _: self._bell.set_result(None))

    def until_done(self) -> Any:
        """Wait for the run and return its value."""
        while not self._outcome.done():
            question = self._next()
            if question is not None:
                self._ask(question)
                continue
            left = BEAT if self._deadline is None else min(BEAT, self._deadline - time.monotonic())
            if left <= 0:
                raise TimeoutError(f"Run {self._run.workflow_id!r} is not done; it goes on, and can be waited for.")
            with contextlib.suppress(TimeoutError):
                door.wait_sync(self._bell, left)
        return self._outcome.result()

    def _next(self) -> Question | None:
        live = self._host.runners.get(self._run.workflow_id)
        if self._deaf or live is None or not live.state.counts[NodeStatus.WAITING] or door.seen(self._run):
            return None
        return self._host.engine.call(_first_open, live, self._passed)

    # ---- one question ----

    def _ask(self, question: Question) -> None:
        say(text_of(question, self._run.workflow_id, self._host.clock.time()))
        try:
            option = self._option(question)
            values = self._values(question, option)
            comment = self._comment(question)
            payload = {"option": option, "values": values, "comment": comment}
            receipt = self._host.engine.call(_give, self._run, question, payload)
        except Over:
            self._passed.add(question.token)
            say(f"\n{self._ending(question)}")
        except EOFError:
            self._stop_asking()
        except KeyboardInterrupt:
            say("")
            raise
        else:
            if receipt.status == "rejected":
                say(f"That does not fit: {receipt.reason}.")
                return  # it is still open, and is asked again
            self._passed.add(question.token)
            say(f"Saved: {label_of(option)}." if receipt else f"Too late: {receipt.reason}.")

    def _check(self, question: Question) -> None:
        if self._outcome.done() or not self._host.engine.call(_is_open, self._run, question):
            raise Over
        if self._deadline is not None and time.monotonic() >= self._deadline:
            say("")
            raise TimeoutError(f"Run {self._run.workflow_id!r} is not done; its question stays open.")

    def _ending(self, question: Question) -> str:
        now = question_of(self._run.state, question.node)
        if now is None or now.state != DONE:
            return f"{question.title!r} is not open any more."
        if now.source == "timeout":
            return f"Time was up: {label_of(now.answer)}."
        who = f" by {words.name(now.by)}" if now.by else f" ({words.name(now.source)})" if now.source else ""
        return f"Decided elsewhere{who}: {label_of(words.name(now.answer)) or 'answered'}."

    def _stop_asking(self) -> None:
        self._deaf = True
        say("\nNobody answers here any more; the question stays open for others.")
        live = self._host.runners.get(self._run.workflow_id)
        if live is not None:
            self._host.engine.post(lambda: live.mind_people(human_timeout()))


async def _first_open(live: Runner, passed: set[int]) -> Question | None:
    """Return the oldest open question that was not put yet, and whose answer does not stand ready."""
    indices = [index for queue in live.state.waiting.values() for index in queue]
    found = [question for index in indices if (question := question_of(live.state, index)) is not None]
    wanted = [q for q in found if q.state == OPEN and q.token not in passed and not _stands_ready(q)]
    return min(wanted, key=lambda q: (q.opened, q.token), default=None)


def _stands_ready(question: Question) -> bool:
    try:
        return answer_for(question.node_id, question.title) is not None
    except ValueError:
        return True  # NBFLOW_ANSWERS is no JSON: the run fails with that


async def _is_open(run: Run, question: Question) -> bool:
    live = run._host.runners.get(run.workflow_id)
    now = question_of(live.state, question.node) if live is not None else None
    return now is not None and now.state == OPEN and now.token == question.token


async def _give(run: Run, question: Question, payload: Json) -> events.Receipt:
    live = run._host.runners.get(run.workflow_id)
    if live is None or not await _is_open(run, question):
        return events.Receipt("closed", "the question is not open any more")
    event_id = f"{question.node_id}:{question.token}:{uuid.uuid4().hex}"
    return await events.deliver(run._host, live, question.key, payload, event_id, "", "terminal")


# ---- the terminal ----


def _can_look() -> bool:
    """Tell whether one can see that a line was typed before reading it: not on Windows."""
    try:
        select.select([sys.stdin], [], [], 0)
        os.tcgetpgrp(sys.stdin.fileno())
    except (OSError, ValueError, TypeError, AttributeError):
        return False
    return True


def _line_is_ready() -> bool:
    """Wait a beat for a line. A job in the background would be stopped by the system if it read: it waits."""
    if os.tcgetpgrp(sys.stdin.fileno()) != os.getpgrp():
        time.sleep(BEAT)
        return False
    return bool(select.select([sys.stdin], [], [], BEAT)[0])


# ---- in words ----


def say(text: str, end: str = "\n") -> None:
    print(text, end=end, file=sys.stdout if door.in_kernel() else sys.stderr, flush=True)


def text_of(question: Question, workflow_id: str, now: float) -> str:
    """Return the question as it is put: title, message, what is shown with it, and the options."""
    about = [f"run {workflow_id!r}"]
    if question.assigned_to:
        about.append(f"for {', '.join(map(words.name, question.assigned_to))}")
    if question.deadline is not None:
        fallback = f", then {label_of(question.fallback)}" if question.fallback else ""
        about.append(f"open for {words.duration(max(0.0, question.deadline - now))}{fallback}")
    parts = [f"\n{words.name(question.title)}  ({'; '.join(about)})"]
    shown: Mapping[str, Any] = question.show or {}
    parts += [words.clean(text).strip("\n") for text in (question.message, str(shown.get("text/plain", ""))) if text]
    if len(question.options) > 1:
        parts.append("\n".join(f"  {i}  {words.name(option)}" for i, option in enumerate(question.options, 1)))
    return "\n\n".join(parts)


def _chosen(options: tuple[str, ...], said: str) -> str | None:
    """Return the option that is meant by its number, its name or its label."""
    if said.isdecimal() and said not in options:
        return options[int(said) - 1] if 0 < int(said) <= len(options) else None
    meant = [option for option in options if said.casefold() in (option.casefold(), label_of(option).casefold())]
    return said if said in options else meant[0] if len(meant) == 1 else None


def _prompt(name: str, field: Json, needed: bool) -> str:
    hints = [words.name(str(field["description"]))] if field.get("description") else []
    if "enum" in field:
        hints.append(" / ".join(map(str, field["enum"])))
    elif field.get("type") in ("boolean", "array", "object"):
        hints.append({"boolean": "yes / no", "array": "with commas between"}.get(field["type"], "as JSON"))
    if field.get("default") not in (None, "", []):
        hints.append(f"Enter is {_typed(field['default'])}")
    elif not needed:
        hints.append("may be empty")
    title = words.name(str(field.get("title") or name))
    return f"{title} ({'; '.join(hints)}): " if hints else f"{title}: "


def _typed(value: Any) -> str:
    """Return a value as a person would type it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(_typed, value)) if isinstance(value, list) else str(value)
