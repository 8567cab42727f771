"""The same questions as plain widgets: what a click on their buttons does."""

from __future__ import annotations

import concurrent.futures
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from nbflow.notebook.plain import PlainView

sys.path.insert(0, str(Path(__file__).parent.parent / "browser"))
import scenes

Json = dict[str, Any]


def view_of(*asks: Json, status: str = "delivered", reason: str = "") -> tuple[PlainView, list[Any]]:
    """Return a view of questions and the list that answers come to."""
    answers: list[Any] = []

    def take(*answer: Any) -> Any:
        answers.append(answer)
        return SimpleNamespace(status=status, reason=reason)

    return PlainView(
        {"run": {"name": "r", "id": "r-1", "state": "waiting"}, "asks": list(asks)}, on_answer=take
    ), answers


def test_a_click_hands_in_the_whole_form() -> None:
    view, answers = view_of(scenes.ask())
    box = view.questions["1"]
    box.fields["reason"].value = "good numbers"
    box.fields["traffic"].value = 25
    box.comment.value = "fine"
    box.buttons["approve"].click()
    values = {
        "stage": "canary",
        "traffic": 25,
        "checks": ["latency"],
        "owner": "bo",
        "reason": "good numbers",
        "notify": True,
    }
    assert answers == [("1", "approve", values, "fine")]
    assert box.note.value == "Saved"


def test_a_wrong_field_is_named_and_the_buttons_work_again() -> None:
    view, answers = view_of(scenes.ask())
    box = view.questions["1"]
    box.fields["reason"].value = "no"
    box.buttons["approve"].click()
    assert answers == []
    assert "Reason: At least 5 characters" in box.note.value
    assert not box.buttons["approve"].disabled
    box.buttons["reject"].click()
    assert "At least 5 characters" in box.note.value


def test_saved_is_said_when_the_engine_says_so_and_one_click_is_one_answer() -> None:
    future: concurrent.futures.Future[Any] = concurrent.futures.Future()
    asked = []
    view = PlainView({"asks": [scenes.ask(schema=None)]}, on_answer=lambda *a: asked.append(a) or future)
    box = view.questions["1"]
    box.buttons["approve"].click()
    box.press("approve")
    assert box.note.value == "Saving…"
    assert len(asked) == 1
    future.set_result(SimpleNamespace(status="delivered", reason=""))
    assert box.note.value == "Saved"


def test_a_decision_replaces_the_question_by_one_line() -> None:
    view, _ = view_of(scenes.ask())
    view.apply({"asks": [scenes.decided()]})
    assert view.questions == {}
    assert "approve by ana" in view.decided["1"].value
    assert len(view.children) == 2


def test_a_draft_survives_what_happens_elsewhere() -> None:
    view, _ = view_of(scenes.ask())
    view.questions["1"].fields["reason"].value = "half a sen"
    view.apply({"asks": [scenes.ask(), scenes.ask("2", subject="Another?")], "st": "rr"})
    assert view.questions["1"].fields["reason"].value == "half a sen"
    assert list(view.questions) == ["1", "2"]


def test_text_from_outside_stays_text() -> None:
    hostile = "<img src=x onerror=alert(1)>"
    asked = scenes.ask(
        subject=hostile, body=hostile, assigned=[hostile], show={"text/html": f'{hostile}"><script>1</script>'}
    )
    view, _ = view_of(asked)
    box = view.questions["1"]
    assert hostile not in box.children[0].value
    assert "<script>" not in box.children[1].value and "sandbox" in box.children[1].value


def test_every_kind_of_field_has_a_control() -> None:
    properties = {
        "text": {"type": "string"},
        "long": {"type": "string", "format": "textarea"},
        "when": {"type": "string", "format": "date", "default": "2026-11-30"},
        "many": {"type": "array", "items": {"type": "integer"}, "default": [1, 2]},
        "map": {"type": "object"},
        "count": {"type": "integer"},
        "share": {"type": "number", "minimum": 0, "maximum": 1, "default": 0.5},
        "secret": {"type": "string", "format": "password"},
    }
    view, answers = view_of(scenes.ask(schema={"type": "object", "properties": properties}))
    box = view.questions["1"]
    box.fields["count"].value = "12"
    box.fields["map"].value = '{"a": 1}'
    box.buttons["approve"].click()
    assert answers[0][2] == {
        "text": "", "long": "", "when": "2026-11-30", "many": [1, 2], "map": {"a": 1}, "count": 12, "share": 0.5,
        "secret": "",
    }  # fmt: skip
