"""Who may ask at all: this machine's own names, no foreign page, not too often."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urlsplit

from .replies import Reply, refusal

LOCAL = ("127.0.0.1", "localhost", "::1")
OWN = ("same-origin", "none")
MOST = 4096
"""So many buckets are remembered; the oldest goes first."""


class Bucket:
    """Lets ``rate`` things a second pass, and ``burst`` at once.

    >>> bucket = Bucket(rate=1, burst=2, clock=lambda: 0.0)
    >>> [bucket.take() for _ in range(3)]
    [True, True, False]
    """

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self.burst = burst
        self._clock = clock
        self._left = burst
        self._at = clock()

    def take(self) -> bool:
        """Let one pass, or return False."""
        now = self._clock()
        self._left = min(self.burst, self._left + (now - self._at) * self.rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Buckets:
    """A bucket for each name."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._new = (rate, burst, clock)
        self._known: dict[str, Bucket] = {}

    def take(self, name: str) -> bool:
        """Let one pass of this name, or return False."""
        bucket = self._known.pop(name, None) or Bucket(*self._new)
        self._known[name] = bucket
        if len(self._known) > MOST:
            del self._known[next(iter(self._known))]
        return bucket.take()


class Guard:
    """Looks at the head of a request. ``hosts`` are the names by which the endpoint may be called.

    A page of another site must not reach it: not by a name that it makes point here (``Host``), and not by a request of
    a browser that has it open (``Origin``, ``Sec-Fetch-Site``). With ``by_address`` any IP address is a good name, too:
    no site can make one point elsewhere. ``origins`` are where its own pages seem to come from behind a proxy.
    """

    def __init__(self, hosts: Iterable[str], by_address: bool = False, origins: Iterable[str] = ()) -> None:
        self._hosts = {host.lower().strip("[]") for host in (*LOCAL, *hosts)}
        self._by_address = by_address
        self._origins = {origin.lower() for origin in origins}

    def check(self, headers: Mapping[str, str], opens_page: bool = False) -> Reply | None:
        """Return the refusal of a request, None when it may go on.

        ``opens_page`` is for what a person opens: a link in a chat leads there from another site.

        >>> guard = Guard([])
        >>> guard.check({"Host": "localhost:8000"}) is None
        True
        >>> guard.check({"Host": "evil.example"}).status
        403
        """
        host = headers.get("Host", "")
        if not self._knows(name_in(host)):
            return refusal(
                403, f"This endpoint is not called {host!r}.", "Use the URL that serve() shows, or serve(hosts=[...])."
            )
        origin = headers.get("Origin")
        if origin is not None and _place(origin) not in {host.lower(), *self._origins}:
            return refusal(403, "A page of another site asks.", "Send the event from a program, not from a web page.")
        opened = opens_page and headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
        if headers.get("Sec-Fetch-Site", "none") not in OWN and not opened:
            return refusal(403, "A page of another site asks.", "Send the event from a program, not from a web page.")
        return None

    def _knows(self, name: str) -> bool:
        return name in self._hosts or (self._by_address and is_address(name))


def name_in(host: str) -> str:
    """Return the name in a ``Host`` header, without its port.

    >>> name_in("LocalHost:8080"), name_in("[::1]:8080"), name_in("a@b")
    ('localhost', '::1', '')
    """
    try:
        parts = urlsplit(f"//{host}")
        good = parts.username is None and not parts.path and not parts.query and not parts.fragment
        return (parts.hostname or "") if good else ""
    except ValueError:
        return ""


def is_address(name: str) -> bool:
    """Tell whether a name is an IP address.

    >>> is_address("192.168.1.5"), is_address("example.org")
    (True, False)
    """
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _place(origin: str) -> str:
    scheme, found, place = origin.partition("://")
    return place.lower() if found and scheme.lower() in ("http", "https") else ""
