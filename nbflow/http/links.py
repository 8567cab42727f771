"""A link to one question: whoever has it can see that question and answer it, and nothing else."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from ..core.state import RunState
from . import key

LONGEST = 8000
"""Characters of a link's last part; a longer one is none of ours."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a link says: the run, when that was created, the token of the wait that asks, and until when it works.

    ``created`` tells the run from a later one of the same id. ``expires`` is in UTC seconds, None for as long as the
    question is open. ``by`` is who it was given to: their name is recorded with the answer.
    """

    workflow_id: str
    created: float
    token: int
    expires: float | None = None
    by: str = ""

    def to_text(self, secret: bytes) -> str:
        """Return the link's last part, signed.

        >>> link = Link("churn", 1.5, 3, by="ana")
        >>> Link.of(link.to_text(b"secret"), b"secret") == link
        True
        >>> Link.of(link.to_text(b"secret"), b"another") is None
        True
        """
        words = [self.workflow_id, self.created, self.token, self.expires, self.by]
        content = base64.urlsafe_b64encode(json.dumps(words, separators=(",", ":")).encode("ascii")).rstrip(b"=")
        return f"{content.decode('ascii')}.{key.signature(content, secret)}"

    @classmethod
    def of(cls, text: str, secret: bytes) -> Link | None:
        """Return the link of a last part, None when it was not signed with this secret."""
        content, _, signature = text.partition(".")
        if len(text) > LONGEST or not key.same(signature, key.signature(content.encode("utf-8", "replace"), secret)):
            return None
        words = base64.urlsafe_b64decode(content + "=" * (-len(content) % 4))
        return cls(*json.loads(words))

    def fits(self, state: RunState) -> bool:
        """Tell whether a run is the one that the link is about."""
        return state.workflow_id == self.workflow_id and state.created == self.created
