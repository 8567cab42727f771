"""The endpoint: where it listens, who may ask, how it starts by itself and ends."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import nbflow as nf
from nbflow.engine.host import Host
from nbflow.errors import StorageError
from nbflow.http import key
from nbflow.http.endpoint import Endpoint
from nbflow.storage.folder import FolderStorage
from nbflow.storage.memory import MemoryStorage
from tests.engine.tools import ROOT, finish, script, until
from tests.http import senders

EVENT = {"event_key": "go", "event_payload": 1}


def waiting(workflow_id: str = "waits") -> nf.Run:
    """Start a run that waits for ``go``."""
    run = nf.run_async(nf.wait_for_event("go"), workflow_id=workflow_id)
    until(lambda: run.state.waiting)
    return run


def test_an_endpoint_is_on_this_machine_only_and_shows_no_token(endpoint: Endpoint) -> None:
    assert endpoint.url == f"http://127.0.0.1:{endpoint.port}"
    assert endpoint.token not in repr(endpoint) and endpoint.url in repr(endpoint)


def test_where_nobody_can_listen_it_is_said_what_else_to_give(endpoint: Endpoint) -> None:
    host = nf.home.default_host()
    with pytest.raises(OSError, match=rf"port {endpoint.port} of 127.0.0.1: .*Give another port, or 0 for a free one"):
        Endpoint(host, endpoint.port)
    with pytest.raises(ValueError, match="port must be a number up to 65535, or 0 for a free one, not 99999"):
        Endpoint(host, 99999)


def test_the_token_is_256_bits_in_a_file_of_its_owner_and_outlives_a_restart(endpoint: Endpoint, folder: Path) -> None:
    file = folder / key.FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(endpoint.token) == 43 and file.read_text() == endpoint.token
    endpoint.close()
    again = nf.serve()
    assert again is not endpoint and again.token == endpoint.token
    assert "closed" in repr(endpoint)


def test_two_processes_that_serve_one_storage_have_one_token(folder: Path) -> None:
    code = """
        import sys
        from nbflow.http.key import token_of
        from nbflow.storage.folder import FolderStorage
        print(token_of(FolderStorage(sys.argv[1])))
    """
    programs = [script(code, folder) for _ in range(3)]
    assert len({finish(program) for program in programs}) == 1


@pytest.mark.parametrize("spoil", ["open to others", "no token"])
def test_a_token_that_others_know_or_that_is_none_is_not_used(spoil: str, folder: Path) -> None:
    storage = FolderStorage(folder)
    key.token_of(storage)
    if spoil == "no token":
        (folder / key.FILE).write_text("")
    else:
        os.chmod(folder / key.FILE, 0o644)
    with pytest.raises(StorageError, match="remove"):
        key.token_of(storage)


def test_a_storage_in_memory_has_a_token_of_its_own_each_time() -> None:
    storage = MemoryStorage()
    assert key.token_of(storage) != key.token_of(storage)


@pytest.mark.parametrize("wrong", [None, "", "x", "é", "A" * 43])
def test_without_the_token_nothing_is_told_or_taken(wrong: str | None, endpoint: Endpoint) -> None:
    run = waiting()
    headers = {} if wrong is None else {"Authorization": f"Bearer {wrong}"}
    told = [senders.post(endpoint.event_url(name), EVENT, **headers) for name in ("waits", "not there")]
    assert [answer.status for answer in told] == [401, 401]
    assert told[0].content == told[1].content
    assert told[0].headers["WWW-Authenticate"] == "Bearer"
    assert run.status == "RUNNING" and not run.state.inbox.waiting()


def test_the_token_counts_in_the_header_only(endpoint: Endpoint) -> None:
    waiting()
    assert senders.post(f"{endpoint.event_url('waits')}?token={endpoint.token}", EVENT).status == 401
    assert senders.post(endpoint.event_url("waits"), EVENT, Cookie=f"token={endpoint.token}").status == 401


def test_who_guesses_tokens_is_slowed_and_nobody_else(endpoint: Endpoint) -> None:
    waiting()
    guesses = [senders.post(endpoint.event_url("waits"), EVENT, f"{n:043}").status for n in range(40)]
    assert guesses[0] == 401 and guesses[-1] == 429
    assert senders.send(endpoint, "waits", "go", 1).status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "localhost:1"}, 200),
        ({"Host": "[::1]"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "192.168.1.5"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "localhost:1", "Origin": "http://localhost:1"}, 200),
        ({"Host": "localhost:1", "Origin": "http://localhost:2"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
def test_no_foreign_page_gets_in(headers: dict[str, str], status: int, endpoint: Endpoint) -> None:
    run = waiting()
    assert senders.post(endpoint.event_url("waits"), EVENT, endpoint.token, **headers).status == status
    assert (run.status == "RUNNING") == (status == 403) or run.result(10) == 1


def test_a_host_or_a_public_address_can_be_allowed(host: Host) -> None:
    with nf.serve(hosts=["flows.example"], public_url="https://open.example/flows/") as endpoint:
        run = waiting()
        url = f"http://127.0.0.1:{endpoint.port}/event/send_event/waits"
        for name, status in (("flows.example", 404), ("open.example", 404), ("evil.example", 403)):
            assert senders.post(url, {**EVENT, "event_key": "no"}, endpoint.token, Host=name).status == status
        proxied = {"Host": "127.0.0.1", "Origin": "https://open.example"}
        assert senders.post(url, EVENT, endpoint.token, **proxied).status == 200
        assert run.result(10) == 1
        assert endpoint.url == "https://open.example/flows"


def test_too_many_requests_are_told_to_wait(host: Host) -> None:
    with nf.serve(rate=5) as endpoint:
        told = [senders.send(endpoint, "none", "go", 1) for _ in range(30)]
    assert told[0].status == 404
    assert told[-1].status == 429 and told[-1].headers["Retry-After"]


def test_what_is_not_there_is_said_in_json(endpoint: Endpoint) -> None:
    for method, path, status in (("GET", "/", 404), ("GET", "/event/send_event/x", 401), ("PUT", "/q/x", 405)):
        answer = senders.request(method, endpoint.url + path)
        assert answer.status == status and answer.json["error"] and answer.json["do"]
        assert answer.headers["Cache-Control"] == "no-store" and "ornado" not in str(answer.headers)


def test_serve_gives_the_endpoint_that_runs_and_refuses_another(endpoint: Endpoint) -> None:
    assert nf.serve() is endpoint
    assert nf.serve(port=endpoint.port) is endpoint
    with pytest.raises(ValueError, match=r"runs already.*close\(\) it first"):
        nf.serve(rate=1)


def test_a_port_that_is_taken_is_said_and_the_next_one_works(endpoint: Endpoint) -> None:
    port = endpoint.port
    other = subprocess.run(
        [sys.executable, "-c", f"import nbflow as nf; nf.init(storage='memory://'); nf.serve(port={port})"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert "Address already in use" in other.stderr


def test_close_ends_its_thread_and_can_be_called_twice(endpoint: Endpoint) -> None:
    endpoint.close()
    endpoint.close()
    assert not [t for t in threading.enumerate() if t.name == "nbflow-http"]
    with pytest.raises(OSError):
        senders.get(endpoint.url)


def test_shutdown_closes_the_endpoint(host: Host) -> None:
    endpoint = nf.serve()
    nf.shutdown()
    assert not endpoint.open


def test_a_run_with_an_http_listener_opens_the_door_by_itself_and_one_line_says_where(folder: Path) -> None:
    nf.shutdown()
    out = finish(script("""
        import sys, threading
        import nbflow as nf
        nf.init(storage=sys.argv[1])
        nf.run_async(nf.wait_for_event("other"), workflow_id="other")
        assert not [t for t in threading.enumerate() if t.name == "nbflow-http"]
        runs = [nf.run_async(nf.wait_for_event(nf.HTTPListener, event_key="go")) for _ in range(3)]
        assert [t for t in threading.enumerate() if t.name == "nbflow-http"]
        endpoint = nf.serve()
        print(endpoint.url)
        nf.shutdown()
    """, folder))  # fmt: skip
    said, url = sorted(out.splitlines(), key=len, reverse=True)
    assert said == (
        f"nbflow takes events over HTTP at {url}/event/send_event/<workflow_id>; nbflow.serve().token is the token."
    )


def test_a_listener_in_a_continuation_opens_it_too(host: Host) -> None:
    @nf.task
    def grow() -> object:
        return nf.continuation(nf.wait_for_event(nf.HTTPListener, event_key="go"))

    run = nf.run_async(grow.bind(), workflow_id="grows")
    until(lambda: host.link_to)
    assert senders.send(nf.serve(), "grows", "go", "in there").status == 200
    assert run.result(10) == "in there"


def test_an_endpoint_that_cannot_start_keeps_no_run_from_going(host: Host, folder: Path) -> None:
    host.storage.check_writable()
    (folder / key.FILE).write_text("no token")
    run = nf.run_async(nf.wait_for_event(nf.HTTPListener, event_key="go"))
    until(lambda: run._runner().notices)
    assert "No HTTP endpoint could be started" in run._runner().notices[0]
    assert run.send("go", 7) and run.result(10) == 7


def test_it_can_be_kept_from_starting_by_itself(folder: Path) -> None:
    nf.shutdown()
    finish(script("""
        import sys, threading
        import nbflow as nf
        nf.init(storage=sys.argv[1])
        run = nf.run_async(nf.wait_for_event(nf.HTTPListener, event_key="go"))
        assert run.send("go", 1) and run.result() == 1
        assert not [t for t in threading.enumerate() if t.name == "nbflow-http"]
        assert "tornado" not in sys.modules
        nf.shutdown()
    """, folder, NBFLOW_HTTP="off"))  # fmt: skip
