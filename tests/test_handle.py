"""A handle is the run as a value: what it shows needs no kernel, no widget and no address."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import nbflow as nf
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
