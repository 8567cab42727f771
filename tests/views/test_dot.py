"""The Graphviz source: every node and edge once, and no name that means something to Graphviz."""

from __future__ import annotations

import re

import pytest

from nbflow.views.dot import to_dot
from nbflow.views.snapshot import Snapshot

from .hostile import NASTY, hostile_snapshot
from .runs import churn


def test_it_has_every_node_and_every_edge_once() -> None:
    play = churn()
    snapshot = Snapshot.of(play.state, play.now)
    source = to_dot(snapshot, "LR").source
    assert "rankdir=LR" in source
    assert re.findall(r'\tn(\d+) \[label="(\w+)\\n', source) == [
        (str(i), node.label) for i, node in enumerate(snapshot.picture.nodes)
    ]
    assert [(int(a), int(b)) for a, b in re.findall(r"\tn(\d+) -> n(\d+)\n", source)] == list(snapshot.edges)


@pytest.mark.parametrize("text", NASTY)
def test_hostile_text_is_a_quoted_label(text: str) -> None:
    source = to_dot(hostile_snapshot(text)).source
    nodes = [line for line in source.splitlines() if line.startswith("\tn") and "label=" in line]
    assert len(nodes) == 3
    for line in nodes:
        assert re.fullmatch(r'\tn\d \[label="(?:[^"\\]|\\.)*"(?: \w+="?[\w#,]+"?)*\]', line)
        assert r"\N" not in line.replace("\\\\", "")
    source.encode()


def test_a_person_is_a_hexagon_and_a_stack_has_a_double_border() -> None:
    play = churn()
    source = to_dot(Snapshot.of(play.state, play.now)).source
    assert re.search(r'label="approve_model[^\n]*shape=hexagon', source)
    assert re.search(r'label="build_features[^\n]*peripheries=2', source)
