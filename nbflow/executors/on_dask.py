"""Bodies on a Dask cluster: values stay on its workers as Dask's own futures, and travel between them directly."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any

from nbflow.errors import SystemFailure
from nbflow.executors import dask_side, wire
from nbflow.executors.cluster import Call, ClusterExecutor
from nbflow.executors.kept import Handle, Kept
from nbflow.executors.outcome import presentable
from nbflow.executors.process import show, usable_cpus
from nbflow.executors.thread import ThreadExecutor

_CONNECT_SECONDS = 30.0
_TAKERS = 4


class DaskExecutor(ClusterExecutor):
    """Run bodies on a Dask cluster: of ``client``, at ``address``, else that of the current client, else our own.

    Our own has ``processes`` workers of one thread on this computer, and is closed with the executor; when it dies, the
    next body gets a new one. A cluster of yours is left open. nbflow must be importable on the workers. ``resources``
    of a task are those that Dask's workers were started with ("CPU" is the number of slots); other tasks of the cluster
    compete by Dask's rules.

    A body whose worker dies gets SystemFailure; so does every body when the cluster is gone. ``stop`` takes a queued
    body out of Dask's queue; one that runs in a worker nobody can stop: it is forgotten, and the answer is False.
    """

    name = "dask"
    thread = "a thread of a Dask worker"

    def __init__(
        self, client: Any = None, *, address: str = "", processes: int = 0,
        on_message: Callable[[str, Any], None] = show,
    ) -> None:  # fmt: skip
        if client is not None and getattr(client, "asynchronous", False):
            raise ValueError("executor=client needs a Client that is not asynchronous: Client(address).")
        require()
        super().__init__(on_message)
        self._client = client
        self._address = address
        self._processes = processes or usable_cpus()
        self._own_client = client is None
        self._own_cluster: dask_side.Cluster | None = None
        self._topic = f"nbflow-{uuid.uuid4().hex}"
        self._threads = 0
        self._offers: set[str] = set()
        self._takers = ThreadExecutor(_TAKERS, name="dask-results")

    @property
    def workers(self) -> int:
        """How many bodies run at once: the threads of the cluster, as Dask last told; one waits for more to come."""
        return max(1, self._threads if self._connected else self._processes)

    @property
    def realm(self) -> str:
        """The client, to which the futures belong."""
        return f"dask {self._client.id}" if self._client is not None else f"dask {id(self)}"

    @property
    def where(self) -> str:
        """How a message names the cluster."""
        return f"the Dask cluster at {self._address or 'an address yet unknown'}"

    # ---- the cluster ----

    def _connect(self) -> None:
        from distributed import Client

        if self._client is None and not self._address:
            self._client = _current_client()
            self._own_client = self._client is None
        if self._client is None:
            if not self._address:
                self._own_cluster = dask_side.Cluster(self._processes)
                self._address = self._own_cluster.address
            try:
                self._client = Client(self._address, timeout=_CONNECT_SECONDS, set_as_default=False)
            except OSError as error:
                raise SystemFailure(f"No Dask cluster answers at {self._address}: {error}") from error
        self._address = self._client.scheduler.address
        self._client.subscribe_topic(self._topic, self._event)
        self._client.register_plugin(dask_side.one_death_is_enough())
        self._look()

    def _disconnect(self) -> None:
        if self._own_client:
            self._client.close(timeout=5)
        else:
            self._client.unsubscribe_topic(self._topic)
        if self._own_cluster is not None:
            self._own_cluster.close()
        self._takers.close()

    def _has_died(self) -> bool:
        if self._own_cluster is None or self._own_cluster.alive:
            return False
        self._client.close(timeout=5)
        self._own_cluster.close()
        self._client, self._own_cluster, self._address = None, None, ""
        return True

    def _look(self) -> None:
        """Take down what the cluster has now."""
        workers = self._client.scheduler_info().get("workers", {}).values()
        self._threads = sum(each.get("nthreads", 1) for each in workers)
        self._offers = {name for each in workers for name in each.get("resources", {})}

    # ---- bodies ----

    def _send(self, call: Call, payload: bytes) -> None:
        if self._client.status not in ("running", "connecting"):
            raise SystemFailure(self._gone())
        if any(handle.ref.client is not self._client for handle in call.handles):
            raise self._inputs_lost(call, "the cluster that kept a value that it needs is gone")
        wanted = {name: amount for name, amount in call.resources.items() if name != "CPU"}
        if set(wanted) - self._offers or not self._threads:
            self._look()
        if lacking := sorted(set(wanted) - self._offers):
            names = ", ".join(lacking)
            self._notice(call, f"{call.title!r} asks for {names}, which no worker of {self.where} has now: it waits.")
        held = [handle.ref for handle in call.handles]
        future = call.inner = self._client.submit(
            dask_side.carry, call.id, self._topic, payload, *held,
            key=f"{dask_side.PREFIX}{call.title}-{uuid.uuid4().hex}", pure=False, resources=wanted or None, retries=0,
        )  # fmt: skip
        if call.stopped:
            self._give_up(call)
        future.add_done_callback(lambda done: self._takers.submit(self._take, call, done))

    def _take(self, call: Call, done: Any) -> None:
        """End a call with what became of its future."""
        try:
            if done.status == "finished":
                self._give(call, done)
            elif done.status == "error":
                call.end(error=self._failure(call, done.exception()))
            else:
                call.end(error=self._vanished(call))
        except Exception as error:
            call.end(error=self._failure(call, error))
        finally:
            call.inner = None

    def _give(self, call: Call, done: Any) -> None:
        from distributed import Future

        reply, key = done.result()
        try:
            value = wire.decode_reply(reply)
        except Exception as error:
            call.end(error=presentable(error))
            return
        if key:
            # Wanted from here before the worker lets it go with the reply; both go by the same connection, in order.
            self._client._send_to_scheduler({"op": "client-desires-keys", "keys": [key], "client": self._client.id})
            value = Kept(value, Handle(Future(key, self._client, state="finished")))
        call.end(value)

    def _failure(self, call: Call, error: BaseException) -> Exception:
        from distributed import KilledWorker

        if isinstance(error, KilledWorker):
            return self._lost(call, f"its worker {error.last_worker.address} of {self.where} died")
        if isinstance(error, (OSError, CancelledError)):
            return self._vanished(call)
        return SystemFailure(
            f"{call.title!r} could not run on {self.where}: {type(error).__name__}: {error}. "
            "Are nbflow and cloudpickle installed on its workers?"
        )

    def _vanished(self, call: Call) -> Exception:
        """Return the failure of a call whose future Dask gave up: inputs were lost, or the cluster is gone."""
        if call.stopped:
            return SystemFailure(f"{call.title!r} was stopped.")
        if self._client.status == "running" and call.handles and not call.started:
            return self._inputs_lost(call, f"{self.where} lost a value that it needs")
        if self._client.status == "running":
            return self._lost(call, f"{self.where} gave it up")
        return SystemFailure(f"{call.title!r} gave no result: {self._gone()}")

    def _gone(self) -> str:
        return (
            f"{self.where} is gone, or cannot be reached. What was checkpointed is safe: start a cluster and go on "
            "with nbflow.resume(workflow_id)."
        )

    def _give_up(self, call: Call) -> bool:
        inner = call.inner
        if inner is not None:
            inner.cancel(reason="stopped by nbflow")
        return not call.started

    def _event(self, event: Any) -> None:
        _, message = event
        self._hear(message["call"], message["said"])

    # ---- values ----

    def _put(self, value: Any) -> Handle:
        (future,) = self._client.scatter([value], hash=False)
        return Handle(future)

    def _get(self, handle: Handle) -> Any:
        return handle.ref.result(timeout=_CONNECT_SECONDS)


def require() -> None:
    """Raise ValueError, with what to type, when Dask is not installed."""
    from importlib.util import find_spec

    if find_spec("distributed") is None:
        raise ValueError("executor='dask' needs Dask: pip install 'nbflow[dask]'.")


def _current_client() -> Any:
    from distributed import Client

    try:
        client = Client.current()
    except ValueError:
        return None
    return None if client.asynchronous else client
