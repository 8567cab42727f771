"""What is said of packages, extras and the kernel is what is installed."""

from __future__ import annotations

import importlib.metadata

import pytest

from nbflow import door
from nbflow.checkup import surroundings
from nbflow.checkup.finding import BAD, GOOD, NOTE, WARN

REQUIRES = [
    "cloudpickle>=3.0",
    "made-up-one>=2.0",
    "graphviz>=99",
    "loky>=3.4.1; extra == 'process'",
    "made-up-two>=1; extra == 'wonder'",
    "cronsim>=99; extra == 'schedule'",
    "pytest>=8; extra == 'test'",
]


def test_what_is_needed_must_be_there_and_new_enough_and_extras_need_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: REQUIRES)
    found = {each.name: each for each in surroundings.packages()}
    assert {name: each.verdict for name, each in found.items()} == {
        "cloudpickle": GOOD, "made-up-one": BAD, "graphviz": BAD, "process": GOOD, "wonder": NOTE, "schedule": WARN,
    }  # fmt: skip
    assert found["wonder"].remedy == "pip install 'nbflow[wonder]'"
    assert found["made-up-one"].remedy == "pip install 'made-up-one>=2.0'"


def test_each_extra_of_the_project_is_told_but_those_for_its_makers() -> None:
    extras = {each.name for each in surroundings.packages() if each.area == "extras"}
    assert {"process", "redis", "kafka", "notify", "lab"} <= extras
    assert not {"test", "docs"} & extras


def test_a_checkout_that_is_not_installed_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> list[str]:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", missing)
    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert [each.verdict for each in surroundings.packages()] == [NOTE]
    assert next(surroundings.python()).verdict == GOOD


@pytest.mark.parametrize(
    ("version", "numbers"), [("6.30.0", (6, 30, 0)), ("3.0", (3, 0)), ("2.0rc1", (2, 0)), ("", ()), ("x", ())]
)
def test_a_version_is_compared_by_its_numbers(version: str, numbers: tuple[int, ...]) -> None:
    assert surroundings.numbers(version) == numbers


@pytest.mark.parametrize(("version", "verdict"), [("6.29.5", WARN), ("6.30.0", GOOD), ("7.4.0", GOOD)])
def test_an_old_kernel_is_warned_of(monkeypatch: pytest.MonkeyPatch, version: str, verdict: str) -> None:
    monkeypatch.setattr(door, "in_kernel", lambda: True)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version)
    kernel = next(surroundings.kernel({}))
    assert (kernel.name, kernel.verdict) == ("kernel", verdict)


def test_a_wrong_front_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBFLOW_FRONTEND", "paper")
    assert {each.name: each.verdict for each in surroundings.kernel({})}["front end"] == BAD


def test_every_front_end_has_its_words() -> None:
    from nbflow.notebook.frontend import FrontEnd

    assert {member.value for member in FrontEnd} == set(surroundings.FRONTS)
