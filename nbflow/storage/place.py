"""Where one run is kept: what the parts that serve a run have in common."""

from __future__ import annotations

from typing import NamedTuple

from .os_calls import OS
from .signing import RunSeals, Signer


class RunPlace(NamedTuple):
    """The folder of a run; ``parents`` are the folders that its name depends on, the nearest first.

    With a ``signer`` everything in it must be signed, and is signed when it is written.
    """

    calls: OS
    folder: str
    workflow_id: str
    parents: tuple[str, ...]
    signer: Signer | None = None

    @property
    def seals(self) -> RunSeals:
        """How signatures in this run are checked."""
        return RunSeals(self.signer, self.workflow_id)
