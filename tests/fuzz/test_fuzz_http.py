"""Requests of any form: each is answered or hung up on; none brings the endpoint down or gets the token told."""

from __future__ import annotations

import random
import re
import socket

import pytest

import nbflow as nf
from nbflow.engine.host import Host
from nbflow.http.endpoint import Endpoint
from tests import figures
from tests.engine.tools import until

from .seeds import damaged, rounds, seeded

PATIENCE = 60.0
GOOD = {200, 202, 400, 401, 403, 404, 405, 409, 410, 411, 413, 414, 415, 422, 429, 431, 501, 505}
"""What may be answered: nothing from 500 on but that a method or a version is not known."""
MARK = "x-fuzz-injected"
METHODS = [
    *["POST"] * 8,
    "GET",
    "PUT",
    "HEAD",
    "OPTIONS",
    "DELETE",
    "TRACE",
    "CONNECT",
    "get",
    "",
    "PO ST",
    "\0",
    "A" * 300,
]
SEND, EVIL = "/event/send_event/waits", "evil.example"
PATHS = [
    SEND, f"{SEND}?wait=0", f"{SEND}?wait=-1", f"{SEND}?wait=nan", f"{SEND}?wait=1e999", f"{SEND}#a",
    "/event/send_event/", "/event/send_event/%00", "/event/send_event/%ff%fe", "/event/send_event/" + "a" * 300,
    "/event/send_event/..%2f..%2fetc%2fpasswd", "/event/send_event/../../http-token", "/../http-token", "/http-token",
    "/event/send_event/" + "%E2%82%AC" * 255, f"/event/send_event/a%0d%0a{MARK}:%201", f"http://{EVIL}/", "//", "*",
    f"/q/a%0d%0a{MARK}:%201", "/q/" + "a" * 9000, "/q/", "/q/a.b", "/q/%2e%2e/state", "/q/a/answer", "/q/a/state", "/%",
    "/page.js", "/page.css?v=1", "/page.py", "/page.js/../../../etc/passwd", "/\0",
]  # fmt: skip
BODIES = [
    '{"event_key": "go", "event_payload": 1}', '{"event_key": "go", "event_payload": {"a": [1, 2.5, null, "ü"]}}',
    '{"event_key": "other", "event_payload": 1}', '{"event_key": "", "event_payload": 1}', '{"event_key": "go"}', "[]",
    '{"event_key": "go", "event_payload": NaN}', '{"event_key": "go", "event_payload": 1e999}', "[" * 5000, "", "null",
    '{"event_key": ["go"], "event_payload": 1}', '{"event_key": "\\ud800", "event_payload": "\\ud800"}', '"' * 999,
    '{"event_key": "go", "event_payload": 1, "event_id": {"a": 1}}', '{"event_key": "go", "event_payload": "\\u0000"}',
    '{"event_key": "nbflow:order", "event_payload": {"order": "cancel"}}', '{"event_key": "go", "event_key": "go"}',
    '{"event_key": "go", "event_payload": ' + "9" * 5000 + "}", '{"option": "approve", "values": {"a": 1}}',
]  # fmt: skip
HEADERS = [
    "Content-Type: application/json", "Content-Type: application/json; charset=utf-16", "Content-Type: text/plain",
    "Content-Type: application/json\x0b", "Content-Encoding: gzip", "Transfer-Encoding: chunked", "Range: bytes=0-",
    "Host: 127.0.0.1", f"Host: {EVIL}", f"Host: 127.0.0.1, {EVIL}", "Host:", "Origin: null", f"Origin: http://{EVIL}",
    "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-origin", "Authorization: Bearer wrong", "Authorization: Basic",
    "Authorization: Bearer \xff\xfe", "Content-Length: -1", "Content-Length: 1e9", "Content-Length: " + "9" * 20,
    "X: " + "y" * 9000, f"X: a\r {MARK}: 1", ": nameless", "no colon", "Expect: 100-continue", "Upgrade: websocket",
    "Cookie: a=b", "X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1", "TE: trailers", "Connection: keep-alive",
]  # fmt: skip


