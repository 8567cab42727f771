"""A dashboard without a kernel or a script: its questions and its runs as text and as HTML."""

from __future__ import annotations

from html import escape
from typing import Any

from ...views import words
from ...views.palette import LOOKS
from .board import Board


def text(board: Board) -> str:
    """Return the open questions and the runs as plain text."""
    return "\n".join([*(_line(ask) for ask in _open(board)), repr(board.rows)])


def html(board: Board) -> str:
    """Return the open questions and the runs as HTML that the sanitisers of notebooks let through."""
    items = "".join(f"<li>{escape(_line(ask))}</li>" for ask in _open(board))
    return (f"<ul>{items}</ul>" if items else "") + board.rows._repr_html_()


def _open(board: Board) -> list[dict[str, Any]]:
    return [ask for ask in board.whole()["asks"].values() if ask["state"] == "open"]


def _line(ask: dict[str, Any]) -> str:
    options = " / ".join(option["label"] for option in ask.get("options") or ())
    said = f" [{options}]" if options else ""
    return words.one_line(f"{LOOKS['w'].glyph} {ask['run']}: {ask['subject']}{said}", 300)
