"""Ray's references to values: what ``.remote()`` and ``put`` give, and how ``get`` and ``wait`` take them."""

from __future__ import annotations

import concurrent.futures
import time
from abc import ABC
from collections.abc import Generator, Sequence
from typing import Any, Generic, TypeVar

from .. import door, home
from ..dag.node import Node
from ..dag.node import put as put_node
from ..handle import Run
from ..looking import Output
from .calls import calls
from .failures import GetTimeoutError, RayTaskError

T = TypeVar("T")


class ObjectRef(ABC, Generic[T]):
    """A value that is there or will be: take it with ``ray.get(ref)`` or ``await ref``.

    The handles of workflows are object refs too (``isinstance`` says so), and show themselves in a notebook. A ref in
    a task's value or in an argument is stored as what it refers to; after a restart it is a ref of a value that is
    there.
    """

    def __init__(self, future: concurrent.futures.Future[T]) -> None:
        self._future = future
        self._node: Node[T] | None = None

    def future(self) -> concurrent.futures.Future[T]:
        """Return the future behind the ref."""
        return self._future

    def _bound(self) -> Node[T]:
        """Return the value as a node, waiting for it; one node however often it is bound, so it is stored once."""
        if self._node is None:
            self._node = put_node(get(self))
        return self._node

    def __await__(self) -> Generator[Any, None, T]:
        return door.wait_async(self._future).__await__()

    def __reduce__(self) -> Any:
        _refuse_on_the_engine(self)
        try:
            return (_loaded, (get(self), None))
        except Exception as error:
            return (_loaded, (None, error))

    def __repr__(self) -> str:
        return f"ObjectRef({'ready' if self._future.done() else 'pending'})"


ObjectRef.register(Run)
ObjectRef.register(Output)


def _loaded(value: Any, error: BaseException | None) -> ObjectRef[Any]:
    future: concurrent.futures.Future[Any] = concurrent.futures.Future()
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)
    return ObjectRef(future)


def put(value: T) -> ObjectRef[T]:
    """Return a ref of a value. It is copied into a workflow when it is bound, and stored once in each.

    >>> from nbflow.ray_compat import ray
    >>> ray.get(ray.put(5))
    5
    """
    if isinstance(value, ObjectRef):
        raise TypeError("ray.put takes a value, not a reference: pass the reference on, or put it in a list.")
    return _loaded(value, None)


def get(object_refs: Any, *, timeout: float | None = None) -> Any:
    """Return the value of a ref, or of each ref in a list, waiting at most ``timeout`` seconds.

    What is no ref is returned as it is, since nbflow gives tasks the values of nodes in lists. A workflow that
    fails raises WorkflowExecutionError, a remote function what it raised (also a RayTaskError). Raises
    GetTimeoutError, and TypeError for a node of a graph, which has no value before it is run.

    >>> from nbflow.ray_compat import ray
    >>> double = ray.remote(lambda x: 2 * x)
    >>> ray.get([double.remote(1), double.remote(double.remote(2)), 7])
    [2, 8, 7]
    """
    __tracebackhide__ = True
    end = None if timeout is None else time.monotonic() + timeout
    if isinstance(object_refs, list):
        return [_value(each, end) for each in object_refs]
    return _value(object_refs, end)


def _value(ref: Any, end: float | None) -> Any:
    __tracebackhide__ = True
    if isinstance(ref, Node):
        raise TypeError(f"{ref!r} is a node of a graph and has no value yet: workflow.run(node), or node.execute().")
    if not isinstance(ref, ObjectRef):
        return ref
    left = None if end is None else max(0.0, end - time.monotonic())
    try:
        if not isinstance(ref, (Run, Output)):
            _refuse_on_the_engine(ref)
            with calls.aside():
                return door.wait_sync(ref.future(), left)
        found: Any = ref.result(left)
    except RayTaskError:
        raise
    except TimeoutError as error:
        raise GetTimeoutError(f"Get timed out: {ref!r} has no value yet.") from error
    return _value(found, end) if _is_plain_ref(found) else found


def _refuse_on_the_engine(ref: ObjectRef[Any]) -> None:
    """Raise RuntimeError in an async task when a ref has no value yet: waiting would stop the engine."""
    if not ref.future().done() and home.is_open():
        home.default_host().engine.refuse_inside()


def taken(value: Any) -> Any:
    """Return the value of a workflow; one whose last task returned a ref is what that refers to."""
    return get(value) if _is_plain_ref(value) else value


def resolved(value: Any) -> Any:
    """Return a value with the refs in it, also in lists, tuples and dicts, replaced by their values."""
    if isinstance(value, ObjectRef):
        return get(value)
    kind = type(value)
    if kind in (list, tuple):
        return kind([resolved(each) for each in value])
    return {key: resolved(each) for key, each in value.items()} if kind is dict else value


def _is_plain_ref(value: Any) -> bool:
    return isinstance(value, ObjectRef) and not isinstance(value, (Run, Output))


def wait(
    object_refs: Sequence[Any], *, num_returns: int = 1, timeout: float | None = None, fetch_local: bool = True
) -> tuple[list[Any], list[Any]]:
    """Return the refs that have a value, ``num_returns`` of them at most, and the others, both in the given order.

    Waits until so many have one, or ``timeout`` seconds. Raises TypeError for what is no ref, ValueError.

    >>> from nbflow.ray_compat import ray
    >>> ready, others = ray.wait([ray.put(1), ray.put(2)])
    >>> len(ready), len(others)
    (1, 1)
    """
    refs = list(object_refs)
    if not all(isinstance(ref, ObjectRef) for ref in refs):
        raise TypeError("ray.wait takes a list of object refs: what .remote(), ray.put or workflow.run_async give.")
    if not 0 < num_returns <= len(refs):
        raise ValueError(f"num_returns must be between 1 and the number of refs ({len(refs)}), not {num_returns}.")
    futures = [_future(ref) for ref in refs]
    with calls.aside():
        door.wait_some(futures, num_returns, timeout)
    ready = [ref for ref, future in zip(refs, futures, strict=True) if future.done()][:num_returns]
    return ready, [ref for ref in refs if not any(ref is each for each in ready)]


def _future(ref: Any) -> concurrent.futures.Future[Any]:
    if isinstance(ref, Run):
        return ref._outcome()
    return ref.future()  # type: ignore[no-any-return]
