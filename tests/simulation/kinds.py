"""The kinds of histories, by the names under which they are played again."""

from __future__ import annotations

from .cancels import CanceledHistory
from .flows import FlowHistory
from .machines import MachineHistory
from .plays import History

KINDS: dict[str, type[History]] = {kind.name: kind for kind in (History, MachineHistory, FlowHistory, CanceledHistory)}
