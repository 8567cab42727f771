"""Messages of runs in every state, made by hand: what a feed would send, without a run."""
# ruff: noqa: E501  (tables are easier to read in one piece)

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

from nbflow.views import topo
from nbflow.views.picture import Drawn, Picture

Json = dict[str, Any]
T0 = 1_790_000_000.0

NODES: list[tuple[str, str, int]] = [
    ("load_orders", "task", 1), ("load_customers", "task", 1), ("clean", "task", 1), ("validate_schema", "task", 1),
    ("build_features", "task", 64), ("split", "task", 1), ("train_gbm", "task", 1), ("train_linear", "task", 1),
    ("evaluate", "task", 1), ("approve_model", "human", 1), ("publish", "task", 1), ("report", "task", 1),
    ("notify", "task", 1),
]  # fmt: skip
EDGES = [(0, 2), (1, 2), (1, 3), (2, 4), (4, 5), (3, 5), (5, 6), (5, 7), (6, 8), (7, 8), (8, 9), (9, 10), (8, 11), (10, 12), (11, 12)]  # fmt: skip
SCHEMA: Json = {
    "type": "object",
    "required": ["stage", "reason"],
    "properties": {
        "stage": {"title": "Release to", "enum": ["canary", "staging", "production"], "default": "canary"},
        "traffic": {"title": "Traffic share (%)", "type": "integer", "minimum": 0, "maximum": 100, "multipleOf": 5, "default": 10},
        "checks": {"title": "Checks I have made", "type": "array", "items": {"enum": ["bias report", "latency", "data drift"]}, "default": ["latency"]},
        "owner": {"title": "On-call owner", "enum": ["ana", "bo", "chen", "dina", "eli"], "default": "bo"},
        "reason": {"title": "Reason", "type": "string", "format": "textarea", "minLength": 5, "description": "Saved with the decision in the run's storage folder."},
        "notify": {"title": "E-mail the team", "type": "boolean", "default": True},
    },
}  # fmt: skip
OPTIONS = [
    {"value": "approve", "label": "Approve", "kind": "approve"},
    {"value": "changes", "label": "Ask for changes", "kind": ""},
    {"value": "reject", "label": "Reject", "kind": "reject"},
]
TABLE = (
    '<div><style scoped>.dataframe tbody tr th {vertical-align: top;}</style><table border="1" class="dataframe">'
    '<thead><tr style="text-align: right;"><th></th><th>auc</th><th>recall</th><th>ece</th><th>rows</th></tr></thead><tbody>'
    "<tr><th>gbm</th><td>0.871</td><td>0.642</td><td>0.021</td><td>48210</td></tr>"
    "<tr><th>linear</th><td>0.857</td><td>0.611</td><td>0.034</td><td>48210</td></tr>"
    "<tr><th>v11</th><td>0.857</td><td>0.603</td><td>0.029</td><td>46977</td></tr></tbody></table><p>3 rows × 4 columns</p></div>"
)


def topology(
    nodes: list[tuple[str, str, int]] = NODES, edges: list[tuple[int, int]] = EDGES, direction: str = "auto"
) -> Json:
    """Return the trait topo of nodes (label, kind, how many)."""
    drawn = tuple(Drawn(label, kind, tuple(range(n))) for label, kind, n in nodes)
    return topo.place(Picture(drawn, tuple(edges)), direction)


def ask(question: str = "1", **more: Any) -> Json:
    """Return an open question with a form."""
    return {
        "id": question, "node": "approve_model", "state": "open", "subject": "Release churn model v12?", "kind": "form",
        "assigned": ["ml-leads"], "schema": SCHEMA, "options": OPTIONS, "default": None, "show": None,
        "require_comment": False, "due": None, "fallback": "",
        "body": "AUC **0.871** (+0.014 on v11), calibration error `0.021`. 2 of 31 features drifted since last week.",
        **more,
    }  # fmt: skip


def decided(question: str = "1", **more: Any) -> Json:
    """Return a question that ana answered."""
    return {
        "id": question, "node": "approve_model", "state": "done", "subject": "Release churn model v12?", "assigned": [],
        "answer": "approve", "by": "ana", "at": T0 + 15, "comment": "", "source": "widget", "positive": True, **more,
    }  # fmt: skip


