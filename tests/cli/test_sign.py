"""A run that was not signed is refused where everything must be, until somebody signs it who has looked at it."""

from __future__ import annotations

from pathlib import Path

import pytest

from .commands import Shell, program
from .terminals import Terminal


@pytest.fixture
def signing(nbflow: Shell) -> Shell:
    nbflow.env |= {"NBFLOW_SIGN": "1", "NBFLOW_SIGNING_KEY": "k" * 64}
    return nbflow


def test_a_run_is_signed_as_it_stands_and_goes_on(signing: Shell, storage: Path) -> None:
    program(
        storage,
        """
        run = nf.run_async(nf.task(lambda x: x + 1, name="body").bind(nf.wait_for_event("go")), workflow_id="slow")
        run.send("go", 41)
        run.detach()
        """,
    )
    refused = signing("resume", "slow")
    assert refused.code == 1 and "nbflow sign slow" in refused.err and "k" * 64 not in refused.err
    assert signing("show", "slow").code == 1 and signing("list").rows[0][0] == "slow"
    signed = signing.real("sign", "slow")
    assert signed.code == 0 and signed.out.startswith("slow signed: ")
    assert signing("sign", "slow", "--json").json["status"] == "WAS SIGNED ALREADY"
    assert signing("show", "slow").code == 0
    assert signing.real("resume", "slow").out == "42\n"


def test_at_a_terminal_it_is_asked_first(signing: Shell, storage: Path) -> None:
    program(storage, 'nf.run(nf.task(lambda: 1, name="one").bind(), workflow_id="done")')
    for said, code in (("n", 4), ("y", 0)):
        terminal = Terminal(signing, "sign", "done")
        terminal.sees("Sign run done, with any code that others put there? [y/N] ")
        terminal.types(said)
        assert terminal.ends()[1] == code
