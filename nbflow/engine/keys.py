"""A question and a wait for events do not share a key: what is sent to the one would be taken by the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.graph import NodeKind, NodeSpec
from ..dag.event import KeyListener
from ..errors import GraphError
from .listeners import ButtonListener, HTTPListener

if TYPE_CHECKING:
    from ..core.state import RunState
    from ..dag.code import CodeBook
    from ..dag.compile import Graph

_NAMES = ("key", "event_key")


def refuse_shared(graph: Graph, book: CodeBook) -> None:
    """Raise GraphError for a question and a wait with one key, as far as that can be seen before the graph runs."""
    asked, awaited = set[str](), set[str]()
    for spec in graph.specs:
        if spec.kind is not NodeKind.EVENT:
            continue
        listener: Any = book.live[spec.code].function
        if issubclass(listener, ButtonListener):
            asked.add(spec.node_id)
        elif issubclass(listener, (KeyListener, HTTPListener)):
            awaited.add(_key(spec))
    for key in sorted(asked & awaited):
        raise GraphError(shared(key))


def _key(spec: NodeSpec) -> str:
    """Return the key of a wait for events; '' for one that is not known before it opens."""
    positional, *named = spec.call or [[]]
    keywords = named[0] if named else {}
    given = [*positional[:1], *(keywords[name] for name in _NAMES if name in keywords)]
    key = given[0] if given else spec.node_id
    return key if isinstance(key, str) else ""


def holder(state: RunState, key: str) -> bool | None:
    """Tell whether a question (True) or a wait for events (False) has a key now; None when nobody has."""
    queue = state.waiting.get(key)
    if not queue:
        return None
    wait = state.nodes[queue[0]].wait
    return wait is not None and wait.prompt is not None


def shared(key: str) -> str:
    """Return what is said of a question and a wait with one key."""
    return (
        f"A question and a wait for events would share the key {key!r}, so that an event would answer the question. "
        f"Give the question another id: .options(task_id={'ask_' + key!r})."
    )
