"""A handle is the run as a value: what it shows needs no kernel, no widget and no address."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

import nbflow as nf
from nbflow import errors
from nbflow.testing import MemoryStorage


@pytest.fixture(autouse=True)
def host() -> Iterator[None]:
    nf.init(storage=MemoryStorage())
    yield
    nf.shutdown()


def test_a_run_is_a_picture_and_a_text_for_who_has_no_widgets() -> None:
    run = nf.run_async(nf.task(max, name="biggest").bind([1, 3]), workflow_id="w")
    run.result(10)
    bundle = run._repr_mimebundle_(include=None, exclude=None)
    assert bundle["text/plain"].splitlines()[0] == "biggest: done; 1 done"
    assert "data:image/svg+xml;base64," in bundle["text/html"]
    assert "<script" not in bundle["text/html"]
    assert repr(run) == "<run 'w' SUCCESSFUL>"


def test_a_run_that_cannot_be_read_says_in_one_line_why_it_is_not_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = nf.run_async(nf.put(1), workflow_id="w")
    run.result(10)
    run.delete()
    assert run._repr_mimebundle_() == {
        "text/plain": "<run 'w' deleted> cannot be shown. "
        "No such workflow 'w' in this storage; nbflow.list_all() shows what there is."
    }
    monkeypatch.setattr("nbflow.door.display", lambda run: run._snapshot())  # as in a kernel
    run._ipython_display_()
    assert capsys.readouterr().out.startswith("<run 'w' deleted> cannot be shown. No such workflow 'w'")


def test_a_run_that_is_not_signed_is_not_shown_where_all_must_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    nf.shutdown()
    nf.init(storage=tmp_path / "store")
    nf.run(nf.put(1), workflow_id="w")
    nf.shutdown()
    nf.init(storage=tmp_path / "store", sign=True)
    said = nf.get_run("w")._repr_mimebundle_()["text/plain"]
    assert said.startswith("<run 'w' SUCCESSFUL> cannot be shown. ") and "nbflow sign w" in said


def test_what_keeps_a_run_from_beginning_is_told_without_the_engine() -> None:
    run = nf.run_async(nf.wait_for_event("go"), workflow_id="w")
    with pytest.raises(errors.RunIsLive) as caught:
        nf.run(nf.wait_for_event("go"), workflow_id="w")
    files = {Path(frame.filename).name for frame in traceback.extract_tb(caught.value.__traceback__)}
    assert files <= {"test_handle.py", "api.py", "outputs.py"}
    run.cancel()
