"""Whatever comes and whenever the process dies: no rule fires twice for one event, and none is missed."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbflow.core.codec import decode
from nbflow.core.rules import RulesEvaluated
from nbflow.core.state import RunState
from nbflow.rules import Count, Flow, MeetAll, MeetAny, Operator, TaskAction, TaskStatus

from .play import Death, Player

KEYS = ("x", "y", "z", "halt")


def flow() -> Flow:
    """Return a flow with rules of all kinds."""
    found = Flow("everything", stay_open=True, begin="earliest")
    tasks = {name: Operator(name, flow=found, overlap=name == "many") for name in ("first", "many", "both", "third",
                                                                                 "after", "mend", "last")}  # fmt: skip
    tasks["many"].action_on_event_received(TaskAction.START, "x", scope="namespace")
    tasks["both"].action_on_condition(TaskAction.RESTART, MeetAll(["x", "y"]))
    tasks["both"].action_on_event_received(TaskAction.STOP, "halt")
    tasks["third"].action_on_condition(TaskAction.START, Count(3, ["x", "z"]))
    tasks["third"].action_on_condition(TaskAction.STOP, MeetAny(["halt", MeetAll(["y", "z"])]))
    tasks["after"].start_after([tasks["first"], tasks["third"]])
    tasks["mend"].action_on_task_status(TaskAction.START, {"third": TaskStatus.FAILED})
    tasks["last"].action_on_event_received(TaskAction.START, "y", once=True)
    return found


class Oracle:
    """The rules of ``flow``, written down again in the plainest way; ``take`` returns which act on a key."""

    def __init__(self) -> None:
        self.both: set[str] = set()
        self.counted = 0
        self.stops: set[str] = set()
        self.last = False
        self.statuses: dict[str, str] = {}

    def take(self, key: str) -> set[str]:
        acts = set()
        if key == "x":
            acts.add("many/1")
        if key in ("x", "y"):
            self.both.add(key)
            if self.both == {"x", "y"}:
                acts.add("both/1")
                self.both = set()
        if key == "halt":
            acts |= {"both/2", "third/2"}
        third = False
        if key in ("x", "z"):
            self.counted += 1
            third = self.counted % 3 == 0
            if third:
                acts.add("third/1")
        if key in ("y", "z") and not third:  # of the rules of one task the first that is met acts, the rest do not look
            self.stops.add(key)
            if self.stops == {"y", "z"}:
                acts.add("third/2")
                self.stops = set()
        if key == "y" and not self.last:
            self.last = True
            acts.add("last/1")
        return acts

    def tell(self, task: str, status: str) -> set[str]:
        self.statuses[task] = status
        acts = set()
        both = self.statuses.get("first") == self.statuses.get("third") == "SUCCESS"
        if task in ("first", "third") and both:
            acts.add("after/1")
        if task == "third" and status == "FAILED":
            acts.add("mend/1")
        return acts


def play(seed: int, steps: int, deaths: bool) -> Player:
    """Play a random history to its end."""
    chance, player = Random(seed), Player(flow())
    for _ in range(steps):
        try:
            if deaths and chance.random() < 0.25:
                player.dies_in = chance.randrange(6)
            move = chance.random()
            if move < 0.35:
                player.send(chance.choice(KEYS))
            elif move < 0.6:
                player.publish(chance.choice(KEYS[:3]))
            elif running := player.running():
                player.end(chance.choice(running), failed=chance.random() < 0.2)
            if chance.random() < 0.7:
                player.go()
        except Death:
            player.restart()
    player.dies_in = -1
    player.go()
    return player


def check(player: Player) -> None:
    """Compare what was recorded with the oracle."""
    looks, oracle = player.looks(), Oracle()
    latest: Counter[str] = Counter()
    for look in looks:
        event = look.event
        fired = {rule for rule, word, _ in look.verdicts if word == "fired"}
        if event["src"] == "status":
            if latest[event["task"]] == event["seq"]:
                assert fired == oracle.tell(event["task"], event["status"]), look
            else:
                assert not fired, "an execution that is not the latest is no news"
        elif event["src"] in ("run", "stream"):
            expected = oracle.take(event["key"])
            if event["src"] == "run" and event["key"] == "x":
                assert "many/1" in fired, "what is sent to the run belongs to all scopes"
            assert fired == expected, look
        for word, task, seq, *_ in look.actions:
            if word == "start":
                latest[task] += 1
                assert seq == latest[task], "executions are numbered without gaps"
                oracle.statuses[task] = "RUNNING"
            elif word == "again":
                oracle.statuses[task] = "RUNNING"
            elif word == "stop" and latest[task] == seq:
                oracle.statuses[task] = "STOPPING"
    sent = [look.event["id"] for look in looks if look.event["src"] == "run"]
    assert sorted(sent) == sorted(set(sent)) and len(player.state.inbox) == 0
    offsets = [look.event["off"] for look in looks if look.event["src"] == "stream"]
    assert offsets == list(range(1, len(player.stream) + 1)), "each offset once, in order"
    calls = [node.node_id for node in player.state.nodes if node.owner == 0]
    wanted = [f"{task}#{seq}" for look in looks for word, task, seq, *_ in look.actions if word == "start"]
    assert len(calls) == len(set(calls)) and set(calls) <= set(wanted)
    assert {each.call for each in player.known.live()} <= set(calls)
    assert not any(task.broken for task in player.known.tasks.values()), "what failed goes again when the run goes on"
    running = {each.call for each in player.known.live() if each.status is TaskStatus.RUNNING}
    assert running == set(player.running()), "what was decided runs"


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 1 << 30), steps=st.integers(1, 60), deaths=st.booleans())
def test_every_event_is_looked_at_once_and_every_rule_does_what_the_oracle_says(
    seed: int, steps: int, deaths: bool
) -> None:
    check(play(seed, steps, deaths))


@pytest.mark.parametrize("seed", range(5))
def test_a_long_history_with_many_deaths(seed: int, soak: bool) -> None:
    check(play(seed, 4000 if soak else 400, deaths=True))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1 << 30))
def test_folding_the_journal_gives_what_the_flow_knew(seed: int) -> None:
    import json

    player = play(seed, 40, deaths=True)
    folded = RunState()
    for line in player.journal:
        record = decode(json.loads(line))
        assert record is not None
        folded.handle(record)
    known, again = player.known, folded.parts[0]
    for name, task in known.tasks.items():
        assert {s: (e.status, e.cause) for s, e in task.executions.items()} == {
            s: (e.status, e.cause) for s, e in again.tasks[name].executions.items()
        }
    assert (known.offsets, known.states, known.fired) == (again.offsets, again.states, again.fired)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1 << 30))
def test_a_record_that_comes_twice_changes_nothing(seed: int) -> None:
    player = play(seed, 30, deaths=False)
    before = player.known.evaluations
    again = {(task, seq) for look in player.looks() for word, task, seq, *_ in look.actions if word == "again"}
    for look in player.looks():
        event = look.event
        if event["src"] in ("run", "stream", "status") and (event.get("task"), event.get("seq")) not in again:
            player.state.handle(look)
    assert player.known.evaluations == before
    assert isinstance(player.looks()[0], RulesEvaluated)
