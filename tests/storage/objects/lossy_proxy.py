"""An HTTP proxy in front of an object store that does what networks do, and counts what passes.

It loses answers after the server has carried the request out, answers late, cuts a connection before the server hears,
refuses, or is away. Creates pass one at a time: the server of the tests checks and stores in two steps, S3 in one.
"""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

_HOP = {"connection", "transfer-encoding", "keep-alive", "content-length"}


class LossyProxy:
    """A proxy on a free port; all rates may be changed at any time."""

    def __init__(self, port: int, seed: int = 1) -> None:
        self.lost = self.cut = self.late = 0.0
        self.away = False
        self.refusal: tuple[int, str] | None = None
        """A status and an S3 code with which everything is answered."""
        self.counts: Counter[str] = Counter()
        self.random = random.Random(seed)
        self.target = port
        self.one_at_a_time = threading.Lock()
        proxy = self

        class Handler(_Handler):
            owner: ClassVar[Any] = proxy

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(60)


class _Handler(BaseHTTPRequestHandler):
    owner: ClassVar[Any]
    protocol_version = "HTTP/1.1"

    def _pass_on(self) -> None:
        proxy = self.owner
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        proxy.counts[self.command] += 1
        luck = proxy.random.random()
        if proxy.away or luck < proxy.cut:
            proxy.counts["cut"] += 1
            self._hang_up()
        elif proxy.refusal is not None:
            status, code = proxy.refusal
            self._answer(status, [], f"<Error><Code>{code}</Code></Error>".encode())
        else:
            status, headers, content = self._ask(body)
            if luck < proxy.cut + proxy.lost:
                proxy.counts["lost"] += 1
                self._hang_up()
                return
            if luck < proxy.cut + proxy.lost + proxy.late:
                proxy.counts["late"] += 1
                time.sleep(0.02)
            self._answer(status, headers, content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        creates = "If-None-Match" in self.headers
        if creates:
            self.owner.one_at_a_time.acquire()
        connection = http.client.HTTPConnection("127.0.0.1", self.owner.target, timeout=60)
        try:
            connection.request(self.command, self.path, body, dict(self.headers.items()))
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()
            if creates:
                self.owner.one_at_a_time.release()

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response_only(status)
        length = next((value for name, value in headers if name.lower() == "content-length"), None)
        for name, value in headers:
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", length if self.command == "HEAD" and length else str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
