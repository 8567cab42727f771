"""Answers that stand ready: for tests, notebooks that run unattended, and CI."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

_stack: list[Mapping[str, Any]] = []


def push(answers: Mapping[str, Any]) -> None:
    """Let these answers count until ``pop``."""
    _stack.append(answers)


def pop() -> None:
    """Forget the answers of the last ``push``."""
    _stack.pop()


def answer_for(node_id: str, title: str) -> tuple[str, dict[str, Any]] | None:
    """Return the option and the fields that stand ready for a question, by its node's id or its title, or None.

    An answer is an option, or a dict with ``option``, fields and ``comment``. ``NBFLOW_ANSWERS`` holds them as JSON.
    Raises ValueError when the variable is not JSON.
    """
    for answers in (*reversed(_stack), _environment()):
        for name in (node_id, title, "*"):
            if name in answers:
                return _parts(answers[name])
    return None


def any_ready() -> bool:
    """Tell whether answers were given at all."""
    return bool(_stack or _environment())


def _environment() -> Mapping[str, Any]:
    text = os.environ.get("NBFLOW_ANSWERS", "")
    if not text:
        return {}
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ValueError(f'NBFLOW_ANSWERS must be JSON such as {{"question": "option"}}: {error}.') from None
    if not isinstance(found, dict):
        raise ValueError('NBFLOW_ANSWERS must be a JSON object such as {"question": "option"}.')
    return found


def _parts(answer: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(answer, Mapping):
        fields = dict(answer)
        option = str(fields.pop("option", "submit"))
        return option, fields
    return str(answer), {}
