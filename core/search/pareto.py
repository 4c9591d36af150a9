"""Of several objectives: what no other trial beats in all of them, and where the bend is."""

from __future__ import annotations

import numpy as np

from core.domain.bars import FloatArray, IntArray


def front(scores: FloatArray) -> IntArray:
    """Find the rows that no other row dominates: as good in all columns, and better in one.

    Args:
        scores: Shape (N, objectives), more is better; rows with NaN are left out.

    Returns:
        Their numbers, the best by the first column first; equal rows are all in it.
    """
    rows = np.flatnonzero(~np.isnan(scores).any(axis=1))
    order = rows[
        np.lexsort((rows, *(-scores[rows, k] for k in range(scores.shape[1] - 1, -1, -1))))
    ]
    kept: list[int] = []
    best = np.empty((0, scores.shape[1]))
    for row in order:
        here = scores[row]
        if ((best >= here).all(axis=1) & (best > here).any(axis=1)).any():
            continue
        kept.append(int(row))
        best = np.vstack([best, here])
    return np.array(kept, dtype=np.int64)


def knee(scores: FloatArray, members: IntArray) -> int | None:
    """Find the bend of a front: the member farthest above the chord between its ends.

    Objectives are brought to 0 to 1 over the front first. With three, the chord is the plane
    through one of each.

    Args:
        scores: Shape (N, objectives).
        members: Rows of the front.

    Returns:
        A row, the first of equal ones; None if there is no front.
    """
    if len(members) == 0:
        return None
    of_front = scores[members]
    low, high = of_front.min(axis=0), of_front.max(axis=0)
    # What does not differ over the front decides nothing.
    span = np.where(high > low, high - low, np.inf)
    return int(members[((of_front - low) / span).sum(axis=1).argmax()])
