"""Ray Workflows, rows C186 to C198: events over HTTP."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.core.codec import decode
from nbflow.core.records import EventReceived
from nbflow.engine.host import Host
from nbflow.errors import WorkflowError
from tests.engine.tools import finish, kill_at, script, until


@nf.task
def join(*parts: Any) -> str:
    return " ".join(map(str, parts))


def post(workflow_id: str, **fields: Any) -> tuple[int, Any]:
    """Post to the route that Ray has, as its clients do, and return the status and the JSON."""
    endpoint = nf.serve()
    request = urllib.request.Request(
        f"{endpoint.url}/event/send_event/{workflow_id}",
        fields.pop("body", None) or json.dumps(fields).encode(),
        {"Authorization": f"Bearer {endpoint.token}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def started(dag: Any, workflow_id: str = "wid") -> nf.Run:
    return at_its_wait(nf.run_async(dag, workflow_id=workflow_id))


def at_its_wait(run: nf.Run) -> nf.Run:
    until(lambda: run.state.waiting)
    return run


@pytest.mark.parametrize("grown", [False, True])
def test_C186_the_value_of_an_http_event_is_its_payload(grown: bool) -> None:
    @nf.task
    def grow() -> Any:
        return nf.continuation(nf.wait_for_event(nf.HTTPListener, event_key="event_key"))

    run = started(grow.bind() if grown else nf.wait_for_event(nf.HTTPListener, event_key="event_key"))
    assert post("wid", event_key="event_key", event_payload={"x": [1]})[0] == 200
    assert run.result(10) == {"x": [1]}


def test_C187_two_keys_in_one_workflow() -> None:
    run = started(join.bind(*(nf.wait_for_event(nf.HTTPListener, event_key=key) for key in ("e1", "e2"))))
    assert post("wid", event_key="e2", event_payload="world")[0] == 200
    assert post("wid", event_key="e1", event_payload="hello")[0] == 200
    assert run.result(10) == "hello world"


def test_C188_200_is_said_only_when_the_event_is_checkpointed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    started(nf.wait_for_event(nf.HTTPListener, event_key="go"))
    journal = host.runners["wid"].journal
    append, gate, syncing = journal.append, threading.Event(), threading.Event()

    def slowly(records: Any) -> None:
        syncing.set()
        assert gate.wait(20)
        append(records)

    monkeypatch.setattr(journal, "append", slowly)
    said: list[int] = []
    client = threading.Thread(target=lambda: said.append(post("wid", event_key="go", event_payload=1)[0]))
    client.start()
    assert syncing.wait(20)
    assert not said
    gate.set()
    client.join(20)
    assert said == [200]
    assert any(isinstance(decode(wire), EventReceived) for wire in host.storage.read_run("wid"))


def test_C188_an_event_that_could_not_be_handled_is_a_500(monkeypatch: pytest.MonkeyPatch) -> None:
    run = started(nf.wait_for_event(nf.HTTPListener, event_key="go"))

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr("nbflow.engine.events.deliver", broken)
        assert post("wid", event_key="go", event_payload=1)[0] == 500
    assert post("wid", event_key="go", event_payload=1)[0] == 200
    assert run.result(10) == 1


def test_C189_an_event_before_its_wait_is_kept() -> None:
    gate = threading.Event()
    first = nf.task(lambda: gate.wait(20), name="first").bind()
    late = nf.task(lambda _: "go", name="key").bind(first)
    run = nf.run_async(nf.wait_for_event(nf.HTTPListener, event_key=late), workflow_id="wid")
    assert post("wid", event_key="go", event_payload="early")[0] == 200
    gate.set()
    assert run.result(10) == "early"


def test_C190_a_wrong_key_or_workflow_is_404_with_text() -> None:
    run = started(join.bind(nf.wait_for_event(nf.HTTPListener, event_key="go")))
    for workflow_id, key in (("wid", "went"), ("another", "go")):
        status, said = post(workflow_id, event_key=key, event_payload=1)
        assert status == 404 and said["error"]
    assert run.status == "RUNNING"
    assert post("wid", event_key="go", event_payload=1)[0] == 200


@pytest.mark.parametrize("field", ["event_key", "event_payload"])
def test_C191_a_missing_field_is_400_and_named(field: str) -> None:
    started(nf.wait_for_event(nf.HTTPListener, event_key="go"))
    fields = {"event_key": "go", "event_payload": 1}
    del fields[field]
    status, said = post("wid", **fields)
    assert status == 400 and said["error"] == f"'{field}' field is not found in the request JSON"


@pytest.mark.parametrize("body", [b"{", b"[1]", b"1", b'"text"'])
def test_C192_bad_json_is_the_clients_fault(body: bytes) -> None:
    run = started(nf.wait_for_event(nf.HTTPListener, event_key="go"))
    assert post("wid", body=body)[0] == 400
    assert post("wid", event_key="go", event_payload=1)[0] == 200
    assert run.result(10) == 1


def test_C192_a_second_post_for_a_key_harms_nothing() -> None:
    run = started(join.bind(*(nf.wait_for_event(nf.HTTPListener, event_key=key) for key in ("e1", "e2"))))
    assert post("wid", event_key="e1", event_payload="first")[0] == 200
    assert post("wid", event_key="e1", event_payload="second")[0] == 409
    assert post("wid", event_key="e2", event_payload="end")[0] == 200
    assert run.result(10) == "first end"


def test_C193_one_key_in_two_workflows_at_once() -> None:
    runs = [started(nf.wait_for_event(nf.HTTPListener, event_key="go"), name) for name in ("w1", "w2")]
    assert [post(name, event_key="go", event_payload=name)[0] for name in ("w2", "w1")] == [200, 200]
    assert [run.result(10) for run in runs] == ["w1", "w2"]


def test_C194_one_key_twice_in_one_workflow() -> None:
    run = started(join.bind(*(nf.wait_for_event(nf.HTTPListener, event_key="go") for _ in range(2))))
    assert [post("wid", event_key="go", event_payload=n)[0] for n in (1, 2)] == [200, 200]
    assert run.result(10) == "1 2"


def test_C195_without_a_key_the_id_of_the_node_is_the_key() -> None:
    run = started(nf.wait_for_event(nf.HTTPListener).options(task_id="approval"))
    assert post("wid", event_key="approval", event_payload="yes")[0] == 200
    assert run.result(10) == "yes"


def test_C196_a_run_that_stopped_and_goes_on_takes_its_events_from_the_same_endpoint() -> None:
    run = started(nf.wait_for_event(nf.HTTPListener, event_key="go"))
    endpoint = nf.serve()
    for _ in range(2):
        run.detach()
        run = at_its_wait(nf.resume_async("wid"))
    run.cancel()
    with pytest.raises(WorkflowError):
        nf.resume("wid")
    assert post("wid", event_key="go", event_payload=1)[0] == 410
    nf.delete("wid")
    again = started(nf.wait_for_event(nf.HTTPListener, event_key="go"))
    assert nf.serve() is endpoint
    assert post("wid", event_key="go", event_payload="again")[0] == 200
    assert again.result(10) == "again"


def test_C197_after_a_crash_before_the_checkpoint_the_next_message_is_the_value(folder: Path) -> None:
    code = """
        import os, sys, threading, time
        import nbflow as nf
        nf.init(storage=sys.argv[1])
        run = nf.run_async(nf.wait_for_event(nf.HTTPListener, event_key="go"), workflow_id="wid")
        while not run.state.waiting:
            time.sleep(0.01)
        journal = nf.home.default_host().runners["wid"].journal
        def die(records):
            print("dying", flush=True)
            threading.Event().wait()
        journal.append = die
        endpoint = nf.serve()
        import json, urllib.request
        event = json.dumps({"event_key": "go", "event_payload": "first_try"}).encode()
        headers = {"Authorization": f"Bearer {endpoint.token}", "Content-Type": "application/json"}
        urllib.request.urlopen(urllib.request.Request(endpoint.event_url("wid"), event, headers))
        print("answered", flush=True)
    """
    kill_at(script(code, folder), "dying")
    run = nf.resume_async("wid")
    until(lambda: run.state.waiting)
    assert post("wid", event_key="go", event_payload="second_try")[0] == 200
    assert run.result(10) == "second_try"


def test_C198_nothing_has_to_be_started_before_init(folder: Path) -> None:
    nf.shutdown()
    out = finish(script("""
        import json, sys, urllib.request
        import nbflow as nf
        nf.init(storage=sys.argv[1])
        run = nf.run_async(nf.wait_for_event(nf.HTTPListener, event_key="go"), workflow_id="wid")
        endpoint = nf.serve()
        event = json.dumps({"event_key": "go", "event_payload": "yes"}).encode()
        headers = {"Authorization": f"Bearer {endpoint.token}", "Content-Type": "application/json"}
        urllib.request.urlopen(urllib.request.Request(endpoint.event_url("wid"), event, headers)).close()
        print("value:", run.result())
        nf.shutdown()
    """, folder))  # fmt: skip
    assert "value: yes" in out and "nbflow takes events over HTTP at http://127.0.0.1:" in out
