"""The questions of a run as plain ipywidgets: for front ends without anywidget, and for tests that click."""

from __future__ import annotations

import html
import time
from collections.abc import Mapping
from typing import Any

import ipywidgets as w

from ..views.feed import Delta
from .desk import Desk, Json, OnAnswer

_WIDE = {"width": "460px"}
_NAMES = {"description_width": "140px"}
_LOOKS = {"approve": "success", "reject": "danger"}


class PlainView(w.VBox):  # type: ignore[misc]
    """Shows how a run stands, in one line, and its questions. ``apply`` takes what ``LiveView.apply`` takes.

    ``questions`` holds the open ones by id; ``decided`` the lines of the others.
    """

    def __init__(self, first: Delta | Mapping[str, Any] | None = None, *, on_answer: OnAnswer | None = None) -> None:
        self._desk = Desk(on_answer)
        self._status = w.HTML()
        self.questions: dict[str, PlainQuestion] = {}
        self.decided: dict[str, w.HTML] = {}
        super().__init__([self._status])
        if first is not None:
            self.apply(first)

    def apply(self, message: Delta | Mapping[str, Any]) -> None:
        """Take over what changed."""
        part = (lambda name: getattr(message, name)) if isinstance(message, Delta) else message.get
        if run := part("run"):
            self._status.value = _status(run)
        asks = part("asks")
        if asks is not None:
            self._ask(asks)

    def _ask(self, asks: list[Json]) -> None:
        for ask in asks:
            question = str(ask["id"])
            if ask["state"] != "open":
                self.questions.pop(question, None)
                self.decided[question] = w.HTML(_decision(ask))
            elif question not in self.questions:
                self.questions[question] = PlainQuestion(ask, self._desk)
                self.decided.pop(question, None)
            else:
                self.questions[question].ask = ask
        ids = [str(ask["id"]) for ask in asks]
        self.questions = {question: self.questions[question] for question in ids if question in self.questions}
        self.decided = {question: self.decided[question] for question in ids if question in self.decided}
        self.children = (self._status, *self.questions.values(), *self.decided.values())


class PlainQuestion(w.VBox):  # type: ignore[misc]
    """One open question: ``fields`` by name, ``comment``, ``buttons`` by option, ``note`` for what the engine says."""

    def __init__(self, ask: Json, desk: Desk) -> None:
        self.ask, self._desk = ask, desk
        schema = ask.get("schema") or {}
        required = schema.get("required", ())
        self.fields = {
            name: _field(name, field, name in required) for name, field in schema.get("properties", {}).items()
        }
        self.comment = w.Textarea(description="Comment", rows=2, style=_NAMES, layout=w.Layout(**_WIDE))
        self.buttons = {option["value"]: self._button(option) for option in _options(ask)}
        self.note = w.HTML()
        head = w.HTML(_head(ask))
        shown = [picture] if (picture := _shown(ask.get("show"))) is not None else []
        super().__init__(
            [head, *shown, *self.fields.values(), self.comment, w.HBox([*self.buttons.values()]), self.note],
            layout=w.Layout(border_left="4px solid #d99a00", padding="8px 12px", margin="4px 0"),
        )

    def values(self) -> Json:
        """Return what was filled in, as JSON."""
        return {name: _value(field) for name, field in self.fields.items()}

    def press(self, option: str) -> None:
        """Answer with an option, as a click on its button does."""
        self._enable(False)
        self.note.value = "Saving…"
        self._desk.hand_in(self.ask, option, self.values(), self.comment.value, self._told)

    def _button(self, option: Json) -> w.Button:
        button = w.Button(description=option["label"], button_style=_LOOKS.get(option.get("kind", ""), ""))
        button.on_click(lambda _: self.press(option["value"]))
        return button

    def _told(self, receipt: Json) -> None:
        if receipt["status"] not in ("rejected", "error"):
            late = receipt["status"] in ("closed", "duplicate")
            self.note.value = html.escape(receipt["reason"] if late and receipt["reason"] else "Saved")
            return
        properties = (self.ask.get("schema") or {}).get("properties", {})
        wrong = [f"{properties.get(name, {}).get('title', name)}: {text}" for name, text in receipt["errors"].items()]
        text = html.escape("; ".join(wrong) or receipt["reason"] or "The answer was not taken")
        self.note.value = f'<b style="color:#a53a06">{text}</b>'
        self._enable(True)

    def _enable(self, on: bool) -> None:
        for button in self.buttons.values():
            button.disabled = not on


