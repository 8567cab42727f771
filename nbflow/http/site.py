"""What stands behind the routes, whoever serves them: the endpoint of a process or a Jupyter server."""

from __future__ import annotations

import logging
from collections.abc import Awaitable

from ..engine.host import Host
from ..errors import StorageError, StorageFull
from ..storage.base import Storage
from . import key, post, replies
from .asked import Asked
from .intake import MOST, PATIENCE, Event, Intake
from .links import Link
from .replies import SEND_AGAIN, Refused, Reply, refusal

AT_ONCE = 2000
"""So many requests may be under way at once; each holds at most one body."""

_log = logging.getLogger("nbflow")


class Site:
    """The runs of one storage as HTTP shows them; ``host`` is who owns some of them in this process."""

    def __init__(self, storage: Storage, token: str, host: Host | None = None) -> None:
        self.secret = key.link_key(token)
        self.intake = Intake(storage, host)
        self.asked = Asked(self.intake, self.secret)
        self._under_way = 0

    async def send(self, workflow_id: str, body: bytes, wait: str = "", by: str = "", source: str = "http") -> Reply:
        """Give the event of a body to a run; ``wait`` is how many seconds the client wants to wait, as text."""
        return await self._safely(self._send(workflow_id, body, wait, by, source))

    async def look(self, link: str) -> Reply:
        """Return the question of a link as the page wants it."""
        return await self._safely(self._look(link))

    async def answer(self, link: str, body: bytes, by: str = "", source: str = "link") -> Reply:
        """Give the answer in a body to the question of a link."""
        return await self._safely(self._answer(link, body, by, source))

    def open(self, link: str) -> Link:
        """Return what a link says. Raises Refused."""
        return self.asked.link(link)

    async def _send(self, workflow_id: str, body: bytes, wait: str, by: str, source: str) -> Reply:
        seconds = seconds_of(wait)
        sent = post.post_of(body)
        event = Event(sent.event_key, sent.event_payload, sent.event_id, by, source)
        return await self.intake.send(workflow_id, event, seconds)

    async def _look(self, link: str) -> Reply:
        return await self.asked.look(self.open(link))

    async def _answer(self, link: str, body: bytes, by: str, source: str) -> Reply:
        return await self.asked.answer(self.open(link), post.json_of(body), by, source)

    async def _safely(self, handling: Awaitable[Reply]) -> Reply:
        """Return a reply, whatever happens: what a request meets harms nothing but itself."""
        self._under_way += 1
        try:
            if self._under_way > AT_ONCE:
                return refusal(429, f"{AT_ONCE} requests are under way.", SEND_AGAIN, {"Retry-After": "1"})
            return await handling
        except Refused as no:
            return no.reply
        except StorageFull as error:
            return replies.full(str(error))
        except StorageError as error:
            return refusal(500, f"The storage failed: {error}", SEND_AGAIN)
        except Exception:
            _log.exception("an HTTP request failed", extra={"action": "http"})
            return refusal(500, "The request failed; the log of nbflow says why.", SEND_AGAIN)
        finally:
            self._under_way -= 1


def seconds_of(wait: str) -> float:
    """Return how long a client wants to wait. Raises Refused (400).

    >>> seconds_of(""), seconds_of("0"), seconds_of("2.5")
    (10.0, 0.0, 2.5)
    """
    try:
        seconds = float(wait) if wait else PATIENCE
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MOST:
        raise Refused(refusal(400, f"'wait' is no number of seconds from 0 to {MOST:g}.", "Mend 'wait' in the URL."))
    return seconds
