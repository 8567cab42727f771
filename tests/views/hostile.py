"""Names, messages and values that try to get out of where they are put."""

from __future__ import annotations

from nbflow.core import records as r
from nbflow.core.graph import Code, NodeKind, NodeSpec
from nbflow.core.state import RunState
from nbflow.views.snapshot import Snapshot

from .runs import PROMPT, T0, json_value

NASTY = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "]]> & &amp; </svg></text>",
    "\x00\x1b[31mred\ud800\uffff",
    "line one\nline two",
    r"\N \n <b>\l",
    "{}[]|<f0>",
    "日本語の名前がここにとても長く続いていく" * 3,
)


def hostile_run(text: str) -> RunState:
    """Return a failed run where everything that a user may name is this text."""
    state = RunState()
    code = Code(text, text)
    specs = (
        NodeSpec(text, NodeKind.TASK, (), text),
        NodeSpec(f"{text} 2", NodeKind.EVENT, (0,), text),
        NodeSpec(f"{text} 3", NodeKind.TASK, (0,), text),
    )
    prompt = PROMPT | {"title": text, "message": text, "options": [text, "no"], "assigned_to": [text]}
    answer = json_value({"option": text, "by": text, "comment": text, "values": {text: text}})
    error = {"type": text, "message": text, "traceback": text, "kind": "exception"}
    for record in (
        r.RunCreated(text, text, T0),
        r.RunOpened(T0),
        r.CodeAdded(code),
        r.NodesAdded(specs),
        r.GraphCommitted(2),
        r.RunStarted(T0),
        r.TaskStarted(0, 1, T0),
        r.TaskSucceeded(0, {"c": "p5", "v": "", "pv": text, "ty": text}, T0, T0 + 1),
        r.TaskFailed(2, error, T0, T0 + 1),
        r.RunFailed(T0 + 2, 2),
    ):
        state.handle(record)
    state.nodes[1].wait = r.WaitOpened(1, 1, T0, text, None, None, prompt)
    state.nodes[1].value = answer
    state.nodes[1].status = state.nodes[0].status
    return state


def hostile_snapshot(text: str) -> Snapshot:
    """Return the snapshot of that run."""
    return Snapshot.of(hostile_run(text), T0 + 3)
