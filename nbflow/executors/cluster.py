"""What the executors of clusters have in common: calls that are sent from one thread, heard, stopped and ended once."""

from __future__ import annotations

import concurrent.futures
import contextvars
import itertools
import logging
import pickle
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from nbflow.errors import SystemFailure
from nbflow.executors import wire
from nbflow.executors.kept import Handle
from nbflow.executors.outcome import Future, presentable, title
from nbflow.executors.process import show
from nbflow.executors.thread import ThreadExecutor

_log = logging.getLogger(__name__)


class Call:
    """One body on its way to a worker, and what is known of it. ``inner`` is the cluster's own handle of it."""

    _ids = itertools.count(1)

    def __init__(
        self, body: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], handles: Sequence[Handle],
        resources: dict[str, float],
    ) -> None:  # fmt: skip
        self.id = next(Call._ids)
        self.body, self.args, self.kwargs = body, args, kwargs
        self.title = title(body, args)
        self.handles = list(handles)
        self.resources = resources
        self.context = contextvars.copy_context()
        self.future: Future = concurrent.futures.Future()
        self.inner: Any = None
        self.started = False
        self.then: Callable[[], None] = _over
        self.stopped = False

    def end(self, value: Any = None, error: Exception | None = None) -> None:
        """End the future, unless it was cancelled. What the body needed is let go."""
        self.body, self.args, self.kwargs, self.handles = _over, (), {}, []
        if self.future.done() or not self.future.set_running_or_notify_cancel():
            return
        if error is not None:
            self.future.set_exception(error)
        else:
            self.future.set_result(value)


