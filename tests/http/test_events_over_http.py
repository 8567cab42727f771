"""An event over HTTP: what each reply says is true of the run's journal, and no request harms a run."""

from __future__ import annotations

import errno
import json
import threading
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nbflow as nf
from nbflow.core.codec import decode
from nbflow.core.inbox import MAX_PENDING
from nbflow.core.records import EventReceived
from nbflow.engine.host import Host
from nbflow.http import intake, post
from nbflow.http.endpoint import Endpoint
from nbflow.storage import values
from tests.engine.test_trouble import Disk, disk
from tests.engine.tools import Gate, finish, script, until
from tests.http import senders
from tests.http.senders import send

__all__ = ["disk"]


@nf.task
def join(*parts: Any) -> str:
    return " ".join(map(str, parts))


def started(dag: Any, workflow_id: str = "run") -> nf.Run:
    """Start a run and return it when a wait of it is open."""
    run = nf.run_async(dag, workflow_id=workflow_id)
    until(lambda: run.state.waiting)
    return run


def received(host: Host, workflow_id: str) -> list[str]:
    """Return the ids of the events in a journal, in order."""
    records = [decode(wire) for wire in host.storage.read_run(workflow_id)]
    return [record.event_id for record in records if isinstance(record, EventReceived)]


def test_a_good_event_is_in_the_journal_when_the_client_hears_so(endpoint: Endpoint, host: Host) -> None:
    run = started(nf.wait_for_event(nf.HTTPListener, event_key="go"))
    answer = send(endpoint, "run", "go", {"by": ["ana", 1.5, None]}, "first")
    assert answer.status == 200
    assert answer.json == {"status": "delivered", "event_id": "first", "node": "HTTPListener"}
    assert received(host, "run") == ["first"]
    assert run.result(10) == {"by": ["ana", 1.5, None]}


def test_an_id_counts_once_also_when_the_first_answer_was_lost(endpoint: Endpoint, host: Host) -> None:
    started(join.bind(nf.wait_for_event("go"), nf.wait_for_event("go")))
    assert send(endpoint, "run", "go", 1, "one").json["status"] == "delivered"
    assert send(endpoint, "run", "go", 1, "one").json == {"status": "duplicate", "event_id": "one"}
    assert received(host, "run") == ["one"]


def test_the_same_key_in_two_runs_and_twice_in_one(endpoint: Endpoint) -> None:
    both = [started(nf.wait_for_event("go"), name) for name in ("a", "b")]
    assert [send(endpoint, name, "go", name).status for name in ("b", "a")] == [200, 200]
    assert [run.result(10) for run in both] == ["a", "b"]
    twice = started(join.bind(nf.wait_for_event("go"), nf.wait_for_event("go")), "twice")
    assert [send(endpoint, "twice", "go", n).status for n in (1, 2)] == [200, 200]
    assert twice.result(10) == "1 2"


def test_an_early_event_for_a_declared_key_is_kept(endpoint: Endpoint) -> None:
    gate = Gate()
    first = nf.task(gate.wait, name="first").bind()
    second = nf.wait_for_event(nf.HTTPListener, "go")
    late = nf.wait_for_event(nf.HTTPListener, event_key=nf.task(lambda _: "computed", name="name").bind(first))
    run = nf.run_async(join.bind(second, late), workflow_id="run")
    gate.reached()
    assert send(endpoint, "run", "computed", "early").json["status"] == "queued"
    gate.open.set()
    assert send(endpoint, "run", "go", "in time").status == 200
    assert run.result(10) == "in time early"


def test_a_late_event_is_told_so(endpoint: Endpoint, host: Host) -> None:
    run = started(nf.wait_for_event("go"))
    send(endpoint, "run", "go", 1)
    run.result(10)
    answer = send(endpoint, "run", "go", 2)
    assert answer.status == 410 and answer.json["workflow_status"] == "SUCCESSFUL"
    assert len(received(host, "run")) == 1


def test_a_second_event_for_a_key_that_has_its_event_is_told_so(endpoint: Endpoint) -> None:
    run = started(join.bind(nf.wait_for_event("one"), nf.wait_for_event("two")))
    assert send(endpoint, "run", "one", 1).status == 200
    assert send(endpoint, "run", "one", 2).status == 409
    assert send(endpoint, "run", "three", 3).status == 404
    assert send(endpoint, "run", "two", 2).status == 200
    assert run.result(10) == "1 2"


