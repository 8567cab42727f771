"""Runs to look at: graphs written in a line, and records that bring them where a test wants them."""

from __future__ import annotations

from typing import Any

from nbflow.core import records as r
from nbflow.core.graph import TOP, Code, NodeKind, NodeSpec
from nbflow.core.state import RunState

T0 = 1_700_000_000.0
ERROR = {"type": "ValueError", "message": "column 'plan' has 3 unknown levels", "traceback": "", "kind": "exception"}
PROMPT = {
    "kind": "form",
    "title": "Release churn model v12?",
    "message": "AUC **0.871**",
    "options": ["approve", "reject"],
    "fields": None,
    "default": None,
    "show": None,
    "assigned_to": ["ml-leads"],
    "require_comment": False,
}


def json_value(value: Any) -> dict[str, Any]:
    """Return a stored value."""
    return {"c": "json", "v": value}


def task(node_id: str, *deps: int, code: str = "", group: str = "") -> NodeSpec:
    """Return a task; its function has the name of the node unless ``code`` says another."""
    return NodeSpec(node_id, NodeKind.TASK, deps, code or node_id, None, group)


def event(node_id: str, *deps: int, listener: str = "KeyListener", group: str = "") -> NodeSpec:
    """Return a wait."""
    return NodeSpec(node_id, NodeKind.EVENT, deps, listener, None, group)


def value(node_id: str, *deps: int) -> NodeSpec:
    """Return a container."""
    return NodeSpec(node_id, NodeKind.VALUE, deps)


class Play:
    """A run that a test moves on by hand; ``now`` is the time of the next record, in UTC seconds."""

    def __init__(self, *specs: NodeSpec, output: int = -1, name: str = "train_churn_model", start: bool = True) -> None:
        self.state = RunState()
        self.now = T0
        self.token = 0
        self.take(r.RunCreated("run-7f3a", name, self.now))
        self.take(r.RunOpened(self.now))
        self.bind(specs, output)
        if start:
            self.take(r.RunStarted(self.now))

    def take(self, record: r.Record) -> None:
        """Hand in a record."""
        self.state.handle(record)

    def _know(self, specs: tuple[NodeSpec, ...]) -> None:
        for spec in specs:
            if spec.code and spec.code not in self.state.codes:
                self.take(r.CodeAdded(Code(spec.code, spec.code)))

    def bind(self, specs: tuple[NodeSpec, ...], output: int = -1) -> None:
        """Make these nodes the graph."""
        self._know(specs)
        self.take(r.NodesAdded(specs, TOP))
        self.take(r.GraphCommitted(output % len(specs)))

    def at(self, node: str | int) -> int:
        """Return the index of a node."""
        return self.state.index[node] if isinstance(node, str) else node

    def run(self, *nodes: str | int) -> None:
        """Begin the bodies of nodes."""
        for node in nodes:
            self.take(r.TaskStarted(self.at(node), self.state.nodes[self.at(node)].attempt + 1, self.now))

    def done(self, *nodes: str | int, took: float = 1.4, value: Any = 1) -> None:
        """Run nodes to their end."""
        for node in nodes:
            index = self.at(node)
            attempt = max(1, self.state.nodes[index].attempt)
            self.take(r.TaskSucceeded(index, json_value(value), self.now, self.now + took, attempt))
        self.now += took

    def fail(self, node: str | int, took: float = 0.3) -> None:
        """Fail a node for good, and the run with it."""
        index = self.at(node)
        self.take(r.TaskFailed(index, ERROR, self.now, self.now + took))
        self.now += took
        self.take(r.RunFailed(self.now, index))

    def retry(self, node: str | int) -> None:
        """Fail an attempt."""
        self.take(r.TaskAttemptFailed(self.at(node), 1, ERROR, self.now + 9, self.now - 1, self.now))

    def grow(self, node: str | int, *specs: NodeSpec, output: int = -1) -> None:
        """Let a node return a continuation."""
        self._know(specs)
        self.take(r.NodesAdded(specs, self.at(node)))
        self.take(r.TaskGrew(self.at(node), output % len(specs), self.now, self.now + 0.1))

    def ask(self, node: str | int, deadline: float | None = None, **prompt: Any) -> int:
        """Open the question of a node; return its token."""
        self.token += 1
        index = self.at(node)
        fallback = json_value({"option": "reject", "source": "timeout"}) if deadline else None
        asked = PROMPT | prompt
        self.take(r.WaitOpened(index, self.token, self.now, f"q{index}", deadline, fallback, asked))
        return self.token

    def wait(self, node: str | int, key: str = "order.paid") -> int:
        """Open the wait of a node that asks nobody."""
        self.token += 1
        self.take(r.WaitOpened(self.at(node), self.token, self.now, key))
        return self.token

    def answer(self, node: str | int, option: str = "approve", by: str = "ana") -> None:
        """Answer the question of a node."""
        index = self.at(node)
        payload = json_value(
            {"option": option, "values": {}, "comment": "", "by": by, "at": self.now, "source": "view"}
        )
        self.take(r.EventReceived(f"e{index}-{self.now}", f"q{index}", payload, self.now, by, "view"))

    def reopen(self) -> None:
        """Let another process take the run."""
        self.take(r.RunOpened(self.now))
        self.take(r.RunStarted(self.now))


def churn() -> Play:
    """Return the run of the pictures: a mapped stage, a retry, a question, and branches that meet."""
    nodes = [task("load_orders"), task("load_customers"), task("clean", 0, 1), task("validate_schema", 1)]
    for i in range(64):
        nodes.append(task(f"build_features_{i}" if i else "build_features", 2, code="build_features", group="g-4"))
    nodes.append(value("list", *range(4, 68)))
    last = [
        task("split", 68, 3),
        task("train_gbm", 69),
        task("train_linear", 69),
        task("evaluate", 70, 71),
        event("approve_model", 72, listener="ButtonListener"),
        task("publish", 73),
        task("report", 72, 0),
        task("notify", 74, 75),
    ]
    return Play(*nodes, *last)