def _rows(codes: str) -> dict[str, list[Any]]:
    starts = [0, 0.1, 1.6, 1.2, 3, 7.2, 8.4, 8.5, 10, 11.5, 12.6, 11.5, 13]
    took = [1.4, 0.95, 1.3, 2.6, 4, 1.1, 1.4, 1.3, 1.3, 1.1, 1.2, 1, 0.9]
    rows: dict[str, list[Any]] = {}
    for i, code in enumerate(codes):
        begun, over = code in "rweysfcx", code in "sfcx"
        row: list[Any] = [
            T0 + starts[i] if begun else None,
            T0 + starts[i] + took[i] if over else None,
            int(begun),
            None,
            None,
            "",
            None,
        ]
        if i == 4 and begun:
            row[3:5] = [64, 64] if over else [40, 64]
            row[6] = {"c": 10, "s": 54} if over else {"c": 10, "s": 28, "f": 2, "y": 1, "r": 7, "p": 16}
        if i == 3 and over:
            row[2] = 2
        rows[str(i)] = row
    return rows


def scene(codes: str, state: str, **more: Any) -> Json:
    """Return a whole message: the churn run with one letter for each node."""
    over = state in ("done", "failed", "canceled")
    run = {
        "name": "train_churn_model",
        "id": "churn-2026-11",
        "state": state,
        "t0": T0,
        "t1": T0 + 15.5 if over else None,
        "failed": "",
        "undelivered": 0,
    }
    return {"topo": topology(), "st": codes, "rows": _rows(codes), "run": run, "asks": [], **more}


def running() -> Json:
    """Return the run in the middle, with a retry, a stack at work and a running task that tells its progress."""
    message = scene("sscyrqpppwppp".replace("w", "p"), "running")
    message["rows"]["3"][2], message["rows"]["3"][5] = 1, "TimeoutError: no answer; will try again"
    return message


def waiting(**more: Any) -> Json:
    """Return the run that needs a person."""
    return scene("sscssssss" + "wprp", "waiting", asks=[ask(**more)])


def failed() -> Json:
    """Return the run that failed."""
    message = scene("sscssssf" + "kkkkk", "failed")
    message["rows"]["7"][5] = "ValueError: column 'plan' has 3 unknown levels"
    return message


def every_state() -> Json:
    """Return a graph with one node for each state."""
    codes = "pqrweyscfkx"
    names = [
        "pending",
        "queued",
        "running",
        "needs_you",
        "waits_for_timer",
        "retrying",
        "done",
        "restored",
        "failed",
        "skipped",
        "canceled",
    ]
    nodes = [(name, {"w": "human", "e": "wait"}.get(code, "task"), 1) for name, code in zip(names, codes, strict=True)]
    edges = [(6, 2), (6, 3), (7, 4), (7, 5), (8, 9), (2, 0), (3, 0), (4, 1), (6, 8), (7, 10)]
    rows = {
        str(i): [T0 + i / 3, T0 + i / 3 + 1 if c in "scfx" else None, 1, None, None, "", None]
        for i, c in enumerate(codes)
        if c in "rweyscfx"
    }
    rows["2"][3:5] = [30, 100]
    rows["8"][5] = "KeyError: 'plan'"
    rows["4"][5] = "for its time"
    run = {"name": "every_state", "id": "states-1", "state": "running", "t0": T0, "t1": None}
    return {"topo": topology(nodes, edges), "st": codes, "rows": rows, "run": run, "asks": []}


def large(count: int, width: int = 25) -> Json:
    """Return a layered graph of so many nodes, all pending."""
    nodes = [(f"task_{i}", "task", 1) for i in range(count)]
    edges = [
        (i - width + shift, i)
        for i in range(width, count)
        for shift in ((0, 1) if i % width < width - 1 and i % 3 else (0,))
    ]
    run = {"name": "large", "id": f"large-{count}", "state": "running", "t0": T0, "t1": None}
    return {"topo": topology(nodes, edges, "TB"), "st": "p" * count, "rows": {}, "run": run, "asks": []}


def picture() -> str:
    """Return a small PNG, as base64."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = b"".join(
        b"\0" + bytes(v for x in range(360) for v in ((43, 127, 208) if y > 140 - x * x / 1000 else (238, 240, 243)))
        for y in range(150)
    )
    png = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 360, 150, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    return base64.b64encode(png).decode()
