"""The HTTP endpoint of a process: in a thread and a loop of its own, so that it answers while a cell is busy."""

from __future__ import annotations

import asyncio
import contextvars
import datetime as dt
import os
import socket
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from ..core.state import RunState
from ..engine import events
from ..engine.host import Host
from ..engine.inspect import read
from ..handle import Run
from ..home import default_host
from . import key
from .guard import Guard, is_address
from .links import Link
from .site import Site

if TYPE_CHECKING:
    from .handlers import Doorman

WEEK = 7 * 86400.0
"""Seconds for which a link works, unless it is told otherwise."""
RATE = 2000.0
"""Requests that are let in each second; so many may come at once."""
IDLE, SLOWEST = 120.0, 60.0
"""Seconds for which a connection may say nothing, and for which a body may take to come."""
ANYWHERE = ("", "0.0.0.0", "::")

_running: dict[Host, Endpoint] = {}
_lock = threading.RLock()
"""Guards the endpoints: two threads may want the first one at once."""


class Endpoint:
    """A running endpoint: ``url`` is where it is, ``token`` what a sender has to show, ``close()`` ends it."""

    def __init__(
        self, host: Host, port: int = 0, address: str = "127.0.0.1", *, hosts: Iterable[str] = (),
        public_url: str | None = None, rate: float = RATE,
    ) -> None:  # fmt: skip
        self.token = key.token_of(host.storage)
        self._names = tuple(hosts)
        self.settings = {"host": address, "hosts": self._names, "public_url": public_url, "rate": rate}
        self._host = host
        self._sockets = _listening(port, address)
        self.port: int = self._sockets[0].getsockname()[1]
        name = socket.gethostname() if address in ANYWHERE else address
        local = f"http://{f'[{name}]' if ':' in name else name}:{self.port}"
        self.url = (public_url or local).rstrip("/")
        self._site = Site(host.storage, self.token, host)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        ready = threading.Event()
        doorman = self._doorman(name, public_url, rate)
        # an empty context: the thread must not look like a child of the cell that happened to start it
        run = contextvars.Context().run
        self._thread = threading.Thread(target=run, args=(self._main, doorman, ready), name="nbflow-http", daemon=True)
        self._thread.start()
        ready.wait()
        host.link_to = self._link_to
        host.farewells.append(self.close)

    def _doorman(self, name: str, public_url: str | None, rate: float) -> Doorman:
        from .handlers import Doorman

        public = urlsplit(public_url) if public_url else None
        names = [name, *self._names, *([public.hostname or ""] if public else [])]
        local = self.settings["host"] in ("127.0.0.1", "localhost", "::1")
        guard = Guard(names, by_address=not local, origins=[public.netloc] if public else [])
        return Doorman(self._site, self.token, guard, rate)

    @property
    def open(self) -> bool:
        """True until ``close``."""
        return self._thread.is_alive()

    def link(self, run: Run | str, question: str, *, expires: float | dt.timedelta | None = WEEK, by: str = "") -> str:
        """Return a link to an open question, named by its node's id or its title, for a person without a notebook.

        Whoever has the link can see the question and answer it, and nothing else. It works until the question is
        answered, or for ``expires`` seconds (a week; None: as long as it is asked). ``by`` is who gets it: their name
        is recorded with the answer. Raises ValueError when no such question is open, WorkflowNotFoundError.

        >>> import nbflow as nf
        >>> run = nf.run_async(nf.wait_for_event(nf.ButtonListener, "Publish?"), workflow_id="report")
        >>> endpoint = nf.serve()
        >>> while not run.questions:
        ...     time.sleep(0.01)
        >>> endpoint.link(run, "Publish?").startswith(endpoint.url + "/q/")
        True
        >>> endpoint.close()
        >>> run.cancel()
        """
        workflow_id = run if isinstance(run, str) else run.workflow_id
        live = self._host.runners.get(workflow_id)
        state = live.state if live is not None else read(self._host.storage, workflow_id)
        node = events.open_question(state, question)
        if node is None or node.wait is None:
            named = ", ".join(repr(n.node_id) for n in state.nodes if _asks(n)) or "none"
            raise ValueError(f"Run {workflow_id!r} has no open question {question!r}; open now: {named}.")
        seconds = expires.total_seconds() if isinstance(expires, dt.timedelta) else expires
        return self._url(state, node.wait.token, seconds, by)

    def event_url(self, workflow_id: str) -> str:
        """Return the URL that takes events for a run."""
        return f"{self.url}/event/send_event/{quote(workflow_id, safe='')}"

    def _link_to(self, workflow_id: str, node_id: str, token: int) -> str:
        live = self._host.runners.get(workflow_id)
        state = live.state if live is not None else read(self._host.storage, workflow_id)
        return self._url(state, token, WEEK, "")

    def _url(self, state: RunState, token: int, seconds: float | None, by: str) -> str:
        expires = None if seconds is None else round(time.time() + seconds, 3)
        link = Link(state.workflow_id, state.created, token, expires, by)
        return f"{self.url}/q/{link.to_text(self._site.secret)}"

    # ---- its thread ----

    def _main(self, doorman: Doorman, ready: threading.Event) -> None:
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:  # tornado needs one that can watch files
            runner.run(self._serve(doorman, ready))

    async def _serve(self, doorman: Doorman, ready: threading.Event) -> None:
        from tornado.httpserver import HTTPServer

        from .handlers import DRAIN, application

        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        server = HTTPServer(
            application(doorman), max_body_size=1 << 40, max_header_size=1 << 15, idle_connection_timeout=IDLE,
            body_timeout=SLOWEST, chunk_size=1 << 16, max_buffer_size=2 * DRAIN,
        )  # fmt: skip
        server.add_sockets(self._sockets)
        ready.set()
        await self._end.wait()
        server.stop()
        await server.close_all_connections()

    def close(self) -> None:
        """Stop listening and end all connections; events that were received stay. Idempotent."""
        with _lock:
            if _running.get(self._host) is self:
                del _running[self._host]
        if self._host.link_to == self._link_to:
            self._host.link_to = None
        if self.close in self._host.farewells:
            self._host.farewells.remove(self.close)
        if self._loop is not None and self._end is not None and self._thread.is_alive():
            try:
                self._loop.call_soon_threadsafe(self._end.set)
            except RuntimeError:
                pass  # it has just ended
        if threading.current_thread() is not self._thread:
            self._thread.join(5)

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<nbflow endpoint {self.url}{'' if self.open else ', closed'}>"


