"""When an event is the answer to a question, and what decision it makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .decision import Decision
from .form import check_answer
from .graph import Json

if TYPE_CHECKING:
    from .records import EventReceived


def decide(prompt: Json, said: Any, by: str, at: float, source: str) -> tuple[Json | None, str]:
    """Return the decision as it is kept, or None and why what was said is no answer to this question.

    ``said`` is an option, or a dict with ``option``, ``values``, ``comment`` and ``by``; a question with one option
    needs none.
    """
    answer: dict[str, Any] = dict(said) if isinstance(said, dict) else {"option": said}
    options = prompt["options"]
    option = answer.get("option", options[0] if len(options) == 1 else "")
    values = answer.get("values") or {}
    if not isinstance(option, str) or not isinstance(values, dict):
        return None, f"an answer is one of the options {', '.join(options)}, with the form's fields as values"
    comment = str(answer.get("comment") or "")
    fields, errors = check_answer(prompt, option, values, comment)
    if errors:
        return None, "; ".join(f"{name}: {message}" for name, message in errors.items())
    who, when = str(answer.get("by") or by), answer.get("at") or at
    return Decision(option, fields, comment, who, when, str(answer.get("source") or source)).to_json(), ""


def fitted(prompt: Json | None, event: EventReceived) -> Json | None:
    """Return the stored value that an event gives to a wait, None when it is no answer to the wait's question."""
    if prompt is None:
        return event.payload
    if event.payload.get("c") != "json":
        return None
    decision, _ = decide(prompt, event.payload["v"], event.by, event.at, event.source)
    return None if decision is None else {"c": "json", "v": decision}
