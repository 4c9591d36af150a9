"""How this room says that a number does not exist, and when a denominator counts as zero."""

from __future__ import annotations

from core.domain.metrics import REASONS

NOISE = 1e-12
"""Fractions up to this are rounding of float64 equity (about 1e-16 a bar), not a loss, a fall or a
spread. Dividing by them is how other libraries arrive at a Sharpe ratio of 2.4e16."""


class Undefined(Exception):
    """The number is not defined for this input, and the reason why.

    Every function of this room returns a finite float or raises this; none returns NaN, infinity or
    a stand-in such as 0. It never leaves the room: `summarise` turns it into None and the reason.

    Args:
        reason: A code of `REASONS`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(REASONS[reason])
        self.reason = reason
