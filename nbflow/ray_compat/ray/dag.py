"""Ray's lazy graphs: nodes, and the place of a workflow's arguments."""

from __future__ import annotations

from ...dag.node import InputNode
from ...dag.node import Node as DAGNode
from ..remote import FunctionNode

__all__ = ["DAGNode", "FunctionNode", "InputNode"]