def good(endpoint: Endpoint, body: bytes, target: str = SEND) -> bytes:
    """Return a request as it should be."""
    lines = [f"POST {target} HTTP/1.1", f"Host: 127.0.0.1:{endpoint.port}", "Content-Type: application/json"]
    lines += [f"Authorization: Bearer {endpoint.token}", f"Content-Length: {len(body)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode() + body


def request(chance: random.Random, endpoint: Endpoint) -> bytes:
    """Return a request: mostly whole, with parts that nobody should send, and sometimes damaged altogether."""
    body = chance.choice(BODIES).encode("utf-8", "surrogatepass")
    if chance.random() < 0.3:
        body = damaged(body, chance)
    head, _, _ = good(endpoint, body, chance.choice(PATHS[:2] * 8 + PATHS)).partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    if chance.random() < 0.3:
        version = chance.choice(("1.1", "1.0", "9.9", "x"))
        first = b" ".join([chance.choice(METHODS).encode(), *first.split()[1:-1], f"HTTP/{version}".encode()])
    lines = [line for line in lines if chance.random() < 0.95]
    lines += [line.encode("latin-1") for line in chance.sample(HEADERS, chance.choice((0, 0, 0, 1, 2, 4)))]
    whole = b"\r\n".join([first, *lines, b"", b""]) + body
    return damaged(whole, chance) if chance.random() < 0.2 else whole


def exchanged(endpoint: Endpoint, content: bytes, hang_up: bool = True) -> bytes:
    """Return what comes back for some bytes, until the other side hangs up."""
    found = b""
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=PATIENCE) as connection:
        try:
            connection.sendall(content)
            if hang_up:
                connection.shutdown(socket.SHUT_WR)
            while more := connection.recv(65536):
                found += more
        except (ConnectionResetError, BrokenPipeError):
            pass  # it was hung up on
    return found


@seeded
def test_no_request_brings_the_endpoint_down_or_gets_more_than_it_may(endpoint: Endpoint, seed: int) -> None:
    chance = random.Random(seed)
    waits = nf.run_async(nf.wait_for_event("never"), workflow_id="waits")
    until(lambda: waits.state.waiting)
    seen: set[int] = set()
    for _ in range(rounds(250)):
        said = request(chance, endpoint)
        back = exchanged(endpoint, said)
        heads = re.findall(rb"(?:^|\})HTTP/1\.[01] (\d{3}) [^\r]*\r\n(.*?)\r\n\r\n", back, re.DOTALL)
        seen |= {int(status) for status, _ in heads}
        assert seen <= GOOD | {100}, (said, back)
        assert endpoint.token.encode() not in back, (said, back)
        assert not any(MARK.encode() in re.sub(rb"[^\r\n:]*:[^\r\n]*", _name, head) for _, head in heads), (said, back)
        assert b"root:" not in back and b"access-control" not in back.lower()  # no site is let in, by no preflight
    assert {400, 401, 404} <= seen
    told = exchanged(endpoint, good(endpoint, b'{"event_key": "never", "event_payload": 7}'), hang_up=False)
    assert b" 200 " in told.split(b"\r\n")[0] and waits.result(60) == 7
    figures.count("bad inputs", rounds(250))


def _name(found: re.Match[bytes]) -> bytes:
    return found[0].partition(b":")[0].lower()


def test_many_slow_clients_keep_nobody_else_waiting(endpoint: Endpoint) -> None:
    waits = nf.run_async(nf.wait_for_event(nf.HTTPListener, event_key="go"), workflow_id="waits")
    until(lambda: waits.state.waiting)
    body = b'{"event_key": "go", "event_payload": 5, "event_id": "1"}'
    slow = []
    try:
        for n in range(200):
            connection = socket.create_connection(("127.0.0.1", endpoint.port), timeout=PATIENCE)
            connection.sendall(good(endpoint, body)[: 1 + n])  # a part of a head, and no more
            slow.append(connection)
        assert b" 200 " in exchanged(endpoint, good(endpoint, body), hang_up=False).split(b"\r\n")[0]
        assert waits.result(60) == 5
    finally:
        for connection in slow:
            connection.close()


def test_a_slow_client_is_hung_up_on_in_the_end(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nbflow.http.endpoint.IDLE", 0.5)
    monkeypatch.setattr("nbflow.http.endpoint.SLOWEST", 0.5)
    body = b'{"event_key": "go", "event_payload": 5}'
    with nf.serve() as endpoint:
        whole = good(endpoint, body)
        for part in (b"", whole[:30], whole[: -len(body)], whole[:-1]):
            exchanged(endpoint, part, hang_up=False)  # returns when the other side has hung up
