"""One question over a link: what it shows, and how its answer gets to the run."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import replace

from ..core.form import check_answer
from ..core.graph import Json
from ..core.state import RunState
from ..engine.runner import Runner
from ..errors import WorkflowNotFoundError
from ..views import words
from ..views.questions import DONE, OPEN, PAUSED, Question, question_of
from . import replies
from .intake import Event, Intake
from .links import Link
from .replies import Refused, Reply, refusal

PATIENCE = 5.0
"""Seconds that a page waits for its answer to be in the journal; then it is told that it is stored, and looks on."""
NAME = 100
"""Characters of a name that are kept."""

BAD = refusal(404, "This link is not valid.", "Ask for a new one: a part of it may be missing.")
EXPIRED = refusal(410, "This link has expired.", "Ask for a new one.")
GONE = refusal(410, "This question is not asked any more.", "Nothing.")


class Asked:
    """Shows and answers the questions that links lead to."""

    def __init__(self, intake: Intake, secret: bytes) -> None:
        self._intake = intake
        self._secret = secret

    def link(self, text: str, now: float | None = None) -> Link:
        """Return what a link's last part says. Raises Refused: not ours, or expired."""
        link = Link.of(text, self._secret)
        if link is None:
            raise Refused(BAD)
        if link.expires is not None and (time.time() if now is None else now) > link.expires:
            raise Refused(EXPIRED)
        return link

    async def look(self, link: Link) -> Reply:
        """Return the question as the page wants it, with its decision when it has one. Raises StorageError."""
        question, name, live = await self._question(link)
        rests = not live and question.state in (OPEN, PAUSED)
        shown = replace(question, state=OPEN) if rests else question
        message = shown.to_message()
        if question.state == DONE and (fields := question.fields):
            message["schema"] = fields
        run = {"name": words.name(name), "id": words.name(link.workflow_id)}
        return Reply(200, {
            "run": run, "ask": message, "rests": rests, "now": time.time(), "by": words.name(link.by),
            "expires": link.expires, "version": version_of(question, rests),
        })  # fmt: skip

    async def answer(self, link: Link, said: Json, by: str = "", source: str = "link") -> Reply:
        """Give the answer of a page to the run. 200 when it is in the journal; else as for any event."""
        question, _, _ = await self._question(link)
        if question.state == DONE:
            return replies.decided(question.node_id, decision_in(question))
        if question.state not in (OPEN, PAUSED):
            return GONE
        payload, refused = answer_of(question, said, by or link.by)
        if refused is not None:
            return refused
        # one name for all answers that go to an inbox: of two, the owner must find the first only
        here = self._intake.runner(link.workflow_id) is not None
        event_id = f"{question.node_id}:{link.token}:{uuid.uuid4().hex if here else 'answer'}"
        event = Event(question.key, payload, event_id, source=source, shared=not here)
        reply = await self._intake.send(link.workflow_id, event, PATIENCE)
        if reply.status == 200 and reply.body["status"] == "duplicate":
            return refusal(409, "The question was answered before; the first answer counts.", "Nothing.")
        return reply

    async def _question(self, link: Link) -> tuple[Question, str, bool]:
        """Return the question, the name of its run, and whether somebody runs it. Raises Refused, StorageError."""
        host, runner = self._intake.host, self._intake.runner(link.workflow_id)
        if runner is not None and host is not None:
            return await asyncio.wrap_future(host.engine.start(_live_question, runner, link))
        try:
            look = await self._intake.followers.of(link.workflow_id).look()
        except WorkflowNotFoundError:
            raise Refused(GONE) from None
        return question_in(look.state, link), look.state.name, look.live


async def _live_question(runner: Runner, link: Link) -> tuple[Question, str, bool]:
    return question_in(runner.state, link), runner.state.name, True


def question_in(state: RunState, link: Link) -> Question:
    """Return the question that a link is about. Raises Refused when it is not there any more."""
    if link.fits(state):
        for index, node in enumerate(state.nodes):
            if node.wait is not None and node.wait.token == link.token:
                question = question_of(state, index)
                if question is not None:
                    return question
    raise Refused(GONE)


def decision_in(question: Question) -> Json:
    """Return the decision of a question as JSON."""
    return {
        "option": question.answer, "values": question.values or {}, "comment": question.comment, "by": question.by,
        "at": question.answered, "source": question.source,
    }  # fmt: skip


def answer_of(question: Question, said: Json, by: str) -> tuple[Json, Reply | None]:
    """Return the answer that a page gave as the payload of an event, and why it does not fit, by field."""
    option, values, comment = said.get("option"), said.get("values", {}), said.get("comment", "")
    name = by or said.get("by", "")
    good = isinstance(values, dict) and all(isinstance(text, str) for text in (option, comment, name))
    if not good or len(name) > NAME:
        return {}, refusal(400, "An answer has 'option', 'values', 'comment' and 'by'.", "Reload the page.")
    prompt = {
        "options": question.options, "fields": question.fields, "require_comment": question.require_comment,
    }  # fmt: skip
    _, errors = check_answer(prompt, str(option), values, comment)
    if errors:
        return {}, replies.unfit("; ".join(f"{field}: {text}" for field, text in errors.items()), dict(errors))
    return {"option": option, "values": values, "comment": comment, "by": words.name(name)}, None


def version_of(question: Question, rests: bool) -> str:
    """Return what changes whenever the page has to be drawn anew."""
    return f"{question.state}:{question.answered}:{int(rests)}"
