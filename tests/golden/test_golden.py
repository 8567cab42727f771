"""Folders of older versions and other Pythons: this one lists them, shows them, answers them, goes on with them."""

from __future__ import annotations

import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import nbflow as nf
from nbflow.engine.inspect import read
from nbflow.errors import SignatureError, WorkflowNotResumableError
from nbflow.rules import NotificationClient
from nbflow.storage.folder import FolderStorage
from tests import figures, leaks
from tests.engine.tools import until
from tests.golden import programs

ARCHIVES = sorted(Path(__file__).parent.glob("*.tar.xz"))
STATUSES = {
    "done": "SUCCESSFUL", "failed/über 1": "FAILED", "waiting": "RESUMABLE", "grown": "SUCCESSFUL",
    "canceled": "CANCELED", "machine": "RESUMABLE", "condensed": "RESUMABLE", "flow": "RESUMABLE",
}  # fmt: skip


HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


def python_of(archive: Path) -> str:
    """Return which Python made an archive."""
    return archive.name.removesuffix(".tar.xz").rpartition("-py")[2]


def name_of(param: tuple[Path, str]) -> str:
    return f"{param[0].name.removesuffix('.tar.xz')}-{param[1]}"


@pytest.fixture(params=[(archive, kind) for archive in ARCHIVES for kind in ("plain", "signed")], ids=name_of)
def golden(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FolderStorage]:
    """Give a fresh copy of a golden folder, as the storage of the default host."""
    archive, kind = request.param
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    (tmp_path / kind).chmod(0o700)
    monkeypatch.setenv("NBFLOW_SIGNING_KEY", programs.KEY)
    nf.shutdown()
    with leaks.none():
        nf.init(storage=FolderStorage(tmp_path / kind, sign=kind == "signed"))
        yield nf.home.default_host().storage
        nf.shutdown()
    figures.count("histories")


def test_there_is_an_archive_and_it_is_small() -> None:
    assert ARCHIVES and all(archive.stat().st_size < 200_000 for archive in ARCHIVES)


def test_there_are_archives_of_other_pythons() -> None:
    assert {python_of(archive) for archive in ARCHIVES} >= {"3.11", "3.12", "3.13"}


def test_stored_code_of_another_python_is_refused_before_it_is_loaded(golden: FolderStorage) -> None:
    made = str(read(golden, "waiting").environment["python"]).rpartition(".")[0]
    if made == HERE:
        nf.resume_async("waiting").detach()
        return
    with pytest.raises(WorkflowNotResumableError, match=f"Python {made}.*run the cell"):
        nf.resume_async("waiting")
    assert {name: str(status) for name, status in nf.list_all()} == STATUSES


def test_it_is_listed_and_shown(golden: FolderStorage) -> None:
    assert {name: str(status) for name, status in nf.list_all()} == STATUSES
    assert {row.workflow_id for row in nf.list_runs()} == {*STATUSES}
    for name in STATUSES:
        run = nf.get_run(name)
        assert len(run.to_dataframe()) == len(run.state.nodes)
        assert run._repr_mimebundle_()["text/plain"]
        assert all(run.story(node.node_id) is not None for node in run.state.nodes)
    assert nf.get_metadata("done")["user_metadata"] == {"by": "ann"}
    assert nf.get_run("done").logs("shops") == "all shops are here\n"
    assert len(nf.get_run("waiting").state.nodes) == 5


def test_what_is_done_is_there(golden: FolderStorage) -> None:
    assert nf.get_output("done") == (programs.TEXT + "north, south").encode()
    assert nf.get_output("done", task_id="shops") == {"north", "south"}
    assert nf.get_output("grown") == "grown"
    assert nf.run(programs.done(), workflow_id="done") == nf.get_output("done")


def test_what_failed_is_mended(golden: FolderStorage) -> None:
    assert nf.run(programs.failed(3), workflow_id="failed/über 1", on_change="rerun") == 2.0


def test_what_waits_is_answered_and_ends(golden: FolderStorage) -> None:
    before = read(golden, "waiting")
    assert nf.send("waiting", "go", 8, "e1").status in ("duplicate", "queued")
    run = nf.run_async(programs.waiting(), workflow_id="waiting")
    until(lambda: len(run.questions) == 2)
    assert run.answer("Close the books?", "approve") and run.answer("How much?", amount=2.5)
    deadline = [node.wait.deadline for node in before.nodes if node.wait is not None and node.wait.deadline]
    assert run.result(60) == [7, "approve", 2.5, None]
    assert len(deadline) == 1


@pytest.mark.parametrize(("name", "total"), [("machine", 46), ("condensed", 41)])
def test_a_machine_goes_on(golden: FolderStorage, name: str, total: int) -> None:
    run = nf.start_workflow(programs.sums, workflow_id=name, workflow_input={"first": 1}, existing="return")
    assert run.send("add", {"number": 5}, "add-5").status == "duplicate"
    assert run.send("add", {"number": 100}, "add-100") and run.send("stop")
    assert run.result(60) == total + 100


def test_a_flow_goes_on(golden: FolderStorage) -> None:
    run = programs.flow().run_async("flow")
    assert run.send("batch", 5, "b1").status == "duplicate" and run.send("batch", 6, "b2")
    run.settle()
    assert nf.get_run("flow").state.counts["failed"] == 0
    run.cancel()


def test_a_stream_goes_on(golden: FolderStorage) -> None:
    with NotificationClient("golden") as client:
        assert [(event.offset, event.value) for event in client.list_events()] == [
            (number + 1, {"EUR": number}) for number in range(5)
        ]
        assert client.send_event("price", 0, id="p4").offset == 5
        assert client.send_event("price", 0, id="p5").offset == 6


def test_a_signed_folder_is_refused_with_another_key(golden: FolderStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    nf.shutdown()
    monkeypatch.setenv("NBFLOW_SIGNING_KEY", "another key of somebody, with enough characters in it")
    other = FolderStorage(golden.url, sign=True)
    with pytest.raises(SignatureError):
        other.read_run("done")
    figures.count("bad inputs")
