"""Bodies on a Ray cluster: values stay in Ray's object store, and Ray's own references go from body to body."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from nbflow.errors import SystemFailure
from nbflow.executors import ray_side, wire
from nbflow.executors.cluster import Call, ClusterExecutor
from nbflow.executors.kept import Handle, Kept
from nbflow.executors.outcome import presentable
from nbflow.executors.process import show, usable_cpus

_FETCH_SECONDS = 600.0
_OWN = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent anywhere
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # that is: only on loopback
    "RAY_raylet_start_wait_time_s": "120",
    "RAY_agent_register_timeout_ms": "120000",
}
"""What a Ray of our own is started with, where its user did not say otherwise."""
_OPTIONS = {"CPU": "num_cpus", "GPU": "num_gpus", "memory": "memory"}


class RayExecutor(ClusterExecutor):
    """Run bodies on Ray: where this process is connected to, else the cluster at ``address``, else our own.

    Our own is a Ray of ``processes`` workers on this computer, without a dashboard, and is closed with the executor;
    another one is left as it is. nbflow must be importable on the workers. Of a task's ``resources`` "CPU", "GPU" and
    "memory" (bytes) are Ray's ``num_cpus``, ``num_gpus`` and ``memory``, all others Ray's custom resources.

    A body whose worker dies gets SystemFailure, and so does every body when the cluster is gone; Ray itself starts none
    again. ``stop`` kills the process of a body that runs. Large arrays arrive read-only, as always from Ray's store:
    copy before you write into one.
    """

    name = "ray"

    def __init__(self, *, address: str = "", processes: int = 0, on_message: Callable[[str, Any], None] = show) -> None:
        require()
        super().__init__(on_message)
        self._address = address
        self._processes = processes or usable_cpus()
        self._folder = ""
        self._joined = False
        self._remote: Any = None
        self._offers: dict[str, float] = {}
        self._session = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listener: threading.Thread | None = None

    @property
    def workers(self) -> int:
        """How many bodies run at once: the processors of the cluster, as Ray last told."""
        return max(1, int(self._offers.get("CPU", 1)) if self._connected else self._processes)

    @property
    def realm(self) -> str:
        """The job of this process in the cluster, to which the references belong."""
        return f"ray {self._session or id(self)}"

    @property
    def where(self) -> str:
        """How a message names the cluster."""
        return f"the Ray cluster at {self._address or 'an address yet unknown'}"

    # ---- the cluster ----

    def _connect(self) -> None:
        imported = sys.modules.get("ray")
        if imported is None or not imported.is_initialized():
            try:
                self._join() if self._address else self._start()
            except Exception as error:
                raise SystemFailure(f"No Ray could be had at {self._address or 'this computer'}: {error}") from error
            self._joined = True
        import ray

        context = ray.get_runtime_context()
        self._address, self._session = context.gcs_address, context.get_job_id()
        self._remote = ray.remote(ray_side.carry)
        self._offers = ray.cluster_resources()
        self._loop = asyncio.new_event_loop()
        self._listener = threading.Thread(target=self._loop.run_forever, name="nbflow-ray", daemon=True)
        self._listener.start()

    def _join(self) -> None:
        near = self._address.startswith(("127.", "localhost"))  # which Ray else takes for the address of this computer
        with _environment(_OWN if near else {}):
            import ray

            ray.init(address=self._address, log_to_driver=False, logging_level="error")

    def _start(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="nbflow-")  # the paths of sockets must be short
        with _environment(_OWN):
            import ray  # here: it reads the environment when it is imported

            try:
                ray.init(
                    address="local", num_cpus=self._processes, include_dashboard=False, log_to_driver=False,
                    logging_level="error", _temp_dir=self._folder,
                )  # fmt: skip
            except BaseException:
                ray.shutdown()
                shutil.rmtree(self._folder, ignore_errors=True)
                raise

    def _disconnect(self) -> None:
        assert self._loop is not None and self._listener is not None
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._listener.join()
        self._loop.close()
        if self._joined:
            import ray

            ray.shutdown()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    # ---- bodies ----

    def _send(self, call: Call, payload: bytes) -> None:
        import ray

        if not ray.is_initialized():
            raise SystemFailure(self._gone())
        wanted = {"CPU": 1.0, **call.resources}
        if any(amount > self._offers.get(name, 0) for name, amount in wanted.items()):
            self._offers = ray.cluster_resources()
        if lacking := sorted(name for name, amount in wanted.items() if amount > self._offers.get(name, 0)):
            names = ", ".join(lacking)
            self._notice(call, f"{call.title!r} asks for more {names} than {self.where} has now: it waits.")
        options: dict[str, Any] = {_OPTIONS[name]: wanted.pop(name) for name in _OPTIONS if name in wanted}
        stream = call.inner = self._remote.options(
            **options, resources=wanted, num_returns="streaming", max_retries=0, retry_exceptions=False, name=call.title
        ).remote(payload, *[handle.ref for handle in call.handles])
        if call.stopped:
            self._give_up(call)
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(self._follow(call, stream), self._loop)

    async def _follow(self, call: Call, stream: Any) -> None:
        """End a call with what its stream brings."""
        try:
            call.end(await self._listen(call, stream))
        except Exception as error:
            call.end(error=self._failure(call, error))
        finally:
            call.inner = None

    async def _listen(self, call: Call, stream: Any) -> Any:
        async for ref in stream:
            kind, content, *stays = await ref
            if kind == ray_side.SAID:
                for message in content:
                    self._hear(call.id, message)
                continue
            try:
                value = wire.decode_reply(content)
            except Exception as error:
                raise _Raised from error
            # Not awaited as the others are: that would load the value here.
            return Kept(value, Handle(await asyncio.to_thread(next, stream))) if stays[0] else value
        raise RuntimeError("its stream ended early")

    def _failure(self, call: Call, error: Exception) -> Exception:
        from ray import exceptions

        if isinstance(error, _Raised):
            return presentable(error.__cause__ or error)
        if call.stopped:
            return SystemFailure(f"{call.title!r} was stopped: its process was killed.")
        cause = getattr(error, "cause", None)
        lost = exceptions.ObjectLostError
        if call.handles and (isinstance(error, lost) or isinstance(cause, lost)):
            return self._inputs_lost(call, f"{self.where} lost a value that it needs")
        if isinstance(error, exceptions.RayTaskError):
            return SystemFailure(f"{call.title!r} could not run on {self.where}: {error}")
        if isinstance(error, exceptions.RayError) and _is_up():
            return self._lost(call, f"{self.where} says: {str(error).splitlines()[0]}")
        return SystemFailure(f"{call.title!r} gave no result: {self._gone()} ({type(error).__name__}: {error})")

    def _gone(self) -> str:
        return (
            f"{self.where} is gone, or cannot be reached. What was checkpointed is safe: go on with "
            "nbflow.resume(workflow_id) when there is one."
        )

    def _give_up(self, call: Call) -> bool:
        import ray

        inner = call.inner
        if inner is not None:
            ray.cancel(inner, force=True)
        return True

    # ---- values ----

    def _put(self, value: Any) -> Handle:
        import ray

        return Handle(ray.put(value))

    def _get(self, handle: Handle) -> Any:
        import ray

        return ray.get(handle.ref, timeout=_FETCH_SECONDS)


class _Raised(Exception):
    """The body itself raised; its error is the cause."""


def require() -> None:
    """Raise ValueError, with what to type, when Ray is not installed."""
    from importlib.util import find_spec

    if find_spec("ray") is None:
        raise ValueError("executor='ray' needs Ray: pip install 'nbflow[ray]'.")


@contextmanager
def _environment(wanted: dict[str, str]) -> Iterator[None]:
    """Set what is not set, for the time of the block."""
    missing = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(missing)
    try:
        yield
    finally:
        for name in missing:
            os.environ.pop(name, None)


def _is_up() -> bool:
    import ray

    return bool(ray.is_initialized())
