"""Where a widget hands in an answer: checked first, once for each click, and "saved" only when the engine says so."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from ..core.form import check_answer

Json = dict[str, Any]
OnAnswer = Callable[[str, str, Json, str], Any]
"""Takes question id, option, values and comment; returns what has ``status`` and ``reason``, or a future of it."""


def settle(call: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[BaseException], None]) -> None:
    """Call, and hand the result to ``done`` or the exception to ``failed``.

    A result that is a future, of a thread or of asyncio, is not waited for: the thread that a click comes in may be
    the very one that has to finish it.
    """
    try:
        result = call()
    except Exception as wrong:
        failed(wrong)
        return
    if not hasattr(result, "add_done_callback"):
        done(result)
        return

    def finished(future: Any) -> None:
        try:
            value = future.result()
        except BaseException as wrong:  # a canceled future raises what is no Exception
            failed(wrong)
        else:
            done(value)

    result.add_done_callback(finished)


class Desk:
    """Takes the answers of one view. Use it from any thread."""

    def __init__(self, on_answer: OnAnswer | None) -> None:
        self._on_answer = on_answer
        self._lock = threading.Lock()
        self._answering: set[str] = set()

    def hand_in(
        self,
        ask: Mapping[str, Any] | None,
        option: str,
        values: Mapping[str, Any],
        comment: str,
        reply: Callable[[Json], None],
    ) -> None:
        """Answer a question (as in the trait ``asks``; None for one that is gone).

        ``reply`` gets status, reason and errors by field: once, at once or later. It gets nothing for the second click
        of a double click: the answer to the first is on its way.
        """
        if ask is None or ask["state"] != "open":
            reply(_receipt("closed", _too_late(ask)))
            return
        question = str(ask["id"])
        clean, errors = _checked(ask, option, values, comment)
        if errors:
            reply(_receipt("rejected", "", errors))
            return
        with self._lock:
            if question in self._answering:
                return
            self._answering.add(question)

        def done(said: Any) -> None:
            self._answering.discard(question)
            errors = getattr(said, "errors", None) or {}
            reply(_receipt(getattr(said, "status", "delivered"), getattr(said, "reason", ""), dict(errors)))

        def failed(wrong: BaseException) -> None:
            self._answering.discard(question)
            reply(_receipt("error", f"Not saved: {wrong}"))

        answer = self._on_answer or _nobody
        settle(lambda: answer(question, option, clean, comment), done, failed)


def _receipt(status: Any, reason: Any, errors: Json | None = None) -> Json:
    return {"status": str(status), "reason": str(reason or ""), "errors": errors or {}}


def _nobody(*_: Any) -> None:
    raise RuntimeError("nobody takes answers here; run the cell again")


def _checked(
    ask: Mapping[str, Any], option: str, values: Mapping[str, Any], comment: str
) -> tuple[Json, dict[str, str]]:
    options = [one["value"] for one in ask.get("options") or ()]
    prompt = {"options": options, "fields": ask.get("schema"), "require_comment": ask.get("require_comment")}
    return check_answer(prompt, option, values, comment)


def _too_late(ask: Mapping[str, Any] | None) -> str:
    if ask is None or ask["state"] != "done":
        return "Your answer came too late: the question is closed."
    by = f" by {ask['by']}" if ask.get("by") else ""
    return f"Your answer came too late: it was decided already{by}."
