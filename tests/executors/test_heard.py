"""Bodies that share a process are heard each by itself, and the worker's own words stay its own."""

from __future__ import annotations

import sys
import threading
from typing import Any

import pytest

from nbflow.executors.heard import heard
from nbflow.executors.worker import tell


@pytest.fixture(autouse=True)
def streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the streams back after each test."""
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    monkeypatch.setattr(sys, "stderr", sys.stderr)


def test_two_bodies_at_once_are_not_mixed_up(capsys: pytest.CaptureFixture[str]) -> None:
    both = threading.Barrier(2)
    said: dict[str, list[Any]] = {"a": [], "b": []}

    def body(name: str) -> None:
        with heard(lambda *words: said[name].append(words)):
            both.wait(20)
            print(name, "one\n", end="")
            print(name, "un", end="")
            both.wait(20)
            print("finished", file=sys.stderr)
            assert tell("progress", (1, 2))

    threads = [threading.Thread(target=body, args=(name,)) for name in said]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("of the worker")
    for name, words in said.items():
        assert words == [
            ("stdout", f"{name} one\n"), ("stderr", "finished\n"), ("progress", (1, 2)), ("stdout", f"{name} un"),
        ]  # fmt: skip
    assert capsys.readouterr().out == "of the worker\n"


def test_a_flush_sends_what_is_begun() -> None:
    said: list[Any] = []
    with heard(lambda *words: said.append(words)):
        print("half", end="", flush=True)
        assert said == [("stdout", "half")]
    assert len(said) == 1
    assert not tell("progress", (1, 2))
