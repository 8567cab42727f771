"""A Redis stream: each message comes once into one journal, whatever dies between the read and the acknowledgement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.errors import WorkflowExecutionError
from nbflow.listeners import RedisStreamListener
from tests.engine.tools import finish, kill_at, script, until
from tests.listeners.brokers import RedisServer

pytestmark = pytest.mark.redis


def message(server: RedisServer, **settings: Any) -> Any:
    return nf.wait_for_event(RedisStreamListener, "orders", server.url, **settings)


def test_a_message_is_the_value_and_is_acknowledged_when_the_run_has_it(redis_server: RedisServer) -> None:
    run = nf.run_async(message(redis_server), workflow_id="w")
    until(lambda: redis_server.readers("orders"))
    identity = redis_server.add("orders", sku="a-1", raw=b"\xff\x00")
    assert run.result(20) == {"stream": "orders", "id": identity, "fields": {"sku": "a-1", "raw": b"\xff\x00"}}
    assert redis_server.pending("orders") == 0


def test_waits_of_one_group_get_different_messages_and_each_group_gets_all(redis_server: RedisServer) -> None:
    for number in range(4):
        redis_server.add("orders", n=number)
    shared = [message(redis_server) for _ in range(4)]
    other = message(redis_server, group="audit")
    *found, audited = nf.run([*shared, other])
    assert sorted(each["fields"]["n"] for each in found) == ["0", "1", "2", "3"]
    assert audited["fields"]["n"] == "0"


def test_a_group_may_begin_with_what_is_new(redis_server: RedisServer) -> None:
    redis_server.add("orders", n="old")
    run = nf.run_async(message(redis_server, start="$"))
    until(lambda: redis_server.readers("orders"))
    redis_server.add("orders", n="new")
    assert run.result(20)["fields"] == {"n": "new"}


CRASH = """
import sys, asyncio, nbflow as nf
from nbflow.listeners import RedisStreamListener
nf.init(storage=sys.argv[1])
point = sys.argv[3]
class Dies(RedisStreamListener):
    async def poll_for_event(self, *args, **kwargs):
        found = await super().poll_for_event(*args, **kwargs)
        if point == "read": print("HERE", flush=True); await asyncio.sleep(60)
        if point != "none": return found
        print("polled", flush=True)
        return found
    async def event_checkpointed(self, event):
        if point == "durable": print("HERE", flush=True); await asyncio.sleep(60)
        await super().event_checkpointed(event)
        if point == "committed": print("HERE", flush=True); await asyncio.sleep(60)
        print("told", flush=True)
print("got", nf.run(nf.wait_for_event(Dies, "orders", sys.argv[2]), workflow_id="w")["fields"])
"""


@pytest.mark.crash
@pytest.mark.parametrize(
    ("point", "pending", "later"),
    [("read", 1, "polled\ntold\n"), ("durable", 1, "told\n"), ("committed", 0, "told\n")],
)
def test_a_message_comes_once_whatever_dies_in_between(
    point: str, pending: int, later: str, redis_server: RedisServer, folder: Path
) -> None:
    for number in range(2):
        redis_server.add("orders", n=number)
    kill_at(script(CRASH, folder, redis_server.url, point), "HERE")
    assert redis_server.pending("orders") == pending
    assert finish(script(CRASH, folder, redis_server.url, "none")) == later + "got {'n': '0'}\n"
    assert redis_server.pending("orders") == 0
    assert nf.run(message(redis_server))["fields"] == {"n": "1"}


def test_a_message_of_a_wait_that_will_never_go_on_can_be_taken_over(redis_server: RedisServer) -> None:
    redis_server.add("orders", n=1)
    client = redis_server.client()
    client.xgroup_create("orders", "nbflow", "0")
    client.xreadgroup("nbflow", "deleted/run", {"orders": ">"})
    assert nf.run(message(redis_server, claim_after=0))["fields"] == {"n": "1"}
    assert redis_server.pending("orders") == 0


def test_a_message_that_was_deleted_before_it_was_recorded_is_not_waited_for(redis_server: RedisServer) -> None:
    identity = redis_server.add("orders", n=1)
    client = redis_server.client()
    client.xgroup_create("orders", "nbflow", "0")
    client.xreadgroup("nbflow", "w/RedisStreamListener", {"orders": ">"})
    client.xdel("orders", identity)
    redis_server.add("orders", n=2)
    assert nf.run(message(redis_server), workflow_id="w")["fields"] == {"n": "2"}


def test_a_stream_that_is_deleted_is_waited_for_anew(redis_server: RedisServer) -> None:
    run = nf.run_async(message(redis_server))
    until(lambda: redis_server.readers("orders"))
    redis_server.client().delete("orders")
    redis_server.add("orders", n=1)
    assert run.result(20)["fields"] == {"n": "1"}


def test_a_server_that_is_away_for_a_moment_is_waited_for(redis_server: RedisServer) -> None:
    run = nf.run_async(message(redis_server))
    until(lambda: redis_server.readers("orders"))
    redis_server.stop()
    redis_server.start()
    redis_server.add("orders", n=1)
    assert run.result(20)["fields"] == {"n": "1"}


def test_a_server_that_stays_away_fails_the_wait_and_resume_goes_on(redis_server: RedisServer) -> None:
    redis_server.stop()
    with pytest.raises(WorkflowExecutionError, match=r"redis\.sock"):
        nf.run(message(redis_server, patience=0.1), workflow_id="w")
    redis_server.start()
    redis_server.add("orders", n=1)
    assert nf.resume("w")["fields"] == {"n": "1"}


def test_an_address_with_a_password_is_refused_and_one_by_name_is_not_stored(
    redis_server: RedisServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="env:REDIS_URL"):
        nf.wait_for_event(RedisStreamListener, "orders", "redis://:secret@localhost")
    monkeypatch.setenv("ORDERS_URL", redis_server.url)
    redis_server.add("orders", n=1)
    wait = nf.wait_for_event(RedisStreamListener, "orders", url="env:ORDERS_URL")
    assert nf.run(wait, workflow_id="w")["fields"] == {"n": "1"}
    stored = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert str(redis_server.socket).encode() not in stored
    monkeypatch.delenv("ORDERS_URL")
    with pytest.raises(WorkflowExecutionError, match="ORDERS_URL"):
        nf.run(wait, workflow_id="x")


def test_a_wait_that_lost_leaves_the_stream_to_the_next(redis_server: RedisServer) -> None:
    first = nf.run(nf.any_of(message(redis_server), nf.sleep(0.2)))
    assert first.index == 1
    redis_server.add("orders", n=1)
    assert nf.run(message(redis_server))["fields"] == {"n": "1"}
