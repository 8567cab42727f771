"""A Kafka topic: the offset of the group moves after the record is durable, so no record is lost and none comes twice.

The broker is the one inside librdkafka, which speaks Kafka's protocol on a socket; the client is aiokafka, which knows
nothing of it. What only a cluster does (elections, rebalancing, retention, security) is not shown here.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.errors import WorkflowExecutionError
from nbflow.listeners import KafkaListener
from tests.engine.tools import finish, kill_at, script
from tests.listeners.brokers import KafkaBroker


@pytest.fixture
def topic() -> str:
    return f"orders-{uuid.uuid4().hex[:8]}"


def record(broker: KafkaBroker, topic: str, **settings: Any) -> Any:
    return nf.wait_for_event(KafkaListener, topic, broker.servers, **settings)


def test_a_record_is_the_value_and_its_offset_is_committed(kafka_broker: KafkaBroker, topic: str) -> None:
    kafka_broker.add(topic, b"first", key=b"k", headers=[("trace", b"7")])
    found = nf.run(record(kafka_broker, topic), workflow_id=topic)
    assert found.pop("timestamp") > 0
    assert found == {
        "topic": topic, "partition": 0, "offset": 0, "key": "k", "value": "first", "headers": {"trace": "7"},
    }  # fmt: skip
    assert kafka_broker.committed(topic, f"nbflow.{topic}") == 1


def test_waits_one_after_the_other_get_record_after_record(kafka_broker: KafkaBroker, topic: str) -> None:
    kafka_broker.add(topic, b"a", b"b", b"c")

    @nf.task
    def after(before: list[str], found: Any) -> Any:
        said = [*before, found["value"]]
        return said if len(said) == 3 else nf.continuation(after.bind(said, record(kafka_broker, topic)))

    assert nf.run(after.bind([], record(kafka_broker, topic))) == ["a", "b", "c"]


def test_each_run_has_a_group_of_its_own_and_runs_may_share_one(kafka_broker: KafkaBroker, topic: str) -> None:
    kafka_broker.add(topic, b"a", b"b")
    assert [nf.run(record(kafka_broker, topic))["value"] for _ in range(2)] == ["a", "a"]
    shared = [nf.run(record(kafka_broker, topic, group=topic))["value"] for _ in range(2)]
    assert shared == ["a", "b"]


def test_one_partition_can_be_asked_for_and_bytes_stay_bytes(kafka_broker: KafkaBroker, topic: str) -> None:
    kafka_broker.add(topic, b"other", partition=0)
    kafka_broker.add(topic, b"\xff", partition=1)
    waits = record(kafka_broker, topic, partition=1)
    assert nf.run(waits, workflow_id=topic)["value"] == b"\xff"
    assert kafka_broker.committed(topic, f"nbflow.{topic}", 1) == 1


def test_a_wait_that_comes_first_gets_the_record_when_it_comes(kafka_broker: KafkaBroker, topic: str) -> None:
    run = nf.run_async(record(kafka_broker, topic))
    kafka_broker.add(topic, b"late")
    assert run.result(30)["value"] == "late"


CRASH = """
import sys, asyncio, nbflow as nf
from nbflow.listeners import KafkaListener
nf.init(storage=sys.argv[1])
point = sys.argv[4]
class Dies(KafkaListener):
    async def poll_for_event(self, *args, **kwargs):
        found = await super().poll_for_event(*args, **kwargs)
        if point == "read": print("HERE", flush=True); await asyncio.sleep(60)
        return found
    async def event_checkpointed(self, event):
        if point == "durable": print("HERE", flush=True); await asyncio.sleep(60)
        await super().event_checkpointed(event)
        if point == "committed": print("HERE", flush=True); await asyncio.sleep(60)
@nf.task
def after(before, found):
    said = [*before, found["value"]]
    return said if len(said) == 2 else nf.continuation(after.bind(said, wait()))
def wait(): return nf.wait_for_event(Dies, sys.argv[3], sys.argv[2])
print("got", *nf.run(after.bind([], wait()), workflow_id="w"))
"""


@pytest.mark.crash
@pytest.mark.parametrize("point", ["read", "durable", "committed"])
def test_a_record_comes_once_whatever_dies_in_between(
    point: str, kafka_broker: KafkaBroker, topic: str, folder: Path
) -> None:
    kafka_broker.add(topic, b"a", b"b", b"c")
    kill_at(script(CRASH, folder, kafka_broker.servers, topic, point), "HERE")
    assert kafka_broker.committed(topic, "nbflow.w") == (1 if point == "committed" else None)
    assert "got a b" in finish(script(CRASH, folder, kafka_broker.servers, topic, "none"))
    assert kafka_broker.committed(topic, "nbflow.w") == 2


def test_a_commit_never_goes_back(kafka_broker: KafkaBroker, topic: str) -> None:
    kafka_broker.add(topic, b"a", b"b", b"c")

    class Twice(KafkaListener):
        async def event_checkpointed(self, event: dict[str, Any]) -> None:
            await super().event_checkpointed({**event, "offset": 2})
            await super().event_checkpointed(event)

    nf.run(nf.wait_for_event(Twice, topic, kafka_broker.servers), workflow_id=topic)
    assert kafka_broker.committed(topic, f"nbflow.{topic}") == 3


def test_brokers_that_stay_away_fail_the_wait() -> None:
    with pytest.raises(WorkflowExecutionError, match=r"127\.0\.0\.1"):
        nf.run(nf.wait_for_event(KafkaListener, "orders", "127.0.0.1:1", patience=0.1))


def test_a_password_is_refused_unless_it_is_named() -> None:
    with pytest.raises(ValueError, match="sasl_plain_password='env:NAME'"):
        nf.wait_for_event(KafkaListener, "orders", sasl_plain_password="secret")
    nf.wait_for_event(KafkaListener, "orders", sasl_plain_password="env:KAFKA_PASSWORD")
