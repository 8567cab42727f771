"""Which results are those of other code or other inputs than the graph has now, and what they were made from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from .graph import Json, NodeKind, NodeSpec, is_gone
from .node import Made

if TYPE_CHECKING:
    from .state import RunState


def mark(state: RunState, before: Mapping[int, NodeSpec]) -> None:
    """Mark the results that the specs since ``before`` would not give; take marks away that do not hold any more.

    A value that was put into the graph, or given as an input, is no result: those who have used it are marked.
    """
    values = _changed_values(state, before)
    for index, old in before.items():
        node = state.nodes[index]
        if old.kind.composed or not (node.status.finished or node.output >= 0):
            continue
        if node.made is not None:
            if not _changed_since(state, index, node.made):
                node.made = None
        elif differs(state, old, node.spec) or (values and not values.isdisjoint(old.deps)):
            node.made = Made(old, _reached(state, old, before))


def differs(state: RunState, old: NodeSpec, new: NodeSpec) -> bool:
    """Tell whether a spec calls other code than another one, or on other inputs."""
    return _code_differs(state, old, new) or old.deps != new.deps or not same_call(old.call, new.call)


def _code_differs(state: RunState, old: NodeSpec, new: NodeSpec) -> bool:
    if old.code == new.code:
        return False
    old_code, new_code = state.codes.get(old.code), state.codes.get(new.code)
    return (old_code.fingerprint if old_code else "") != (new_code.fingerprint if new_code else "")


def what_changed(state: RunState, index: int) -> tuple[str, ...]:
    """Return what differs from what made the result of a node: "code", "inputs", both, or nothing."""
    made = state.nodes[index].made
    if made is None:
        return ()
    code = _code_differs(state, made.spec, state.nodes[index].spec)
    inputs = made.spec.deps != state.nodes[index].spec.deps or not same_call(
        made.spec.call, state.nodes[index].spec.call
    )
    return (*(["code"] if code else []), *(["inputs"] if inputs or not code else []))


def same_call(old: Any, new: Any) -> bool:
    """Tell whether two stored calls have the same arguments.

    Pickled code differs from kernel to kernel, so a value that carries code is compared by its mark; one that was
    removed by its digest.
    """
    if old == new:
        return True
    if type(old) is not type(new):
        return False
    if type(old) is list:
        return len(old) == len(new) and all(map(same_call, old, new))
    if type(old) is not dict:
        return False
    if "c" in old and "c" in new:
        return _same_value(old, new)
    return old.keys() == new.keys() and all(same_call(old[key], new[key]) for key in old)


def digest(stored: Json) -> str:
    """Return what tells a stored value from another one: the mark of one that carries code, else of its content."""
    if is_gone(stored):
        return str(stored.get("sum", ""))
    if "fp" in stored:
        return str(stored["fp"])
    content = {key: stored[key] for key in ("c", "v", "b64", "buf", "blob") if key in stored}
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _same_value(old: Json, new: Json) -> bool:
    return digest(old) == digest(new)


def _changed_values(state: RunState, before: Mapping[int, NodeSpec]) -> set[int]:
    """Return the values in the graph that are others than before, by themselves or by a value that they hold."""
    values = {index: old for index, old in before.items() if old.kind is NodeKind.VALUE}
    changed = {index for index, old in values.items() if differs(state, old, state.nodes[index].spec)}
    if not changed:
        return changed
    holders: dict[int, list[int]] = {}
    for index, old in values.items():
        for dep in old.deps:
            holders.setdefault(dep, []).append(index)
    work = list(changed)
    while work:
        for holder in holders.get(work.pop(), ()):
            if holder not in changed:
                changed.add(holder)
                work.append(holder)
    return changed


def _reached(state: RunState, spec: NodeSpec, before: Mapping[int, NodeSpec]) -> dict[int, NodeSpec]:
    """Return the values that a spec is called on, as they were, also those inside other values."""
    found: dict[int, NodeSpec] = {}
    work = list(spec.deps)
    while work:
        index = work.pop()
        held = before.get(index, state.nodes[index].spec)
        if held.kind is NodeKind.VALUE and index not in found:
            found[index] = held
            work.extend(held.deps)
    return found


def _changed_since(state: RunState, index: int, made: Made) -> bool:
    return differs(state, made.spec, state.nodes[index].spec) or any(
        differs(state, old, state.nodes[value].spec) for value, old in made.values.items()
    )


def changed_nodes(state: RunState) -> list[int]:
    """Return the nodes whose result is that of other code or inputs, in the order of the run."""
    return [index for index, node in enumerate(state.nodes) if node.made is not None]


def recode(state: RunState, key: str, indices: Iterable[int]) -> None:
    """Give nodes that the run grew the code of ``key``; what they have stays, and is marked."""
    before: dict[int, NodeSpec] = {}
    for index in indices:
        node = state.nodes[index]
        if node.owner >= 0 and node.spec.kind is NodeKind.TASK:
            before[index] = node.spec
            node.spec = node.spec.with_code(key)
            state.changed.add(index)
    mark(state, before)
