"""Anything with ``get`` and ``commit`` is a source: it is made anew for each call, and told after the checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.errors import WorkflowExecutionError
from nbflow.listeners import QueueListener, this_wait
from tests.engine.tools import Counter


class Lines:
    """Messages in a file, one a line, and in another one how many of them are committed."""

    def __init__(self, path: Path) -> None:
        self.path, self.committed = path, path.with_suffix(".committed")
        self.calls = Counter(path.with_suffix(".calls"))

    def next(self) -> int:
        return int(self.committed.read_text()) if self.committed.exists() else 0

    async def get(self) -> Any:
        self.calls.add("get")
        return {"at": self.next(), "line": json.loads(self.path.read_text().splitlines()[self.next()])}

    async def commit(self, message: Any) -> None:
        self.calls.add("commit")
        self.committed.write_text(str(message["at"] + 1))


class Entered(Lines):
    """A source that is opened and closed."""

    async def __aenter__(self) -> Entered:
        self.calls.add("open")
        return self

    async def __aexit__(self, *_: object) -> None:
        self.calls.add("close")


class FromFile(QueueListener):
    def source(self, path: Path, kind: str = "Lines") -> Any:  # type: ignore[override]
        return Entered(path) if kind == "Entered" else Lines(path)


class Later(QueueListener):
    async def source(self, path: Path) -> Any:  # type: ignore[override]
        return Lines(path)


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    path = tmp_path / "lines"
    path.write_text('"a"\n"b"\n"c"\n')
    return path


@pytest.mark.parametrize("listener", [FromFile, Later])
def test_messages_come_one_after_the_other_and_are_committed(listener: Any, lines: Path) -> None:
    @nf.task
    def after(before: list[str], message: Any) -> Any:
        said = [*before, message["line"]]
        return said if len(said) == 3 else nf.continuation(after.bind(said, nf.wait_for_event(listener, lines)))

    assert nf.run(after.bind([], nf.wait_for_event(listener, lines))) == ["a", "b", "c"]
    assert Counter(lines.with_suffix(".calls")).words == ["get", "commit"] * 3


def test_a_source_that_can_be_entered_is_left_again(lines: Path) -> None:
    nf.run(nf.wait_for_event(FromFile, lines, kind="Entered"))
    assert Counter(lines.with_suffix(".calls")).words == ["open", "get", "close", "open", "commit", "close"]


def test_a_source_without_commit_is_not_told(lines: Path) -> None:
    class Bare(QueueListener):
        def source(self) -> Any:
            class Bell:
                async def get(self) -> str:
                    return "rang"

            return Bell()

    assert nf.run(nf.wait_for_event(Bare)) == "rang"


def test_a_listener_without_a_source_says_so() -> None:
    with pytest.raises(WorkflowExecutionError, match="QueueListener must define 'def source"):
        nf.run(nf.wait_for_event(QueueListener))


def test_a_listener_knows_which_wait_it_serves_also_when_it_commits(tmp_path: Path) -> None:
    told = Counter(tmp_path / "told")

    class Knows(nf.EventListener):
        async def poll_for_event(self, word: str, *, loud: bool) -> str:
            told.add(f"{this_wait().workflow_id}/{this_wait().node_id}:{this_wait().args}{this_wait().kwargs['loud']}")
            return word

        async def event_checkpointed(self, event: str) -> None:
            told.add(f"{this_wait().workflow_id}/{this_wait().node_id}:{this_wait().args}{this_wait().kwargs['loud']}")

    with pytest.raises(LookupError):
        this_wait()
    nf.run(nf.wait_for_event(Knows, "hi", loud=True).options(task_id="n", default="nobody"), workflow_id="w")
    assert told.words == ["w/n:('hi',)True"] * 2