def _options(ask: Json) -> list[Json]:
    return ask.get("options") or [{"value": "submit", "label": "Submit", "kind": "approve"}]


def _status(run: Json) -> str:
    name, workflow_id = html.escape(str(run.get("name") or "Workflow")), html.escape(str(run.get("id", "")))
    return f"<b>{name}</b> <code>{workflow_id}</code> {html.escape(str(run.get('state', '')))}"


def _head(ask: Json) -> str:
    lines = [f"<b>{html.escape(str(ask.get('subject', '')))}</b>"]
    if ask.get("body"):
        lines.append(f'<span style="white-space:pre-line">{html.escape(str(ask["body"]))}</span>')
    if ask.get("due"):
        then = f"then: {ask['fallback']}" if ask.get("fallback") else "then it fails"
        lines.append(html.escape(f"Until {time.strftime('%H:%M:%S', time.localtime(ask['due']))}, {then}"))
    if ask.get("assigned"):
        lines.append(html.escape(f"For {', '.join(ask['assigned'])}"))
    return "<br>".join(lines)


def _decision(ask: Json) -> str:
    words = {"paused": "opens again when the run goes on", "closed": "closed without an answer"}
    by = f" by {ask['by']}" if ask.get("by") else ""
    at = f" · {time.strftime('%H:%M', time.localtime(ask['at']))}" if ask.get("at") else ""
    said = words.get(ask["state"]) or f"{ask.get('answer') or 'answered'}{by}{at}"
    return f"<b>{html.escape(str(ask.get('subject', '')))}</b> {html.escape(said)}"


_POLICY = (
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'\">"
)
"""What is shown with a question asks nobody for anything: who looks at it must not be seen elsewhere."""


def _shown(bundle: Json | None) -> w.Widget | None:
    """Return a widget for a mime bundle; HTML goes into a frame without scripts."""
    if not bundle:
        return None
    if bundle.get("text/html"):
        page = html.escape(_POLICY + "".join(bundle["text/html"]), quote=True)
        return w.HTML(
            f'<iframe sandbox srcdoc="{page}" style="width:100%;height:220px;border:1px solid #d9dde3"></iframe>'
        )
    if bundle.get("image/png"):
        return w.HTML(f'<img alt="" src="data:image/png;base64,{html.escape(bundle["image/png"])}">')
    return w.HTML(f"<pre>{html.escape(str(bundle.get('text/plain', '')))}</pre>")


# ---- one field ----


def _field(name: str, field: Json, required: bool) -> w.Widget:
    """Return the control of a field. A control that cannot be empty is used only where there is a default."""
    title = str(field.get("title", name)) + (" *" if required else "")
    shared: Json = {
        "description": title,
        "tooltip": str(field.get("description", "")),
        "style": _NAMES,
        "layout": w.Layout(**_WIDE),
    }
    usual = field.get("default")
    kind = field.get("type", "string")
    if "enum" in field:
        return w.Dropdown(options=[(str(one), one) for one in field["enum"]], value=usual, **shared)
    if kind == "boolean":
        return w.Checkbox(value=bool(usual), indent=True, **shared)
    if kind == "array" and "enum" in field.get("items", {}):
        choices = field["items"]["enum"]
        return w.SelectMultiple(options=choices, value=tuple(usual or ()), rows=min(5, len(choices)), **shared)
    if kind in ("integer", "number") and usual is not None and "minimum" in field and "maximum" in field:
        slider = w.IntSlider if kind == "integer" else w.FloatSlider
        step = {"step": field["multipleOf"]} if "multipleOf" in field else {}
        return slider(value=usual, min=field["minimum"], max=field["maximum"], **step, **shared)
    text = "" if usual is None else ", ".join(map(str, usual)) if isinstance(usual, list) else str(usual)
    if kind == "object" or field.get("format") == "textarea" or field.get("maxLength", 0) > 120:
        return w.Textarea(value=text, rows=3, **shared)
    maker = w.Password if field.get("format") == "password" else w.Text
    return maker(value=text, placeholder=str(field.get("format", "")), **shared)


def _value(control: w.Widget) -> Any:
    """Return what a control holds; the check turns text into numbers, dates and lists."""
    value = control.value
    if isinstance(control, w.SelectMultiple):
        return list(value)
    return value if value != "" else None
