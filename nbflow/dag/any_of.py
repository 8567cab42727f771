"""A node that is done when the first of several is."""

from __future__ import annotations

from typing import Any

from ..core.first import First
from ..core.graph import NodeKind
from .node import Node


def any_of(*nodes: Node[Any]) -> Node[First]:
    """Return a node that is done as soon as one of these is; its value is a ``First`` (index, node_id, value).

    What was not first is stopped, unless something else needs it too: an open wait is closed (its buttons vanish, and
    an event that comes for it later is kept for the next wait of its key), a sleep ends, a task is canceled. Of several
    that are done already it takes the first in the list. What was first stays so after a crash. A part that fails
    before another is done fails the run; give that part ``catch_exceptions=True`` to take its failure as a value, or
    a wait a ``default``. Takes the options ``task_id`` and ``metadata``. Raises TypeError for what is no node,
    ValueError when there is none, or one is given twice.

    >>> import nbflow as nf
    >>> late = nf.sleep(3600)
    >>> run = nf.run_async(nf.any_of(nf.wait_for_event("go"), late))
    >>> bool(run.send("go", 42))
    True
    >>> run.result()
    First(index=0, node_id='wait_for_go', value=42)
    """
    for node in nodes:
        if not isinstance(node, Node):
            raise TypeError(f"any_of takes nodes, as any_of(wait, sleep(60)), not {type(node).__name__}.")
    if not nodes or len({id(node) for node in nodes}) != len(nodes):
        raise ValueError("any_of takes one node or more, each of them once.")
    return Node(NodeKind.ANY, None, nodes, {})
