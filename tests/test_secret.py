"""A secret is its name everywhere, and its value only where it is asked for."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import cloudpickle
import pytest

import nbflow as nf
from nbflow.core import masking
from nbflow.errors import SecretNotFoundError
from nbflow.storage import values
from nbflow.storage.memory import MemoryStorage

CANARY = "canary-of-the-test"


@pytest.fixture(autouse=True)
def canary(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TOKEN", CANARY)
    before, masking.known = masking.known, None
    yield
    masking.known = before


def from_vault(name: str) -> str | None:
    return {"vault": CANARY}.get(name)


def test_it_shows_its_name_and_gives_its_value() -> None:
    token = nf.Secret("TOKEN")
    assert f"{token} {token!r} {[token]}" == "Secret('TOKEN') Secret('TOKEN') [Secret('TOKEN')]"
    assert token.get() == CANARY and token.name == "TOKEN"


def test_it_is_pickled_as_its_name_also_after_it_was_looked_up() -> None:
    token = nf.Secret("TOKEN")
    token.get()
    for dump in (pickle.dumps, cloudpickle.dumps):
        assert CANARY.encode() not in dump(token) and pickle.loads(dump(token)) == token
    there = pickle.loads(pickle.dumps(nf.Secret("vault", from_vault)))
    assert there.get() == CANARY and there == nf.Secret("vault", from_vault) != nf.Secret("vault")
    assert len({nf.Secret("TOKEN"), nf.Secret("TOKEN")}) == 1


def test_the_value_is_looked_up_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    token = nf.Secret("TOKEN")
    token.get()
    monkeypatch.setenv("TOKEN", "another-value")
    assert token.get() == "another-value"
    monkeypatch.delenv("TOKEN")
    with pytest.raises(SecretNotFoundError, match="'TOKEN'"):
        token.get()
    with pytest.raises(SecretNotFoundError):
        nf.Secret("nothing", from_vault).get()


@pytest.mark.parametrize("name", ["", "a=b", "a\0b"])
def test_a_name_that_no_variable_can_have_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        nf.Secret(name)
    with pytest.raises(TypeError):
        nf.Secret(3)  # type: ignore[arg-type]


def test_a_value_that_holds_a_secret_has_no_preview_and_one_that_holds_its_value_is_refused() -> None:
    run = MemoryStorage().create_run("run")

    class Client:
        def __init__(self) -> None:
            self.token = nf.Secret("TOKEN")

        def __repr__(self) -> str:
            return f"Client({self.token.get()})"

    stored = values.encode(Client(), run)
    assert "pv" not in stored and CANARY not in str(stored)
    assert values.decode(stored, run).token == nf.Secret("TOKEN")
    masking.known = None
    assert "pv" not in values.encode({"t": nf.Secret("TOKEN")}, run)
    nf.Secret("TOKEN").get()
    for value in (CANARY, [CANARY], {CANARY: 1}, (CANARY,), CANARY.encode(), bytearray(CANARY.encode() * 9000)):
        with pytest.raises(nf.errors.CheckpointError, match=r"Secret\('TOKEN'\)"):
            values.encode(value, run)


@pytest.mark.parametrize("shape", [str, lambda text: [text], lambda text: text.encode() * 9000])
def test_a_coroutine_that_returns_the_value_fails_its_run(shape: Callable[[str], object]) -> None:
    @nf.task
    async def leak() -> object:
        return shape(nf.Secret("TOKEN").get())

    run = nf.run_async(leak.bind(), workflow_id="leak")
    with pytest.raises(nf.errors.WorkflowExecutionError, match="never stored"):
        run.result(60)


def test_results_are_found_again_by_the_name_and_not_by_the_value(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nf.shutdown()
    nf.init(storage=tmp_path / "storage", durability="lazy")
    double = nf.task(lambda token: len(token.get()), name="double")
    nf.run(double.bind(nf.Secret("TOKEN")), workflow_id="by-name")
    monkeypatch.setenv("TOKEN", "a value of another length")
    assert nf.run(double.bind(nf.Secret("TOKEN")), workflow_id="by-name", on_change="error") == len(CANARY)
    nf.shutdown()
