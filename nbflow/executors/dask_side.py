"""What runs on the side of Dask: a body in a worker, a rule in the scheduler, and a cluster of this computer."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from typing import Any

from nbflow.errors import SystemFailure
from nbflow.executors import guard, wire
from nbflow.executors.child import here
from nbflow.executors.heard import heard
from nbflow.executors.worker import LEAVE_SECONDS, kill_group

PREFIX = "nbflow-"
"""How the keys of our tasks begin."""
_START = """
import json, sys
path, processes = json.loads(sys.argv.pop())
sys.path[:] = path
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=processes, threads_per_worker=1, processes=True, host="127.0.0.1",
                      dashboard_address=None, silence_logs="ERROR") as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


class Parked:
    """The reply of a body where it ran. ``future`` keeps its value there until the engine has the key."""

    def __init__(self, reply: wire.Reply, key: str = "", future: Any = None) -> None:
        self.parts = reply, key
        self.future = future

    def __reduce__(self) -> Any:
        return _parts, self.parts


def _parts(*parts: Any) -> tuple[Any, ...]:
    return parts


def carry(call_id: int, topic: str, payload: bytes, *held: Any) -> Parked:
    """Carry out an encoded call in a worker of Dask; a value that is to stay is left there."""
    from distributed import get_client, get_worker

    worker = get_worker()

    def say(kind: str, content: Any) -> None:
        worker.log_event(topic, {"call": call_id, "said": pickle.dumps((kind, content))})

    with heard(say):
        reply, keep = wire.carry_out(payload, lambda: say("started", None), held)
    if keep is None:
        return Parked(reply)
    (future,) = get_client().scatter([keep.value], direct=True, hash=False)
    return Parked(reply, future.key, future)


def one_death_is_enough() -> Any:
    """Return a plugin of the scheduler: a body of ours whose worker dies fails at once, and nbflow decides what next.

    Dask itself would start it again on other workers, up to four times, also a body that must run at most once. And it
    would start a body again that has ended, when its reply was lost with its worker: a task without its call is data to
    Dask, which it can only lose.
    """
    from distributed.diagnostics.plugin import SchedulerPlugin

    class OneDeath(SchedulerPlugin):  # type: ignore[misc]
        name = "nbflow-one-death"
        idempotent = True

        async def start(self, scheduler: Any) -> None:
            self.scheduler = scheduler

        def transition(self, key: Any, start: str, finish: str, *args: Any, **kwargs: Any) -> None:
            task = self.scheduler.tasks.get(key) if str(key).startswith("nbflow-") else None
            if task is not None and finish == "processing":
                task.suspicious = max(task.suspicious, self.scheduler.allowed_failures)
            elif task is not None and finish == "memory":
                task.run_spec = None

    return OneDeath()  # a class of a function goes by value: the scheduler may not have nbflow


class Cluster:
    """A scheduler and workers on this computer, in a process group of their own that does not outlive this process."""

    def __init__(self, processes: int) -> None:
        path, folder, environment = here()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps([path, processes])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=folder,
            env=environment,
            process_group=0 if os.name == "posix" else None,
        )
        guard.guard.watch(self._process.pid)
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().decode().strip()
        if not self.address:
            self.close()
            raise SystemFailure("A Dask cluster on this computer could not be started: see what it printed.")

    @property
    def alive(self) -> bool:
        """False when it has ended by itself, or was killed."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the cluster, and wait until it is gone. Idempotent."""
        if self._process.returncode is None:
            assert self._process.stdin and self._process.stdout
            self._process.stdin.close()
            try:
                self._process.wait(LEAVE_SECONDS)
            except subprocess.TimeoutExpired:
                pass
            kill_group(self._process.pid)
            self._process.wait()
            self._process.stdout.close()
            guard.guard.forget(self._process.pid)
