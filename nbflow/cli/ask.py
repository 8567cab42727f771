"""Asking a person at this terminal what to answer to a run that lives elsewhere, or nowhere now."""

from __future__ import annotations

import time

from .. import asking
from ..core.graph import Json
from ..engine.inspect import read
from ..storage.base import Storage
from ..views import words
from ..views.questions import OPEN, PAUSED, Question, question_of
from .exits import CommandError, Exit

LOOK = 2.0
"""Seconds at least between two looks at whether the question is still open."""
SHARE = 20
"""A journal is read again after so many times as long as its last reading took."""


def asked(storage: Storage, workflow_id: str, question: Question) -> Json:
    """Put a question to the person here and return the answer: option, values and comment.

    Raises CommandError when somebody else was quicker, or when the person leaves it open (Ctrl-D).
    """
    try:
        return _Here(storage, workflow_id).answer(question)
    except asking.Over:
        raise CommandError(Exit.REFUSED, f"{question.title!r} was decided elsewhere meanwhile.") from None
    except EOFError:
        raise CommandError(Exit.WAITING, f"Nothing was sent; {words.name(question.title)!r} stays open.") from None


class _Here(asking.Form):
    """The form of one question at this terminal; whether it is still open stands in the journal."""

    def __init__(self, storage: Storage, workflow_id: str) -> None:
        self._storage = storage
        self._workflow_id = workflow_id
        self._next_look = time.monotonic() + LOOK

    def answer(self, question: Question) -> Json:
        asking.say(asking.text_of(question, self._workflow_id, time.time()))
        option = self._option(question)
        values = self._values(question, option)
        return {"option": option, "values": values, "comment": self._comment(question)}

    def _check(self, question: Question) -> None:
        began = time.monotonic()
        if began < self._next_look:
            return
        now = question_of(read(self._storage, self._workflow_id), question.node)
        if now is None or now.token != question.token or now.state not in (OPEN, PAUSED):
            raise asking.Over
        self._next_look = time.monotonic() + max(LOOK, SHARE * (time.monotonic() - began))
