"""LangGraph with SqliteSaver and ``durability="sync"``: each superstep is a row of its checkpoints."""

from __future__ import annotations

import itertools
import operator
import sqlite3
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from work import Work, main, payload


class State(TypedDict, total=False):
    """What the steps share."""

    i: int
    n: int
    size: int
    value: Any
    made: Annotated[list[Any], operator.add]
    followed: Annotated[list[Any], operator.add]


def one(state: State) -> Any:
    """Do one step of a chain."""
    return {"i": state["i"] + 1, "value": payload(state["size"], state["i"])}


def make(state: State) -> Any:
    """Do one step of many."""
    return {"made": [payload(state["size"], state["i"])]}


def follow(state: State) -> Any:
    """Follow on a value."""
    return {"followed": [payload(state["size"], state["i"])]}


def makers(state: State) -> list[Send]:
    """Return the steps of the first layer."""
    return [Send("make", {"i": i, "size": state["size"]}) for i in range(state["n"])]


def followers(state: State) -> list[Send]:
    """Return the steps of the second layer."""
    return [Send("follow", {"i": i, "size": state["size"], "value": v}) for i, v in enumerate(state["made"])]


def graphs() -> dict[str, StateGraph]:
    """Return a graph for each work."""
    chain = StateGraph(State)
    chain.add_node("one", one)
    chain.add_edge(START, "one")
    chain.add_conditional_edges("one", lambda state: "one" if state["i"] < state["n"] else END, ["one", END])
    fan = StateGraph(State)
    fan.add_node("make", make)
    fan.add_conditional_edges(START, makers, ["make"])
    two = StateGraph(State)
    two.add_node("make", make)
    two.add_node("join", lambda state: {})
    two.add_node("follow", follow)
    two.add_conditional_edges(START, makers, ["make"])
    two.add_edge("make", "join")
    two.add_conditional_edges("join", followers, ["follow"])
    return {"chain": chain, "fan-out": fan, "map-reduce": two}


def prepare(folder: Path) -> dict[str, Work]:
    """Return the works; each round is a thread of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    saver = SqliteSaver(sqlite3.connect(folder / "langgraph.sqlite", check_same_thread=False))
    rounds = itertools.count()

    def work(name: str, graph: Any) -> Work:
        def run(n: int, size: int) -> None:
            n = n // 2 if name == "map-reduce" else n
            config = {"configurable": {"thread_id": str(next(rounds))}, "recursion_limit": n + 100}
            graph.invoke({"i": 0, "n": n, "size": size, "made": [], "followed": []}, config, durability="sync")

        return run

    return {name: work(name, graph.compile(checkpointer=saver)) for name, graph in graphs().items()}


main(prepare)
