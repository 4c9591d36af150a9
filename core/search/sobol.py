"""Points that fill the unit cube evenly: the sequence of Sobol' (1967).

Directions are those of Joe and Kuo (2008, SIAM J. Sci. Comput. 30), the first 32 dimensions. A seed
shifts every dimension by a number of its own, digit by digit, which keeps the evenness.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from core.domain.bars import FloatArray
from core.errors import InvalidInput

BITS: Final = 30
# From the second dimension: primitive polynomial, its coefficients as bits, and initial numbers.
_DIRECTIONS: Final[tuple[tuple[int, tuple[int, ...]], ...]] = (
    (3, (1,)),
    (7, (1, 3)),
    (11, (1, 3, 1)),
    (13, (1, 1, 1)),
    (19, (1, 1, 3, 3)),
    (25, (1, 3, 5, 13)),
    (37, (1, 1, 5, 5, 17)),
    (41, (1, 1, 5, 5, 5)),
    (47, (1, 1, 7, 11, 19)),
    (55, (1, 1, 5, 1, 1)),
    (59, (1, 1, 1, 3, 11)),
    (61, (1, 3, 5, 5, 31)),
    (67, (1, 3, 3, 9, 7, 49)),
    (91, (1, 1, 1, 15, 21, 21)),
    (97, (1, 3, 1, 13, 27, 49)),
    (103, (1, 1, 1, 15, 7, 5)),
    (109, (1, 3, 1, 15, 13, 25)),
    (115, (1, 1, 5, 5, 19, 61)),
    (131, (1, 3, 7, 11, 23, 15, 103)),
    (137, (1, 3, 7, 13, 13, 15, 69)),
    (143, (1, 1, 3, 13, 7, 35, 63)),
    (145, (1, 3, 5, 9, 1, 25, 53)),
    (157, (1, 3, 1, 13, 9, 35, 107)),
    (167, (1, 3, 1, 5, 27, 61, 31)),
    (171, (1, 1, 5, 11, 19, 41, 61)),
    (185, (1, 3, 5, 3, 3, 13, 69)),
    (191, (1, 1, 7, 13, 1, 19, 1)),
    (193, (1, 3, 7, 5, 13, 19, 59)),
    (203, (1, 1, 3, 9, 25, 29, 41)),
    (211, (1, 3, 5, 13, 23, 1, 55)),
    (213, (1, 3, 7, 3, 13, 59, 17)),
)


def sobol(count: int, dimensions: int, *, skip: int = 0, seed: int | None = None) -> FloatArray:
    """Give points of the sequence.

    Args:
        count: How many, from the one after `skip`.
        dimensions: 1 to 32.
        skip: Points left out at the beginning.
        seed: Of the shift; None for the plain sequence, whose first point is the origin.

    Returns:
        In [0, 1), shape (count, dimensions).

    Raises:
        InvalidInput: more dimensions than 32, or more than 2^30 points.
    """
    if not 1 <= dimensions <= len(_DIRECTIONS) + 1:
        raise InvalidInput(
            f"a Sobol sequence is asked for in {dimensions} dimensions",
            expected=f"1 to {len(_DIRECTIONS) + 1}",
        )
    if skip + count > 1 << BITS:
        raise InvalidInput(
            f"point {skip + count:,} of a Sobol sequence is asked for",
            expected=f"at most {1 << BITS:,}",
        )
    number = np.arange(skip, skip + count, dtype=np.int64)
    gray = number ^ (number >> 1)
    points = np.zeros((count, dimensions), dtype=np.int64)
    for d in range(dimensions):
        for bit, direction in enumerate(_directions(d)):
            points[:, d] ^= np.where((gray >> bit) & 1, direction, 0)
    if seed is not None:
        points ^= np.random.default_rng(seed).integers(0, 1 << BITS, dimensions)
    return points / float(1 << BITS)


def _directions(dimension: int) -> list[int]:
    if dimension == 0:
        return [1 << (BITS - 1 - bit) for bit in range(BITS)]
    polynomial, initial = _DIRECTIONS[dimension - 1]
    degree = len(initial)
    numbers = list(initial)
    for k in range(degree, BITS):
        new = numbers[k - degree] ^ (numbers[k - degree] << degree)
        for i in range(1, degree):
            if (polynomial >> (degree - i)) & 1:
                new ^= numbers[k - i] << i
        numbers.append(new)
    return [number << (BITS - 1 - bit) for bit, number in enumerate(numbers)]
