"""Where the objects of one run are."""

from __future__ import annotations

from typing import NamedTuple

from nbflow.errors import WorkflowNotFoundError

from ..names import folder_name
from ..signing import RunSeals, Signer
from .bucket import Bucket

DIGITS = 12


class ObjectPlace(NamedTuple):
    """The keys of one run, whichever of its lives. With a ``signer`` everything in it must be signed."""

    bucket: Bucket
    workflow_id: str
    signer: Signer | None = None

    @property
    def name(self) -> str:
        """The part of the keys that stands for the run."""
        return folder_name(self.workflow_id)

    @property
    def log(self) -> str:
        """The prefix of the log."""
        return f"runs/{self.name}/j/"

    @property
    def pieces(self) -> str:
        """The prefix of what was rolled up."""
        return f"runs/{self.name}/p/"

    @property
    def snapshots(self) -> str:
        """The prefix of what compactions have kept."""
        return f"runs/{self.name}/s/"

    @property
    def live(self) -> str:
        """The prefix of the claims of owners."""
        return f"live/{self.name}/"

    @property
    def seals(self) -> RunSeals:
        """How the events of the run are signed."""
        return RunSeals(self.signer, self.workflow_id)

    def number(self, number: int) -> str:
        """Return the key of an object of the log."""
        return f"{self.log}{number:0{DIGITS}d}.json"

    def life(self, life: int) -> str:
        """Return the prefix of what belongs to one life of the run."""
        return f"runs/{self.name}/{life:0{DIGITS}d}/"

    def listing(self, life: int) -> str:
        """Return the key of the listing's row."""
        return f"listing/{self.name}/{life:0{DIGITS}d}.json"

    def trash(self, kind: str, life: int) -> str:
        """Return the key of the mark of a deletion, ``open`` or ``done``."""
        return f"trash/{kind}/{self.name}/{life:0{DIGITS}d}"

    def not_found(self) -> WorkflowNotFoundError:
        """Return the error for a run that is not there."""
        return WorkflowNotFoundError(
            self.workflow_id,
            f"There is no run {self.workflow_id!r} in {self.bucket.url}: list_runs() shows those that are there.",
        )
