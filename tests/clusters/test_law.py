"""One workflow, any executor: the same result, after a kill -9 of the engine and of a worker, too."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

import nbflow as nf
from nbflow.core.status import WorkflowStatus
from tests.clusters.tools import Place, Program, wait_for

EVERYWHERE = pytest.mark.parametrize("spec", ["thread", "process", "loky", "dask", "ray"], indirect=True)
ELSEWHERE = pytest.mark.parametrize("spec", ["process", "loky", "dask", "ray"], indirect=True)

LAW = """
    import sys
    import nbflow as nf
    from tests.clusters.tools import Place

    place = Place(__import__("pathlib").Path(sys.argv[3]))

    @nf.task
    def make(i):
        place.add(f"make{i}")
        return bytes([i]) * 1_000_000

    @nf.task(retry_exceptions=[OSError], max_retries=5)
    def weigh(part):
        if place.add(f"weigh{part[0]}") == 1:
            raise OSError("try again")
        return len(part) * part[0]

    @nf.task
    def join(parts, weights):
        place.add("join")
        return b"".join(parts) + str(sum(weights)).encode()

    @nf.task
    def halve(whole, times):
        if times == 0:
            return len(whole), whole[-7:].decode()
        return nf.continuation(halve.bind(cut.bind(whole), times - 1))

    @nf.task
    def cut(whole):
        place.pass_gate()
        return whole[len(whole) // 2 :]

    parts = make.map([1, 2, 3])
    law = halve.bind(join.bind(parts, [weigh.bind(part) for part in parts]), 2)

    if __name__ == "__main__":
        nf.init(storage=sys.argv[1], executor=sys.argv[2])
        print(nf.run(law, workflow_id="law"), flush=True)
        nf.shutdown()
"""
RESULT = "(750002, '6000000')"


@EVERYWHERE
def test_a_workflow_runs_unchanged_with_the_same_result(spec: str, folder: Path, tmp_path: Path) -> None:
    place = Place(tmp_path / "place")
    place.open()
    with Program(LAW, folder, spec, place.folder) as program:
        assert program.result() == RESULT
    assert sorted(place.words()) == sorted(
        ["join", *(f"{w}{i}" for w in ("make", "weigh", "weigh") for i in (1, 2, 3))]
    )


@pytest.mark.crash
@EVERYWHERE
def test_an_engine_killed_in_the_middle_goes_on_and_no_finished_task_runs_again(
    spec: str, folder: Path, tmp_path: Path
) -> None:
    place = Place(tmp_path / "place")
    with Program(LAW, folder, spec, place.folder) as program:
        place.until("join")
        nf.init(storage=folder)
        wait_for(lambda: nf.get_progress("law")["tasks"]["join"]["status"] == "done", "the result of join")
        program.kill()
    place.open()
    with Program(LAW, folder, spec, place.folder) as again:
        assert again.result() == RESULT
    assert sorted(place.words()) == sorted(
        ["join", *(f"{w}{i}" for w in ("make", "weigh", "weigh") for i in (1, 2, 3))]
    )


@pytest.mark.crash
@ELSEWHERE
def test_a_worker_killed_in_the_middle_is_a_system_failure_that_is_retried(
    spec: str, folder: Path, tmp_path: Path
) -> None:
    place = Place(tmp_path / "place")

    @nf.task
    def make() -> bytes:
        place.add("make")
        return b"x" * 1_000_000

    @nf.task
    def die_once(large: bytes) -> int:
        if place.add("die") == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return len(large)

    nf.init(storage=folder, executor=spec)
    large = make.bind()
    run = nf.run_async([die_once.bind(large), large], workflow_id="w")
    assert run.result(120) == [1_000_000, b"x" * 1_000_000]
    assert run.status is WorkflowStatus.SUCCESSFUL
    assert place.count("make") == 1
    assert place.count("die") == 2
    assert nf.get_metadata("w", "die_once")["attempts"] == 2


@pytest.mark.crash
@ELSEWHERE
def test_a_worker_that_dies_each_time_fails_the_run_which_stays_resumable(
    spec: str, folder: Path, tmp_path: Path
) -> None:
    place = Place(tmp_path / "place")

    @nf.task(max_retries=0)
    def die() -> int:
        if place.add("die") == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return 1

    nf.init(storage=folder, executor=spec)
    run = nf.run_async(die.bind(), workflow_id="w")
    with pytest.raises(nf.errors.WorkflowExecutionError, match=r"gave no result|does not work") as failure:
        run.result(120)
    assert isinstance(failure.value.__cause__, nf.errors.SystemFailure)
    assert place.count("die") == 1, "somebody else than nbflow started it again"
    assert nf.run(die.bind(), workflow_id="w") == 1
