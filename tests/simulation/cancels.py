"""Histories of a run that somebody cancels and deletes: final is final, and gone is gone."""

from __future__ import annotations

from nbflow.core.status import WorkflowStatus
from nbflow.engine import ending, inspect
from nbflow.errors import (
    NbflowError,
    RunIsLive,
    WorkflowCancellationError,
    WorkflowError,
    WorkflowNotFoundError,
    WorkflowNotResumableError,
)

from .plays import LIMIT, TURNS, History, excuse
from .stage import RUN
from .world import Process, Violation


class CanceledHistory(History):
    """One run of a graph, canceled at some time."""

    name = "cancel"

    def lives(self) -> None:
        """Let the run live and die a few times, and cancel it in the last life."""
        super().lives()
        self.draw_faults()
        threads = [self.begin(self.own), self.begin(self.cancel), self.begin(self.look)]
        self.world.run_until(lambda: all(thread.over or thread.dead for thread in threads), 60.0, 4_000)

    def own(self, process: Process, takeover: bool = False) -> None:
        """Run the graph, until it has its value or is canceled."""
        try:
            super().own(process, takeover)
        except WorkflowCancellationError:
            self.world.note("canceled")
            self.stage.ended = WorkflowStatus.CANCELED

    def cancel(self, process: Process) -> None:
        """Cancel the run, some time."""
        self.world.scheduler.sleep(self.random.choice((0.0, 0.5, 5.0)))
        for _ in range(5):
            try:
                process.engine.call(ending._cancel, process.host, RUN, "somebody")
                self.world.note("canceled it")
                self.stage.ended = WorkflowStatus.CANCELED
                return
            except (RunIsLive, WorkflowNotFoundError):
                self.world.scheduler.sleep(1.0)
            except WorkflowError:
                return  # it has ended otherwise
            except (NbflowError, OSError) as error:
                excuse(error)

    def judge(self) -> None:
        """Cancel it once more in peace: then it is final, whoever comes; and when it is deleted nothing is left."""
        self.world.calm()
        self.stage.mended = True
        self.end_all()
        client = self.begin(self._finish)
        if not self.world.run_until(lambda: client.over, LIMIT, TURNS):
            raise Violation(f"it does not come to its end: {self.where()}")

    def _finish(self, process: Process) -> None:
        storage = process.storage
        if not storage.exists(RUN):
            if self.stage.finished:
                raise Violation("the run is gone")
            return
        before = inspect.read(storage, RUN).status
        if self.stage.ended is WorkflowStatus.CANCELED and before is not WorkflowStatus.CANCELED:
            raise Violation(f"it was canceled, and is {before}")
        self.cancel(process)
        self._check_final(process, before)
        ending.delete(process.host, RUN)
        if storage.exists(RUN) or [*storage.list_runs()]:
            raise Violation("it was deleted, and is there")
        self.world.disk.power_cut()
        if self.world.boot().storage.exists(RUN):
            raise Violation("it was deleted, and a power cut brought it back")

    def _check_final(self, process: Process, before: WorkflowStatus | None) -> None:
        after = inspect.read(process.storage, RUN).status
        ended = before if before is WorkflowStatus.SUCCESSFUL else WorkflowStatus.CANCELED
        if after is not ended:
            raise Violation(f"it was {before}, was canceled, and is {after}")
        if ended is WorkflowStatus.CANCELED:
            try:
                self.open(process, True)
            except WorkflowNotResumableError:
                return
            raise Violation("it was canceled, and goes on")