class ClusterExecutor(ABC):
    """Run bodies on the workers of a cluster, where their values stay.

    Connecting and sending happen in a thread of its own, so ``submit`` never blocks. Handles are good for every
    executor of the same ``realm``. What a body prints and says reaches ``on_message`` in the context of ``submit``.
    """

    name = "cluster"
    same_process = False
    keeps_values = True
    queues = True

    def __init__(self, on_message: Callable[[str, Any], None] = show) -> None:
        self.on_message = on_message
        self._door = ThreadExecutor(1, name=f"{self.name}-door")
        self._lock = threading.Lock()
        self._connected = False
        self._closed = False
        self._calls: dict[int, Call] = {}
        self._by_future: dict[Future, Call] = {}
        self._told: set[str] = set()

    # ---- the promises of an executor ----

    def submit(self, body: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """Send a body to the cluster. It is pickled in another thread, and only then."""
        return self.submit_holding([], {}, body, *args, **kwargs)

    def submit_with(
        self, resources: dict[str, float], body: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Future:
        """Send a body that needs resources: it waits until a worker has them free."""
        return self.submit_holding([], resources, body, *args, **kwargs)

    def submit_holding(
        self, handles: Sequence[Handle], resources: dict[str, float], body: Callable[..., Any], /, *args: Any,
        **kwargs: Any,
    ) -> Future:  # fmt: skip
        """Send a body whose arguments hold ``Held`` in the place of the values of these handles."""
        call = Call(body, args, kwargs, handles, resources)
        with self._lock:
            if self._closed:
                raise RuntimeError(f"the {self.name} executor is closed")
            self._calls[call.id] = self._by_future[call.future] = call
        call.future.add_done_callback(partial(self._forget, call.id))  # not the call itself: that would be a cycle
        self._door.submit(self._carry, call)
        return call.future

    def when_started(self, future: Future, then: Callable[[], None]) -> None:
        """Call ``then`` when the body of a future has started, in some thread, and never if it does not."""
        with self._lock:
            call = self._by_future.get(future)
            if call is not None and not call.started:
                call.then = then
                return
        then()

    def stop(self, future: concurrent.futures.Future[Any]) -> bool:
        """Stop a body; see the executor's own docstring for one that runs."""
        if future.done():
            return True
        with self._lock:
            call = self._by_future.get(future)
        if call is None:
            return future.done()
        call.stopped = True
        if not call.started:
            future.cancel()
            self._give_up(call)
            return True
        return self._give_up(call)

    def close(self) -> None:
        """Stop what runs, and close the cluster if it is ours. Idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed, connected = True, self._connected
            calls = [*self._calls.values()]
        for call in calls:
            self.stop(call.future)
        if connected:
            self._door.submit(self._disconnect).exception()
        self._door.close()
        for call in calls:
            call.end(error=SystemFailure(f"{call.title!r} was stopped: the {self.name} executor was closed."))

    def put(self, value: Any) -> Handle:
        """Give the cluster a value to keep, and return its handle. Blocks. Raises SystemFailure."""
        return self._door.submit(self._put_connected, value).result()  # type: ignore[no-any-return]

    def fetch(self, handle: Handle) -> Any:
        """Return a value that the cluster keeps. Blocks. Raises SystemFailure when it is lost."""
        try:
            return self._get(handle)
        except Exception as error:
            handle.lost = True
            raise SystemFailure(
                f"A value that {self.where} kept is lost ({type(error).__name__}: {error}). It was not checkpointed: "
                "its task must run again."
            ) from error

    # ---- what a kind of cluster brings ----

    @property
    @abstractmethod
    def realm(self) -> str:
        """What tells this cluster from others."""

    @property
    @abstractmethod
    def where(self) -> str:
        """How a message names the cluster."""

    @abstractmethod
    def _connect(self) -> None: ...

    def _has_died(self) -> bool:
        """Tell whether the cluster was our own and is gone, so that a new one can take its place; let go of it then."""
        return False

    @abstractmethod
    def _disconnect(self) -> None: ...

    @abstractmethod
    def _send(self, call: Call, payload: bytes) -> None: ...

    @abstractmethod
    def _give_up(self, call: Call) -> bool: ...

    @abstractmethod
    def _put(self, value: Any) -> Handle: ...

    @abstractmethod
    def _get(self, handle: Handle) -> Any: ...

    # ---- on the way ----

    def _carry(self, call: Call) -> None:
        try:
            self._connect_once()
            if call.future.cancelled():
                call.end()
                return
            self._send(call, wire.encode_call(call.body, call.args, call.kwargs))
        except Exception as error:
            call.end(error=presentable(error))

    def _connect_once(self) -> None:
        if self._connected and not self._has_died():
            return
        self._connected = False
        self._connect()
        with self._lock:
            self._connected = not self._closed
        if not self._connected:  # it was closed meanwhile: nobody else will
            self._disconnect()
            raise SystemFailure(f"The {self.name} executor was closed.")

    def _put_connected(self, value: Any) -> Handle:
        self._connect_once()
        return self._put(value)

    def _forget(self, call_id: int, future: Future) -> None:
        with self._lock:
            self._calls.pop(call_id, None)
            self._by_future.pop(future, None)

    def _hear(self, call_id: int, message: bytes) -> None:
        """Take what a body said. Never raises: a failure to show it fails no body."""
        call = self._calls.get(call_id)
        if call is None:
            return
        try:
            kind, content = pickle.loads(message)
            if kind == "started":
                with self._lock:
                    call.started, then = True, call.then
                then()
            else:
                call.context.run(self.on_message, kind, content)
        except Exception:
            _log.exception("What %r said could not be shown", call.title)

    def _notice(self, call: Call, text: str) -> None:
        """Say something to who watches the run of a call, once."""
        if text not in self._told:
            self._told.add(text)
            call.context.run(self.on_message, "notice", text)

    def _lost(self, call: Call, why: str) -> SystemFailure:
        return SystemFailure(f"{call.title!r} gave no result: {why}. It may have run partly.")

    def _inputs_lost(self, call: Call, why: str) -> SystemFailure:
        """Return the failure of a body that never started, since values that it needs were lost with a worker."""
        for handle in call.handles:
            handle.lost = True
        return InputsLost(f"{call.title!r} did not start: {why}. It starts again, with the checkpointed values.")


class InputsLost(SystemFailure):
    """The values of a body's arguments were lost with a worker before it started."""

    blameless = True


def _over() -> None:
    """Stand in for a body that is over."""
