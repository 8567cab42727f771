"""Thousands of histories of senders, a source and a run that crash anywhere: no message is lost, none counts twice.

Everything is virtual: what is durable is a list, a crash forgets the rest. The run is the real core; around it stand
small models of what the engine, a sender and a broker do, with each of their steps a place to crash.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from nbflow.core import commands as c
from nbflow.core import records as r
from nbflow.core.codec import decode, encode
from nbflow.core.state import RunState

from .runs import created, event, graph, value

SOAK = 50 if os.environ.get("NBFLOW_SOAK") else 1
HISTORIES = settings(max_examples=1000 * SOAK, deadline=None)
SEEDS = st.integers(0, 2**31)


class Broker:
    """A source that gives a message again until it is acknowledged: to the wait that read it, if that asks again."""

    def __init__(self, messages: int) -> None:
        self.waiting = [f"m{i}" for i in range(messages)]
        self.read: dict[int, str] = {}
        self.acknowledged = Counter[str]()

    def poll(self, wait: int) -> str | None:
        if wait not in self.read and self.waiting:
            self.read[wait] = self.waiting.pop(0)
        return self.read.get(wait)

    def acknowledge(self, message: str) -> None:
        self.acknowledged[message] += 1
        self.read = {wait: held for wait, held in self.read.items() if held != message}


class World:
    """A run of some waits, its journal, its maildir, a broker, and senders that repeat what they are not sure of."""

    def __init__(self, seed: int, listeners: int, keys: int) -> None:
        self.random = Random(seed)
        self.listeners, self.waits = listeners, listeners + keys
        self.broker = Broker(listeners)
        self.unsent = [f"e{i}" for i in range(keys)]
        self.maildir: dict[str, str] = {}
        self.journal: list[str] = []
        names = [event(f"w{i}") for i in range(self.waits)]
        records = [*created(), *graph(*names, value("all", *range(self.waits)))]
        self.journal += [encode(record) for record in records]
        self.state = RunState()
        self.open()

    # ---- the engine: what it does is written first, and taken when that is durable ----

    def open(self) -> None:
        """A new owner reads the journal and goes on; what the one before had only in memory is gone."""
        self.unwritten: list[r.Record] = []
        self.opening: list[int] = []
        self.polling: list[tuple[int, int]] = []
        self.committing: list[int] = []
        self.state = RunState()
        self.state.handle_all(record for line in self.journal if (record := decode(json.loads(line))))
        for record in (r.RunOpened(1.0), r.RunStarted(2.0)):
            self.unwritten.append(record)
        self.sync()

    def sync(self, torn: bool = False) -> None:
        """Make what is written durable, whole or (in a crash) not at all; then carry out what follows."""
        frame, self.unwritten = self.unwritten, []
        if torn and self.random.random() < 0.5:
            return
        self.journal += [encode(record) for record in frame]
        if torn:
            return
        for record in frame:
            for command in self.state.handle(record):
                self.carry_out(command)

    def carry_out(self, command: c.Command) -> None:
        match command:
            case c.OpenWait(node):
                self.opening.append(node)
            case c.KeepWait(node, token) if node < self.listeners:
                self.polling.append((node, token))
            case c.CloseWait(node, token):
                self.polling = [pair for pair in self.polling if pair != (node, token)]
            case c.CommitEvent(node):
                self.committing.append(node)

    def open_wait(self) -> None:
        node = self.opening.pop()
        key = "" if node < self.listeners else "k"
        tokens = [record.token for record in self.unwritten if isinstance(record, r.WaitOpened)]
        self.unwritten.append(r.WaitOpened(node, max([self.state.tokens, *tokens]) + 1, 3.0, key))

    def poll(self) -> None:
        node, token = self.random.choice(self.polling)
        message = self.broker.poll(node)
        if message is not None:
            self.polling.remove((node, token))
            self.unwritten.append(r.ListenerFired(node, token, {"c": "json", "v": message}, 4.0))

    def commit(self) -> None:
        node = self.committing.pop(self.random.randrange(len(self.committing)))
        stored: Any = self.state.nodes[node].event
        self.broker.acknowledge(stored["v"])
        if self.random.random() < 0.8:  # else it dies, or is slow, between the word to the broker and its own record
            self.unwritten.append(r.ListenerCommitted(node, 5.0))
        else:
            self.committing.append(node)

    # ---- the inbox: a file for each event id, removed after the journal has it ----

    def send(self) -> None:
        """A sender leaves its event; it may die before it knows, and then it sends once more."""
        identity = self.random.choice(self.unsent)
        if self.random.random() < 0.2:
            return  # it died before its file was in place
        if self.state.inbox.knows(identity) is False or self.random.random() < 0.5:
            self.maildir[identity] = identity
        if self.random.random() < 0.7:
            self.unsent.remove(identity)

    def take_mail(self) -> None:
        identity = self.random.choice(sorted(self.maildir))
        if not self.state.inbox.knows(identity):
            self.unwritten.append(r.EventReceived(identity, "k", {"c": "json", "v": identity}, 4.0))
        elif self.random.random() < 0.7:
            del self.maildir[identity]

    # ---- one history ----

    def step(self) -> None:
        """Let one thing happen."""
        moves: list[Any] = [self.sync] if self.unwritten else []
        moves += [self.open_wait] if self.opening else []
        moves += [self.poll] if self.polling else []
        moves += [self.commit] if self.committing else []
        moves += [self.send] if self.unsent else []
        moves += [self.take_mail] if self.maildir else []
        if moves:
            self.random.choice(moves)()

    def crash(self) -> None:
        self.sync(torn=True)
        self.open()

    @property
    def values(self) -> list[Any]:
        """What the waits have, None for one that waits still."""
        return [(node.value or {}).get("v") for node in self.state.nodes[: self.waits]]


@HISTORIES
@given(seed=SEEDS, listeners=st.integers(0, 4), keys=st.integers(0, 4), crashes=st.integers(0, 6))
def test_every_message_counts_exactly_once_whatever_crashes(seed: int, listeners: int, keys: int, crashes: int) -> None:
    world = World(seed, listeners, keys)
    for _ in range(crashes):
        for _ in range(world.random.randrange(25)):
            world.step()
        world.crash()
    for _ in range(400):
        world.step()
    expected = [f"m{i}" for i in range(listeners)] + [f"e{i}" for i in range(keys)]
    assert sorted(map(str, world.values)) == sorted(expected)
    assert set(world.broker.acknowledged) == {f"m{i}" for i in range(listeners)}
    journaled = Counter(
        wire["event"]["v"] for line in world.journal if (wire := json.loads(line))["t"] == "fired" and wire["n"] >= 0
    )
    assert set(journaled.values()) <= {1}, "a message of the broker came twice into the journal"


def test_the_model_can_fail_a_broker_that_forgets_on_read_loses_messages() -> None:
    lost = 0
    for seed in range(200):
        world = World(seed, 2, 0)
        world.broker.poll = lambda _, b=world.broker: b.waiting.pop(0) if b.waiting else None  # type: ignore[method-assign, misc]
        for _ in range(3):
            for _ in range(world.random.randrange(12)):
                world.step()
            world.crash()
        for _ in range(100):
            world.step()
        lost += None in world.values
    assert lost > 20