def serve(
    port: int = 0, host: str = "127.0.0.1", *, hosts: Iterable[str] = (), public_url: str | None = None,
    rate: float = RATE,
) -> Endpoint:  # fmt: skip
    """Take events and answers over HTTP until ``close()`` or ``shutdown()``; return the endpoint.

    ``POST {url}/event/send_event/<workflow_id>`` with ``Authorization: Bearer {token}`` and the JSON object
    ``{"event_key": ..., "event_payload": ..., "event_id": ...}`` gives an event to a run, whoever owns it; with the
    same ``event_id`` it counts once. It answers 200 when the event is in the run's journal. The token is that of the
    storage, and stays the same after a restart.

    ``port`` 0 is a free one. ``host`` is the address to listen at: only this machine can reach the default. ``hosts``
    are more names by which it may be called, ``public_url`` the address that people and senders use where something
    stands in front (a proxy, a tunnel): links begin with it. ``rate`` limits the requests a second.
    An endpoint that runs already is returned as it is; ValueError is raised when it is another one than is asked for.
    Raises OSError when the port is taken, StorageError.

    >>> import nbflow as nf
    >>> endpoint = nf.serve()
    >>> endpoint.url.startswith("http://127.0.0.1:")
    True
    >>> endpoint.close()
    """
    asked: dict[str, Any] = {"host": host, "hosts": tuple(hosts), "public_url": public_url, "rate": rate}
    owner = default_host()
    with _lock:
        running = _running.get(owner)
        if running is not None and running.open:
            usual: dict[str, Any] = {"host": "127.0.0.1", "hosts": (), "public_url": None, "rate": RATE}
            if port in (0, running.port) and asked in (usual, running.settings):
                return running
            raise ValueError(f"An endpoint runs already at {running.url}: close() it first, to have another one.")
        started = _running[owner] = Endpoint(owner, port, host, hosts=hosts, public_url=public_url, rate=rate)
        return started


def endpoint_of(host: Host) -> Endpoint:
    """Return the endpoint of a host, which is started when it does not run yet. Raises OSError, StorageError."""
    with _lock:
        running = _running.get(host)
        if running is None or not running.open:
            running = _running[host] = Endpoint(host)
        return running


def open_endpoint(host: Host) -> str:
    """Start the endpoint of a host and return what to tell the person, '' when it runs already.

    Raises OSError, StorageError.
    """
    with _lock:
        running = _running.get(host)
        if (running is not None and running.open) or host.on_http is None:
            return ""  # there is one, or the host is being closed
        url = endpoint_of(host).url
    return f"nbflow takes events over HTTP at {url}/event/send_event/<workflow_id>; nbflow.serve().token is the token."


def _forget_after_fork() -> None:
    """Let a fork hold no port open: its endpoint has no thread."""
    global _lock
    _lock = threading.RLock()  # the thread that held it is not in the child
    for endpoint in _running.values():
        for each in endpoint._sockets:
            each.close()
    _running.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)


def _listening(port: int, address: str) -> list[socket.socket]:
    """Return sockets that listen. Raises ValueError for a port that none can have, OSError for one that is not free."""
    from tornado.netutil import bind_sockets  # the lazy place: who needs no endpoint does not load tornado

    if not 0 <= port <= 65535:
        raise ValueError(f"port must be a number up to 65535, or 0 for a free one, not {port}.")
    try:
        return bind_sockets(port, None if address in ANYWHERE else address, family=_family(address))
    except OSError as error:
        where = f"port {port} of {address or 'this machine'}"
        said = (
            f"HTTP cannot listen at {where}: {error.strerror}. Give another port, or 0 for a free one; or another host."
        )
        raise OSError(error.errno, said) from error


def _family(address: str) -> socket.AddressFamily:
    """Return the family of an address; a name may have two, and then two sockets with two ports would be bound."""
    return socket.AF_INET6 if ":" in address and is_address(address) else socket.AF_INET


def _asks(node: Any) -> bool:
    return node.wait is not None and bool(node.wait.prompt) and node.event is None and not node.status.finished
