"""The laws of the layout: nothing overlaps, edges run one way, and the same graph looks the same."""

from __future__ import annotations

import time
from itertools import combinations, pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbflow.views.layers import Layers
from nbflow.views.layout import DOWN, RIGHT, Graph, Layout, Order
from nbflow.views.ordering import Ordering
from nbflow.views.straighten import straighten


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    count = draw(st.integers(0, 24))
    sizes = [(draw(st.integers(60, 260)), draw(st.sampled_from([42, 54]))) for _ in range(count)]
    pairs = [(a, b) for a, b in combinations(range(count), 2)]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=40)) if pairs else []
    names = draw(st.permutations(range(count)))
    return Graph(sizes, [(names[a], names[b]) for a, b in edges])


def random_graph(count: int, layers: int, seed: int = 3, long: float = 0.15) -> Graph:
    chance, edges = Random(seed), []
    level = [i * layers // count for i in range(count)]
    for i in range(count):
        before = [j for j in range(i) if level[j] == level[i] - 1]
        older = [j for j in range(i) if level[j] < level[i] - 1]
        edges += [(j, i) for j in chance.sample(before, min(len(before), chance.choice([1, 1, 2])))]
        if older and chance.random() < long:
            edges.append((chance.choice(older), i))
    return Graph([(120, 42)] * count, edges)


def laid_out(graph: Graph, direction: str) -> Layout:
    return Order.of(graph).place(graph, direction)


@given(graphs(), st.sampled_from([DOWN, RIGHT]))
@settings(max_examples=200, deadline=None)
def test_no_two_nodes_overlap_and_all_are_inside(graph: Graph, direction: str) -> None:
    layout = laid_out(graph, direction)
    assert len(layout.centers) == len(graph.sizes)
    boxes = [
        (x - w / 2, y - h / 2, x + w / 2, y + h / 2) for (x, y), (w, h) in zip(layout.centers, graph.sizes, strict=True)
    ]
    for left, top, right, bottom in boxes:
        assert left >= 0 and top >= 0 and right <= layout.width and bottom <= layout.height
    for a, b in combinations(boxes, 2):
        assert a[2] < b[0] or b[2] < a[0] or a[3] < b[1] or b[3] < a[1]


@given(graphs(), st.sampled_from([DOWN, RIGHT]))
@settings(max_examples=200, deadline=None)
def test_edges_go_from_center_to_center_and_never_back(graph: Graph, direction: str) -> None:
    layout = laid_out(graph, direction)
    along = 0 if direction == RIGHT else 1
    assert len(layout.lines) == len(graph.edges)
    for (parent, child), line in zip(graph.edges, layout.lines, strict=True):
        assert line[0] == layout.centers[parent] and line[-1] == layout.centers[child]
        assert all(before[along] < after[along] for before, after in pairwise(line))


@given(graphs(), st.sampled_from([DOWN, RIGHT]))
@settings(max_examples=100, deadline=None)
def test_edges_do_not_run_through_nodes(graph: Graph, direction: str) -> None:
    layout = laid_out(graph, direction)
    across, along = (1, 0) if direction == RIGHT else (0, 1)
    for (parent, child), line in zip(graph.edges, layout.lines, strict=True):
        for before, after in pairwise(line):
            straight = before[across] == after[across]
            for node, (center, size) in enumerate(zip(layout.centers, graph.sizes, strict=True)):
                if not straight or node in (parent, child):
                    continue
                beside = abs(center[across] - before[across]) > size[across] / 2
                apart = (
                    center[along] + size[along] / 2 < before[along] or center[along] - size[along] / 2 > after[along]
                )
                assert beside or apart


@given(graphs())
@settings(max_examples=50, deadline=None)
def test_the_same_graph_looks_the_same(graph: Graph) -> None:
    assert laid_out(graph, DOWN) == laid_out(Graph(list(graph.sizes), list(graph.edges)), DOWN)


@pytest.mark.parametrize("seed", range(40))
def test_a_long_edge_is_straight_but_where_another_long_edge_crosses_it(seed: int) -> None:
    chance = Random(seed)
    count = chance.randint(12, 40)
    layers = Layers(
        count, chance.sample([*combinations(range(count), 2)], min(count * (count - 1) // 2, chance.randint(20, 70)))
    )
    Ordering(layers).run()
    places = straighten(layers, [100.0] * len(layers.rank), 20.0)
    at = {vertex: place for row in layers.rows for place, vertex in enumerate(row)}
    inner = [(layers.rank[a], at[a], at[b], a, b) for trunk in layers.trunks for a, b in pairwise(trunk)]
    for rank, above, below, a, b in inner:
        crossed = any(rank == other and (above - high) * (below - low) < 0 for other, high, low, *_ in inner)
        assert crossed or places[a] == pytest.approx(places[b])


def test_a_trunk_with_branches_on_both_sides_is_straight() -> None:
    width, depth, edges = 4, 7, []
    nodes = [[1 + layer * width + i for i in range(width)] for layer in range(depth)]
    for before, row in pairwise(nodes):
        edges += list(zip(before, row, strict=True))
    edges += [(0, node) for row in nodes for node in row]
    graph = Graph([(100, 42)] * (1 + width * depth), edges)
    for line in laid_out(graph, DOWN).lines:
        assert len({x for x, _ in line[1:-1]}) <= 1


def test_a_source_stands_next_to_the_first_who_needs_it() -> None:
    centers = laid_out(Graph([(100, 42)] * 5, [(0, 1), (1, 2), (2, 3), (4, 3)]), DOWN).centers
    assert centers[4][1] == centers[2][1]


@pytest.mark.parametrize(("count", "layers", "most"), [(30, 8, 7), (60, 12, 50), (100, 20, 105), (200, 25, 380)])
def test_few_edges_cross(count: int, layers: int, most: int) -> None:
    assert Order.of(random_graph(count, layers, seed=7, long=0.25)).crossings <= most


def test_a_chain_is_one_straight_line_and_a_diamond_is_symmetric() -> None:
    chain = laid_out(Graph([(100, 42)] * 4, [(0, 1), (1, 2), (2, 3)]), DOWN)
    assert len({x for x, _ in chain.centers}) == 1
    diamond = laid_out(Graph([(100, 42)] * 4, [(0, 1), (0, 2), (1, 3), (2, 3)]), DOWN).centers
    assert diamond[0][0] == diamond[3][0] == (diamond[1][0] + diamond[2][0]) / 2


def test_a_planar_graph_has_no_crossing() -> None:
    tree = Graph([(80, 42)] * 31, [((i - 1) // 2, i) for i in range(1, 31)])
    assert Order.of(tree).crossings == 0
    ladder = Graph([(80, 42)] * 20, [(i, i + 2) for i in range(18)] + [(i, i + 3) for i in range(0, 17, 2)])
    assert Order.of(ladder).crossings == 0


def test_the_edges_of_a_node_with_many_distant_consumers_share_one_trunk() -> None:
    layers = Layers(10, [(0, 1), *((i, i + 1) for i in range(1, 9)), *((0, i) for i in range(2, 10))])
    assert len(layers.rank) - layers.real == 8
    assert layers.bends(0, 5) == layers.bends(0, 9)[:4]


def test_nodes_without_edges_are_wrapped_into_rows() -> None:
    layout = laid_out(Graph([(100, 42)] * 20, []), DOWN)
    assert layout.width < 1000
    assert len({y for _, y in layout.centers}) == 4


def test_a_cycle_is_refused() -> None:
    with pytest.raises(ValueError, match="cycle"):
        Order.of(Graph([(100, 42)] * 2, [(0, 1), (1, 0)]))


@pytest.mark.parametrize(("count", "layers", "seconds"), [(30, 8, 0.035), (200, 25, 0.35), (2000, 80, 1.5)])
def test_the_work_is_bounded(count: int, layers: int, seconds: float) -> None:
    graph = random_graph(count, layers)
    costs = []
    for _ in range(3):
        begun = time.thread_time()
        order = Order.of(graph)
        order.place(graph, DOWN)
        order.place(graph, RIGHT)
        costs.append(time.thread_time() - begun)
    assert min(costs) < seconds


def test_too_many_long_edges_are_drawn_straight_behind_the_nodes() -> None:
    count = 600
    edges = [(i, i + 1) for i in range(count - 1)] + [(i, count - 1) for i in range(0, count - 2, 2)]
    layout = laid_out(Graph([(100, 42)] * count, edges), DOWN)
    assert min(len(line) for line in layout.lines[-50:]) >= 2
    assert len(layout.lines) == len(edges)
