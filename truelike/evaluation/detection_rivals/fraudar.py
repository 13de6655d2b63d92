"""FRAUDAR: the densest block of actors and targets, each like weighed by 1 / log(5 + likes of its target), so that
likes of what everybody likes hide nothing.

Hooi, Song, Beutel, Shah, Shin, Faloutsos: FRAUDAR: Bounding Graph Fraud in the Face of Camouflage, KDD 2016. Greedy:
take away whoever has the least weight, remember when the mean weight was greatest. It calls the block; its order of
taking away ranks the others. It looks at no times.
"""

from __future__ import annotations

import heapq
from typing import Any, Final

import numpy as np
from numba import njit

from truelike.evaluation.detection_rivals.rival import Edges, Verdict

SMOOTHING: Final = 5.0


def score(edges: Edges) -> Verdict:
    pairs = np.unique(edges.actor * np.int64(edges.targets) + edges.target)
    actor, target = np.divmod(pairs, edges.targets)
    popularity = np.bincount(target, minlength=edges.targets)
    weight = 1.0 / np.log(SMOOTHING + popularity[target])
    nodes = edges.actors + edges.targets
    ends = np.concatenate([actor, edges.actors + target])
    other = np.concatenate([edges.actors + target, actor])
    order = np.argsort(ends, kind="stable")
    starts = np.r_[0, np.cumsum(np.bincount(ends, minlength=nodes))]
    taken, block_from = _peel(starts, other[order], np.tile(weight, 2)[order], nodes)
    place = np.empty(nodes)
    place[taken] = np.arange(nodes)
    of_actors = place[: edges.actors]
    return Verdict(of_actors, of_actors >= block_from)


@njit(cache=True)
def _peel(starts: Any, other: Any, weight: Any, nodes: int) -> Any:
    """The nodes in the order in which they are taken away, and from which place on they are the densest block."""
    left = np.zeros(nodes)
    for node in range(nodes):
        for e in range(starts[node], starts[node + 1]):
            left[node] += weight[e]
    total, best, block_from = left.sum() / 2.0, -1.0, 0
    heap = [(left[node], node) for node in range(nodes)]
    heapq.heapify(heap)
    gone = np.zeros(nodes, np.bool_)
    taken = np.empty(nodes, np.int64)
    for step in range(nodes):
        if total / (nodes - step) > best + 1e-12:
            best, block_from = total / (nodes - step), step
        while True:
            value, node = heapq.heappop(heap)
            # A node is there once for each weight that it had.
            if not gone[node] and value == left[node]:
                break
        gone[node] = True
        taken[step] = node
        total -= left[node]
        for e in range(starts[node], starts[node + 1]):
            neighbour = other[e]
            if not gone[neighbour]:
                left[neighbour] -= weight[e]
                heapq.heappush(heap, (left[neighbour], neighbour))
    return taken, block_from
