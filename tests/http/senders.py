"""What sends to an endpoint in tests: any request that a client could make, good or bad."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

from nbflow.http.endpoint import Endpoint

PATIENCE = 20.0


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Message
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def text(self) -> str:
        return self.content.decode()


def request(method: str, url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
    """Make one request, with the headers just as they are given."""
    parts = urlsplit(url)
    connection = HTTPConnection(str(parts.hostname), parts.port, timeout=PATIENCE)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    connection.putrequest(method, path, skip_host="Host" in (headers or {}), skip_accept_encoding=True)
    for name, value in (headers or {}).items():
        connection.putheader(name, value)
    if body is not None and "Content-Length" not in (headers or {}):
        connection.putheader("Content-Length", str(len(body)))
    try:
        connection.endheaders(body)
        reply: HTTPResponse = connection.getresponse()
        return Answer(reply.status, reply.headers, reply.read())
    finally:
        connection.close()


def get(url: str, **headers: str) -> Answer:
    return request("GET", url, headers=headers)


def post(url: str, content: Any, token: str | None = None, **headers: str) -> Answer:
    """Post JSON, or bytes as they are; underscores in the names of headers are hyphens."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    named = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        named["Authorization"] = f"Bearer {token}"
    return request("POST", url, body, named)


def send(
    endpoint: Endpoint, workflow_id: str, key: str, payload: Any, event_id: str | None = None, wait: float | None = None
) -> Answer:
    """Send an event as a client does that knows how."""
    event = {"event_key": key, "event_payload": payload} | ({"event_id": event_id} if event_id else {})
    query = "" if wait is None else f"?wait={wait}"
    return post(endpoint.event_url(workflow_id) + query, event, endpoint.token)


def raw(endpoint: Endpoint, content: bytes, hang_up: bool = True) -> bytes:
    """Send bytes that need be no HTTP, and return what comes back until the connection is closed there."""
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=PATIENCE) as connection:
        connection.sendall(content)
        if hang_up:
            connection.shutdown(socket.SHUT_WR)
        found = b""
        while more := connection.recv(65536):
            found += more
    return found
