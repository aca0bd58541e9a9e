"""Event-based metrics: events of one file matched one to one by label, onset and offset; counts out.

An estimated event is correct when its label is, its onset lies within COLLAR seconds of the reference's, and its offset within
max(COLLAR, SHARE x the reference's length). Pairs are chosen so that as many events as possible match (sed_eval's "optimal").
A substitution is an unmatched reference event whose times fit an unmatched estimated event of another label. Mesaros et al.,
2016, section 4.4. Rates are computed from the summed counts by `segment_based.error_rate`, `f1` and so on.
"""

import numpy as np

from audiolog_cli.metrics.activity import Intervals, Ints
from audiolog_cli.metrics.segment_based import Counts

COLLAR = 0.2  # seconds
SHARE = 0.5  # of the reference event's length


def event_counts(reference: Intervals, estimate: Intervals, n_labels: int) -> Counts:
    """Match the events of one file.

    >>> dog = Intervals(np.array([1.0]), np.array([3.0]), np.array([0]))
    >>> heard = Intervals(np.array([1.1, 7.0]), np.array([3.9, 8.0]), np.array([0, 0]))  # 0.9 s late is within half of 2 s
    >>> event_counts(dog, heard, 1).true_positives, event_counts(dog, heard, 1).insertions
    (array([1]), 1)
    """
    reference_index, estimate_index = _fitting_pairs(reference, estimate)
    same_label = reference.label[reference_index] == estimate.label[estimate_index]
    matched = match_most(reference_index[same_label], estimate_index[same_label])
    hits = np.array(sorted(matched), dtype=np.int64)
    other_label = [
        (int(i), int(j))
        for i, j in zip(reference_index[~same_label], estimate_index[~same_label], strict=True)
        if i not in matched
    ]
    return Counts(
        n_reference=np.bincount(reference.label, minlength=n_labels),
        n_estimated=np.bincount(estimate.label, minlength=n_labels),
        true_positives=np.bincount(reference.label[hits], minlength=n_labels),
        substitutions=_count_substitutions(other_label, set(matched.values())),
    )


def _fitting_pairs(reference: Intervals, estimate: Intervals) -> tuple[Ints, Ints]:
    """Indices (reference, estimate) of all events whose times fit, whatever their labels; sorted."""
    order = np.argsort(estimate.onset, kind="stable")
    near = COLLAR + 1e-6  # a little wide: the exact comparison follows
    first = np.searchsorted(estimate.onset[order], reference.onset - near, side="left")
    end = np.searchsorted(estimate.onset[order], reference.onset + near, side="right")
    n_near = end - first
    i = np.repeat(np.arange(len(reference.onset)), n_near)
    j = order[np.arange(n_near.sum()) - np.repeat(np.cumsum(n_near) - n_near, n_near) + np.repeat(first, n_near)]
    fits = np.abs(reference.onset[i] - estimate.onset[j]) <= COLLAR
    offset_collars = np.maximum(COLLAR, SHARE * (reference.offset - reference.onset))
    fits &= np.abs(reference.offset[i] - estimate.offset[j]) <= offset_collars[i]
    i, j = i[fits], j[fits]
    by_index = np.lexsort((j, i))
    return i[by_index], j[by_index]


def _count_substitutions(pairs: list[tuple[int, int]], taken: set[int]) -> int:
    """Pair each unmatched reference event, in order, with the first free estimated event that fits in time; count the pairs."""
    taken = set(taken)
    substituted: set[int] = set()
    for i, j in pairs:
        if i not in substituted and j not in taken:
            substituted.add(i)
            taken.add(j)
    return len(substituted)


def match_most(left: Ints, right: Ints) -> dict[int, int]:
    """The largest one-to-one matching of a bipartite graph of edges (left[n], right[n]); returns {left: right}.

    Edges without a competitor at either end are taken first; then each right takes its first free left, and augmenting paths
    follow (Kuhn, 1955).

    >>> match_most(np.array([0, 0, 1]), np.array([5, 6, 5]))  # 0 must leave 5 to 1
    {0: 6, 1: 5}
    """
    if not len(left):
        return {}
    alone = (np.bincount(left)[left] == 1) & (np.bincount(right)[right] == 1)
    matched = dict(zip(left[alone].tolist(), right[alone].tolist(), strict=True))
    graph: dict[int, list[int]] = {}  # right -> its lefts, in the order of the edges
    for u, v in zip(right[~alone].tolist(), left[~alone].tolist(), strict=True):
        graph.setdefault(u, []).append(v)
    for u, neighbours in graph.items():
        free = next((v for v in neighbours if v not in matched), None)
        if free is not None:
            matched[free] = u
    busy = set(matched.values())
    for u in (u for u in graph if u not in busy):
        _augment(u, graph, matched)
    return matched


def _augment(root: int, graph: dict[int, list[int]], matched: dict[int, int]) -> None:
    """Match one more right, `root`, by the shortest alternating path from it to a free left, if there is one."""
    before: dict[int, int] = {}  # left -> the right it was reached from
    left_of: dict[int, int] = {}  # right on the way -> the left that it is matched with
    queue = [root]
    for u in queue:
        for v in (v for v in graph[u] if v not in before):
            before[v] = u
            if v in matched:
                left_of[matched[v]] = v
                queue.append(matched[v])
                continue
            while v != -1:  # flip the path back to the root
                u = before[v]
                matched[v] = u
                v = left_of.get(u, -1)
            return
