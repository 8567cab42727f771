"""A state machine under any schedule: no wake-up is lost, no old timer fires, each event is handled once, in order."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from nbflow.core import machine as m
from nbflow.core import records as r
from nbflow.core.codec import KNOWN, decode, encode
from nbflow.core.commands import Acknowledge, Command, EventKept
from nbflow.core.graph import Code, NodeKind, NodeSpec
from nbflow.core.state import RunState
from nbflow.core.status import NodeStatus
from nbflow.core.story import rows
from nbflow.core.tell import tell
from nbflow.errors import InvalidTransition

from .runs import check, dump

N = NodeStatus
NOTHING = {"c": "json", "v": None}
BOOM = {"type": "ValueError", "message": "boom"}
PROMPT = {"kind": "button", "title": "Approve", "options": ["approve"], "fields": None}
FORM = {
    "type": "order",
    "start": "begin",
    "steps": ["ship", "late"],
    "events": {"approve": {"prompt": PROMPT, "params": []}, "note": {"params": []}},
}


def machine(*records: r.Record, form: Any = FORM) -> RunState:
    """Return a run of a state machine that was just taken up, and then took these records."""
    state = RunState()
    first = [
        r.RunCreated("run", "run", 1.0),
        r.CodeAdded(Code("c", "order")),
        r.NodesAdded((NodeSpec("order", NodeKind.DRIVER, (), "c"),)),
        r.GraphCommitted(0),
        r.RunStarted(2.0),
        m.MachineOpened(0, 3.0, form),
    ]
    state.handle_all([*first, *records])
    return state


def known(state: RunState) -> m.Machine:
    found = m.machine_of(state)
    assert found is not None
    return found


def waits(number: int = 1, until: float | None = None) -> list[r.Record]:
    """Return the records of a handler that waits then."""
    name = {"name": "late"} if until is not None else {}
    began = m.HandlerBegan(0, number, "begin", m.START, 3.0)
    return [began, m.HandlerDone(0, number, 4.0, {"do": "wait", "until": until, **name})]


def sent(event_id: str, key: str = "note", at: float = 5.0, payload: Any = NOTHING) -> r.EventReceived:
    return r.EventReceived(event_id, key, payload, at)


def due(state: RunState, now: float) -> m.Move:
    return m.due(known(state), state.inbox.oldest(), now)


def statuses(state: RunState) -> list[str]:
    return [node.status.value for node in state.nodes[1:]]


# ---- the records one by one ----


def test_a_machine_begins_with_its_start() -> None:
    move = due(machine(), 3.0)
    assert (move.do, move.name, move.why) == ("begin", "begin", m.START)


def test_what_a_handler_stored_counts_when_it_has_ended() -> None:
    state = machine(m.HandlerBegan(0, 1, "begin", m.START, 3.0))
    assert known(state).store == {} and known(state).current is not None
    state.handle(m.HandlerDone(0, 1, 4.0, {"do": "step", "name": "ship"}, {"a": NOTHING, "b": NOTHING}))
    state.handle(m.HandlerBegan(0, 2, "ship", m.STEP, 5.0))
    state.handle(m.HandlerDone(0, 2, 6.0, {"do": "wait"}, {}, ["a"]))
    assert [*known(state).store] == ["b"]


def test_a_waiting_machine_takes_the_oldest_event_and_a_busy_one_none() -> None:
    state = machine(*waits())
    assert due(state, 9.0) == m.Move("rest")
    assert Acknowledge("1", "delivered") in state.handle(sent("1"))
    assert Acknowledge("2", "queued") in state.handle(sent("2"))
    move = due(state, 9.0)
    assert move.event is not None and move.event.event_id == "1"
    state.handle(m.HandlerBegan(0, 2, "note", m.EVENT, 6.0, "1"))
    assert [event.event_id for event in state.inbox.waiting()] == ["2"], "it is taken when its handler begins"


def test_an_event_goes_before_a_time_that_is_up() -> None:
    state = machine(*waits(until=10.0))
    assert due(state, 9.0) == m.Move("rest", until=10.0)
    assert due(state, 10.0) == m.Move("begin", "late", m.TIMEOUT)
    state.handle(sent("1", at=11.0))
    assert due(state, 12.0).name == "note"


def test_the_timer_of_an_earlier_wait_does_not_count() -> None:
    state = machine(*waits(until=10.0), sent("1"), m.HandlerBegan(0, 2, "note", m.EVENT, 6.0, "1"))
    state.handle(m.HandlerDone(0, 2, 7.0, {"do": "wait", "until": 100.0, "name": "late"}))
    assert due(state, 50.0) == m.Move("rest", until=100.0)


def test_a_handler_that_was_at_it_when_its_owner_died_begins_again_with_what_it_had_seen() -> None:
    state = machine(*waits(), sent("1"), m.HandlerBegan(0, 2, "note", m.EVENT, 6.0, "1"), m.Noted(0, 2, "now:1", 6.5))
    state.handle_all([r.RunOpened(7.0), r.RunStarted(7.0), m.MachineOpened(0, 7.0)])
    move = due(state, 8.0)
    assert move.event is not None and (move.name, move.event.event_id) == ("note", "1")
    assert [(note.what, note.value) for note in known(state).noted] == [("now:1", 6.5)]


def test_an_event_that_is_set_aside_lets_the_machine_wait_and_can_be_sent_again() -> None:
    state = machine(*waits(until=99.0), sent("1"), m.HandlerBegan(0, 2, "note", m.EVENT, 6.0, "1"))
    state.handle(m.EventSetAside(0, "1", 7.0, BOOM))
    assert due(state, 8.0) == m.Move("rest", until=99.0) and [*known(state).aside] == ["1"]
    state.handle(sent("2"))
    assert EventKept("1") in state.handle(m.EventRetried(0, "1", 8.0))
    first = due(state, 8.0).event
    assert first is not None and first.event_id == "1", "before those that wait"


def test_an_event_can_be_changed_and_discarded() -> None:
    state = machine(*waits(), sent("1"), sent("2"))
    state.handle_all([m.EventSetAside(0, "1", 6.0, BOOM), m.EventSetAside(0, "2", 6.0, BOOM)])
    state.handle(m.EventDiscarded(0, "1", 7.0))
    state.handle(m.EventRetried(0, "2", 7.0, "ann", {"c": "json", "v": 5}))
    event = due(state, 8.0).event
    assert event is not None and event.payload["v"] == 5 and known(state).aside == {}
    before = dump(state)
    state.handle(m.EventDiscarded(0, "1", 8.0))
    assert dump(state) == before, "twice is once"


def test_begin_anew_empties_the_store() -> None:
    state = machine(m.HandlerBegan(0, 1, "begin", m.START, 3.0))
    state.handle(m.HandlerDone(0, 1, 4.0, {"do": "wait"}, {"a": NOTHING}))
    state.handle_all([sent("1"), m.HandlerBegan(0, 2, "note", m.EVENT, 6.0, "1")])
    state.handle(m.HandlerDone(0, 2, 7.0, {"do": "start", "args": NOTHING}))
    assert known(state).store == {} and due(state, 8.0).name == "begin"


@pytest.mark.parametrize(
    "record",
    [
        m.HandlerBegan(0, 5, "note", m.EVENT, 6.0),
        m.HandlerBegan(0, 2, "note", m.EVENT, 6.0, "nobody"),
        m.HandlerDone(7, 1, 6.0, {"do": "wait"}),
        m.MachineOpened(1, 6.0),
    ],
)
def test_what_cannot_happen_is_refused_and_nothing_changes(record: r.Record) -> None:
    state = machine(*waits())
    before = dump(state)
    with pytest.raises(InvalidTransition):
        state.handle(record)
    assert dump(state) == before


def test_what_becomes_durable_after_the_cancellation_changes_nothing() -> None:
    state = machine(m.HandlerBegan(0, 1, "begin", m.START, 3.0), r.RunCanceled(4.0))
    before = dump(state)
    state.handle(m.HandlerDone(0, 1, 5.0, {"do": "wait"}, {"a": NOTHING}))
    assert dump(state) == before


@pytest.mark.parametrize("tag", sorted(m.RECORDS))
def test_each_record_has_words(tag: str) -> None:
    samples: dict[str, Any] = {"node": 0, "number": 1, "name": "n", "why": "w", "at": 1.0, "what": "now:1", "value": 1,
                               "event": "e", "error": BOOM, "child": "c", "kind": "k"}  # fmt: skip
    kind: Any = KNOWN[tag]
    names = [each for each in kind.__dataclass_fields__ if each in samples]
    for following in ("step", "wait", "sleep", "complete", "fail", "start"):
        extra = {"next": {"do": following, "name": "n"}} if tag == "hdone" else {}
        record = kind(**{name: samples[name] for name in names}, **extra)
        assert tell(record)
        assert decode(json.loads(encode(record))) == record


# ---- questions ----


def test_while_it_waits_each_event_is_a_question_and_the_first_answer_closes_all() -> None:
    state = machine(*waits(until=10.0))
    assert statuses(state) == ["waiting", "waiting"]
    answer, other = known(state).asked
    wait = state.nodes[1].wait
    assert wait is not None and (answer, wait.deadline, wait.fallback) == (
        "approve@1",
        10.0,
        {"c": "json", "v": "late"},
    )
    check(state)
    assert Acknowledge("1", "delivered", 1) in state.handle(sent("1", answer, payload={"c": "json", "v": "approve"}))
    assert statuses(state) == ["done", "pending"]
    for late in (answer, other, "note@77"):
        assert state.handle(sent(f"late {late}", late)) == [Acknowledge(f"late {late}", "closed")]
    move = due(state, 6.0)
    assert move.name == "approve" and move.event is not None and move.event.payload["v"]["option"] == "approve"


def test_what_is_no_answer_is_refused_and_the_question_stays_open() -> None:
    state = machine(*waits())
    said = {"c": "json", "v": {"option": "maybe"}}
    assert state.handle(sent("1", "approve@1", payload=said)) == [Acknowledge("1", "rejected")]
    assert statuses(state) == ["waiting", "waiting"] and due(state, 6.0) == m.Move("rest")


def test_a_question_keeps_its_name_over_a_new_owner_and_gets_another_at_the_next_wait() -> None:
    state = machine(*waits())
    state.handle_all([r.RunDetached(5.0)])
    assert statuses(state) == ["pending", "pending"]
    state.handle_all([r.RunOpened(6.0), r.RunStarted(6.0), m.MachineOpened(0, 6.0)])
    assert statuses(state) == ["waiting", "waiting"] and [*known(state).asked] == ["approve@1", "note@2"]
    state.handle_all([sent("1"), m.HandlerBegan(0, 2, "note", m.EVENT, 7.0, "1")])
    assert statuses(state) == ["pending", "done"] and known(state).asked == {}
    state.handle(m.HandlerDone(0, 2, 8.0, {"do": "wait"}))
    assert [*known(state).asked] == ["approve@3", "note@4"]
    check(state)


def test_a_new_form_asks_what_it_knows() -> None:
    state = machine(*waits())
    state.handle(m.MachineOpened(0, 6.0, {**FORM, "events": {"note": {}, "added": {}}}))
    assert [node.node_id for node in state.nodes if node.status is N.WAITING] == ["note", "added"]
    assert "approve" not in state.index
    check(state)


def test_the_end_closes_the_questions_that_nobody_answered() -> None:
    state = machine(*waits(), sent("1"), m.HandlerBegan(0, 2, "note", m.EVENT, 6.0, "1"))
    state.handle(m.HandlerDone(0, 2, 7.0, {"do": "complete", "value": NOTHING}))
    assert statuses(state) == ["skipped", "done"]
    assert due(state, 8.0) == m.Move("complete")


# ---- any schedule ----


class World:
    """A machine, its owner and those who send, in virtual time; ``expected`` is what a plain queue would handle."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.now = 10.0
        self.journal: list[str] = []
        self.state = RunState()
        self.number = self.sends = 0
        self.expected: list[str] = []
        self.handled: list[str] = []
        self.running: m.Move | None = None
        self.waits: float | None = None
        for record in (
            r.RunCreated("run", "run", 1.0), r.CodeAdded(Code("c", "order")),
            r.NodesAdded((NodeSpec("order", NodeKind.DRIVER, (), "c"),)), r.GraphCommitted(0), r.RunStarted(2.0),
            m.MachineOpened(0, 3.0, FORM),
        ):  # fmt: skip
            self.put(record)
        self.advance()

    @property
    def machine(self) -> m.Machine:
        return known(self.state)

    def put(self, record: r.Record) -> list[Command]:
        line = encode(record)
        self.journal.append(line)
        taken = decode(json.loads(line))
        assert taken is not None
        return self.state.handle(taken)

    def advance(self) -> None:
        """Do what the driver does whenever it looks: begin what is due, if nothing is at work."""
        if self.running is not None:
            return
        move = due(self.state, self.now)
        if move.do != "begin":
            assert move.do == "rest"
            return
        if move.why == m.TIMEOUT:
            assert self.waits is not None and self.waits <= self.now, "an old timer fired"
        if self.machine.current is None:
            self.number += 1
            event = move.event.event_id if move.event is not None else ""
            self.put(m.HandlerBegan(0, self.number, move.name, move.why, self.now, event))
        self.running = move

    def rests(self) -> None:
        """What holds whenever nothing is under way: a machine that waits has nothing to handle."""
        assert self.running is not None or due(self.state, self.now).do == "rest"
        if self.running is None and self.machine.waiting:
            assert len(self.state.inbox) == 0 and not self.machine.again, "a lost wake-up"

    # ---- what may happen ----

    def send(self) -> None:
        self.sends += 1
        event_id, asked = f"e{self.sends}", [*self.machine.asked]
        plain = self.chance.choice(["approve", "note"])
        key = self.chance.choice(asked) if asked and self.chance.random() < 0.4 else plain
        commands = self.put(sent(event_id, key, self.now, {"c": "json", "v": "approve" if "approve@" in key else None}))
        said = [command.status for command in commands if isinstance(command, Acknowledge)]
        assert said in (["delivered"], ["queued"])
        self.expected.append(event_id)

    def send_again(self) -> None:
        if self.sends:
            repeated = f"e{self.chance.randint(1, self.sends)}"
            assert self.put(sent(repeated, "note", self.now)) == [Acknowledge(repeated, "duplicate")]

    def answer_late(self) -> None:
        key = f"approve@{self.chance.randint(1, max(1, self.state.tokens))}"
        if key not in self.machine.asked:
            self.sends += 1
            assert self.put(sent(f"e{self.sends}", key, self.now)) == [Acknowledge(f"e{self.sends}", "closed")]

    def end_handler(self) -> None:
        if self.running is None:
            return
        move, self.running = self.running, None
        if move.event is not None:
            if self.chance.random() < 0.2:
                self.put(m.EventSetAside(0, move.event.event_id, self.now, BOOM))
                self.expected.remove(move.event.event_id)
                return
            self.handled.append(move.event.event_id)
        kind = self.chance.choice(["wait", "wait", "wait", "step", "sleep"])
        until = round(self.now + self.chance.choice([0, 5, 20]), 3) if self.chance.random() < 0.5 else None
        following: dict[str, Any] = {"do": kind}
        if kind == "sleep":
            following |= {"until": self.now + 3, "name": "ship"}
        elif kind == "step":
            following["name"] = "ship"
        elif until is not None:
            following |= {"until": until, "name": "late"}
        self.waits = following.get("until")
        self.put(m.HandlerDone(0, self.number, self.now, following))

    def pass_time(self) -> None:
        self.now += self.chance.choice([0.5, 4, 30])

    def crash(self) -> None:
        """Lose all that is not in the journal; a new owner takes the run."""
        before = dump_machine(self.machine)
        self.state = RunState()
        for line in self.journal:
            taken = decode(json.loads(line))
            assert taken is not None
            self.state.handle(taken)
        assert dump_machine(self.machine) == before
        self.running = None
        for record in (r.RunOpened(self.now), r.RunStarted(self.now), m.MachineOpened(0, self.now)):
            self.put(record)

    def retry(self) -> None:
        if self.machine.aside:
            event_id = self.chance.choice([*self.machine.aside])
            self.put(m.EventRetried(0, event_id, self.now))
            behind = [each.event_id for each in self.machine.again]
            first = len(self.handled) + (self.running is not None and self.running.event is not None)
            self.expected.insert(first + behind.index(event_id), event_id)

    def step(self) -> None:
        act = self.chance.choice([self.send, self.send, self.send_again, self.answer_late, self.end_handler,
                                  self.end_handler, self.pass_time, self.crash, self.retry])  # fmt: skip
        act()
        self.advance()
        self.rests()
        check(self.state)

    def drain(self) -> None:
        """Let all that is there be handled."""
        for _ in range(500):
            idle = self.running is None and due(self.state, self.now).do == "rest"
            if idle and not len(self.state.inbox) and not self.machine.again:
                return
            self.end_handler()
            self.now += 1
            self.advance()
        raise AssertionError("the machine is stuck")


def dump_machine(machine: m.Machine) -> dict[str, Any]:
    return {name: list(part) if isinstance(part, (list, tuple)) else part for name, part in vars(machine).items()}


@pytest.mark.parametrize("block", range(8))
def test_G47_G23_G9_no_schedule_loses_an_event_or_a_wake_up_or_fires_an_old_timer(block: int, soak: bool) -> None:
    for seed in range(block, 24_000 if soak else 2400, 8):
        world = World(seed)
        for _ in range(40):
            world.step()
        world.drain()
        assert world.handled == world.expected, f"seed {seed}"


def test_the_story_of_a_machine_is_told_from_its_records() -> None:
    state_records = [r.RunCreated("run", "run", 1.0), r.CodeAdded(Code("c", "order")),
                     r.NodesAdded((NodeSpec("order", NodeKind.DRIVER, (), "c"),)), r.GraphCommitted(0),
                     r.RunStarted(2.0), m.MachineOpened(0, 3.0, FORM), *waits()]  # fmt: skip
    told = [row.what for row in rows(state_records, "order")]
    assert "handler 1 began: 'begin' (start)" in told and "handler 1 ended; waits for an event" in told