def test_a_wrong_key_and_a_wrong_run_are_not_there(endpoint: Endpoint) -> None:
    run = started(nf.wait_for_event("go"))
    assert send(endpoint, "run", "went", 1).status == 404
    assert send(endpoint, "ran", "go", 1).status == 404
    assert send(endpoint, "../run", "go", 1).status == 404
    run.send("go")


def test_a_reserved_key_is_refused(endpoint: Endpoint) -> None:
    run = started(nf.wait_for_event("go"))
    assert send(endpoint, "run", "nbflow:cancel", 1).status in (404, 422)
    assert run.status == "RUNNING"


def test_a_run_with_any_id_can_be_reached(endpoint: Endpoint) -> None:
    for name in ("a/b c", "né", "a%2Fb", "?x=1#y", "..", "q" * 255):
        run = started(nf.wait_for_event("go"), name)
        assert send(endpoint, name, "go", 1).status == 200, name
        assert run.result(10) == 1


@pytest.mark.parametrize(
    ("body", "headers", "status", "said"),
    [
        (b"", {}, 400, "no JSON"),
        (b"{", {}, 400, "no JSON"),
        (b"\xff\xfe", {}, 400, "no JSON"),
        (b"[1]", {}, 400, "no JSON object"),
        (b'{"event_payload": 1}', {}, 400, "'event_key' field is not found in the request JSON"),
        (b'{"event_key": "go"}', {}, 400, "'event_payload' field is not found in the request JSON"),
        (b'{"event_key": 1, "event_payload": 1}', {}, 400, "'event_key' is no text"),
        (b'{"event_key": "", "event_payload": 1}', {}, 400, "'event_key' is no text"),
        (b'{"event_key": "\\ud800", "event_payload": 1}', {}, 400, "surrogate"),
        (b'{"event_key": "go", "event_payload": 1, "event_id": 5}', {}, 400, "'event_id' is no text"),
        (b'{"event_key": "go", "event_payload": NaN}', {}, 400, "NaN"),
        (b'{"event_key": "go", "event_payload": 1e999}', {}, 400, "no JSON"),
        (b'{"event_key": "go", "event_payload": ' + b"9" * 5000 + b"}", {}, 400, "no JSON"),
        (b'{"event_key": "go", "event_payload": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", {}, 400, "too deep"),
        (b"{}", {"Content_Type": "text/plain"}, 415, "text/plain"),
        (b"{}", {"Content_Type": "application/x-www-form-urlencoded"}, 415, "urlencoded"),
        (b"{}", {"Content_Encoding": "gzip"}, 415, "gzip"),
        (b" " * (post.LARGEST + 1), {}, 413, "bytes"),
        (b"{}", {"Content_Length": str(1 << 40)}, 413, "bytes"),
    ],
)  # fmt: skip
def test_a_bad_body_is_refused_and_harms_nothing(
    body: bytes, headers: dict[str, str], status: int, said: str, endpoint: Endpoint
) -> None:
    run = started(nf.wait_for_event("go"))
    answer = senders.post(endpoint.event_url("run"), body, endpoint.token, **headers)
    assert answer.status == status and said in answer.json["error"] and answer.json["do"]
    assert send(endpoint, "run", "go", "fine").status == 200
    assert run.result(10) == "fine"


@pytest.mark.parametrize(("size", "status"), [(100, b"404"), (post.LARGEST + 1, b"413")])
def test_a_body_of_unknown_length_is_counted(size: int, status: bytes, endpoint: Endpoint) -> None:
    head = (
        f"POST /event/send_event/none HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {endpoint.token}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
    body = json.dumps({"event_key": "go", "event_payload": ""}).encode().ljust(size)
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    answer = senders.raw(endpoint, head.encode() + chunks, hang_up=False)
    assert answer.split()[1] == status


def test_a_connection_outlives_a_refusal(endpoint: Endpoint) -> None:
    started(nf.wait_for_event("go"))
    connection = HTTPConnection("127.0.0.1", endpoint.port, timeout=20)
    body = json.dumps({"event_key": "go", "event_payload": 1})
    for token, kind, status in (("no", "application/json", 401), (endpoint.token, "text/plain", 415),
                                (endpoint.token, "application/json", 200)):  # fmt: skip
        headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
        connection.request("POST", "/event/send_event/run", body, headers)
        with connection.getresponse() as answer:
            assert answer.status == status
            answer.read()
    connection.close()


def test_a_body_of_just_the_limit_is_taken(endpoint: Endpoint) -> None:
    run = started(nf.wait_for_event("go"))
    frame = len(json.dumps({"event_key": "go", "event_payload": ""}))
    text = "x" * (post.LARGEST - frame)
    assert send(endpoint, "run", "go", text).status == 200
    assert run.result(10) == text


def test_a_payload_that_does_not_fit_the_question_is_refused_and_the_decision_stands(endpoint: Endpoint) -> None:
    def fields(share: int) -> None: ...

    form = nf.wait_for_event(nf.FormListener, "Release?", fields, options=["approve", "reject"])
    gate = Gate()
    run = started(join.bind(form, nf.task(gate.wait, name="gate").bind()))
    (question,) = run.questions
    for wrong in ("maybe", {"option": "approve"}, {"option": "approve", "values": {"share": "x"}}, 5, None, []):
        answer = send(endpoint, "run", question, wrong)
        assert answer.status == 422 and answer.json["do"]
    good = {"option": "approve", "values": {"share": 3}, "by": "ana"}
    assert send(endpoint, "run", "Release?", good).status == 200
    late = send(endpoint, "run", question, {"option": "reject"})
    assert late.status == 409
    assert late.json["decision"]["option"] == "approve" and late.json["decision"]["by"] == "ana"
    gate.open.set()
    assert run.result(10).startswith("approve")


def test_a_full_inbox_is_told_to_wait(endpoint: Endpoint, host: Host) -> None:
    gate = Gate()
    run = nf.run_async(join.bind(nf.task(gate.wait, name="gate").bind(), nf.wait_for_event("go")), workflow_id="run")
    for n in range(MAX_PENDING):
        run.send("other", n)
    assert send(endpoint, "run", "other", 1).status == 429
    gate.open.set()
    run.cancel()


def test_who_does_not_wait_is_told_that_it_is_stored(endpoint: Endpoint) -> None:
    run = started(nf.wait_for_event("go"))
    answer = send(endpoint, "run", "go", 5, "five", wait=0)
    assert answer.status == 202 and answer.json["event_id"] == "five"
    assert run.result(10) == 5


@pytest.mark.parametrize("wait", ["x", "-1", "nan", "inf", "1e9"])
def test_a_time_to_wait_that_is_none_is_refused(wait: str, endpoint: Endpoint) -> None:
    url = f"{endpoint.event_url('run')}?wait={wait}"
    assert senders.post(url, {"event_key": "go", "event_payload": 1}, endpoint.token).status == 400


def test_an_engine_that_does_not_answer_gets_the_event_later_and_once(endpoint: Endpoint, host: Host) -> None:
    run = started(nf.wait_for_event("go"))
    free, stuck = threading.Event(), threading.Event()

    def stick() -> None:
        stuck.set()
        free.wait(20)

    host.engine.post(stick)
    assert stuck.wait(10)
    answer = send(endpoint, "run", "go", 1, "once", wait=0.2)
    free.set()
    assert answer.status == 504 and "It is stored" in answer.json["error"]
    assert run.result(10) == 1
    assert received(host, "run") == ["once"]


def test_a_run_that_nobody_runs_keeps_the_event_for_its_next_owner(endpoint: Endpoint, host: Host) -> None:
    run = started(nf.wait_for_event("go"))
    run.detach()
    answer = send(endpoint, "run", "go", "kept", "k")
    assert answer.status == 202 and "resumed" in answer.json["reason"]
    assert received(host, "run") == []
    assert nf.resume("run") == "kept"
    assert send(endpoint, "run", "go", "kept", "k").json["status"] == "duplicate"


def test_a_run_of_another_process_is_answered_when_its_journal_has_the_event(endpoint: Endpoint, folder: Path) -> None:
    owner = script("""
        import sys
        import nbflow as nf
        nf.init(storage=sys.argv[1])
        run = nf.run_async(nf.wait_for_event("go"), workflow_id="theirs")
        print("up", flush=True)
        print(run.result(), flush=True)
        nf.shutdown()
    """, folder)  # fmt: skip
    assert owner.stdout is not None and owner.stdout.readline() == "up\n"
    assert send(endpoint, "theirs", "no", 1).status == 404
    answer = send(endpoint, "theirs", "go", "hello", "one")
    assert answer.status == 200 and answer.json["status"] == "delivered"
    assert "hello" in finish(owner)
    assert send(endpoint, "theirs", "go", "hello").status == 410


def test_an_owner_that_is_silent_is_told_so_and_has_the_event_later(endpoint: Endpoint, folder: Path) -> None:
    owner = script("""
        import sys, time, os, signal
        import nbflow as nf
        nf.init(storage=sys.argv[1])
        run = nf.run_async(nf.wait_for_event("go"), workflow_id="theirs")
        while not run.state.waiting:
            time.sleep(0.01)
        print("up", flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
        print(run.result(), flush=True)
        nf.shutdown()
    """, folder)  # fmt: skip
    assert owner.stdout is not None and owner.stdout.readline() == "up\n"
    stopped = Path(f"/proc/{owner.pid}/stat")
    until(lambda: stopped.read_text().rpartition(")")[2].split()[0] == "T")
    answer = send(endpoint, "theirs", "go", "hello", "one", wait=0.3)
    assert answer.status == 504 and "It is stored" in answer.json["error"]
    owner.send_signal(18)
    assert "hello" in finish(owner)


def test_a_full_disk_says_507_at_once_and_takes_the_event_when_there_is_room(disk: Disk) -> None:
    endpoint = nf.serve()
    run = started(nf.wait_for_event("go"))
    disk.refuses = errno.ENOSPC
    answer = send(endpoint, "run", "go", 1, "again")
    assert answer.status == 507 and "again" in answer.json["do"] and answer.headers["Retry-After"]
    assert send(endpoint, "run", "go", 1, "again").status == 507
    disk.refuses = 0
    assert until(lambda: send(endpoint, "run", "go", 1, "again").status != 507)
    assert run.result(10) == 1


def test_a_full_disk_says_507_for_a_run_that_nobody_runs(disk: Disk) -> None:
    endpoint = nf.serve()
    run = started(nf.wait_for_event("go"))
    run.detach()
    disk.refuses = errno.ENOSPC
    assert send(endpoint, "run", "go", 1).status == 507
    disk.refuses = 0
    assert send(endpoint, "run", "go", 2).status == 202
    assert nf.resume("run") == 2


def test_a_fault_of_ours_is_a_500_and_the_next_request_works(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = started(nf.wait_for_event("go"))

    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(intake, "refused_at_once", broken)
        answer = send(endpoint, "run", "go", 1)
    assert answer.status == 500 and "a bug" not in answer.text
    assert send(endpoint, "run", "go", 1).status == 200
    assert run.result(10) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda kids: st.lists(kids, max_size=4) | st.dictionaries(st.text(max_size=8), kids, max_size=4),
    max_leaves=12,
)  # fmt: skip
HURRIED = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@nf.task
def grow(*_: Any) -> Any:
    return nf.continuation(join.bind(nf.wait_for_event("later")))


@HURRIED
@given(payload=JSON, name=st.text(min_size=1, max_size=12))
def test_any_json_comes_through_as_it_was_sent(payload: Any, name: str, endpoint: Endpoint, host: Host) -> None:
    if "run" not in host.runners:
        started(grow.bind(nf.wait_for_event("never")))
    answer = send(endpoint, "run", "any " + name, payload)
    assert answer.status == 200 and answer.json["status"] == "queued"
    runner = host.runners["run"]
    (kept,) = (event for event in runner.state.inbox.waiting() if event.event_id == answer.json["event_id"])
    value = values.decode(kept.payload, runner.blobs)
    assert kept.key == "any " + name
    assert json.dumps(value) == json.dumps(payload)


def test_a_run_that_may_grow_keeps_any_event(endpoint: Endpoint) -> None:
    run = started(grow.bind(nf.wait_for_event("go")))
    assert send(endpoint, "run", "later", "early").json["status"] == "queued"
    assert send(endpoint, "run", "go", 1).status == 200
    assert run.result(10) == "early"


@HURRIED
@given(
    body=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()),
    path=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30),
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"]),
)
def test_no_request_brings_the_endpoint_down(
    body: bytes, path: str, method: str, endpoint: Endpoint, host: Host
) -> None:
    if "run" not in host.runners:
        started(nf.wait_for_event("go"))
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {endpoint.token}"}
    for where in (f"/event/send_event/{path}", "/event/send_event/run", f"/q/{path}", f"/q/{path}/answer", f"/{path}"):
        answer = senders.request(method, endpoint.url + where, body, headers)
        assert 300 <= answer.status < 500 or answer.json["status"] == "delivered"
    assert host.runners["run"].state.live


@HURRIED
@given(noise=st.binary(min_size=1, max_size=300))
def test_no_noise_on_the_line_brings_the_endpoint_down(noise: bytes, endpoint: Endpoint) -> None:
    senders.raw(endpoint, noise + b"\r\n\r\n")
    assert senders.get(endpoint.url).status == 404
