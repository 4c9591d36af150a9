"""Whether the best of many lanes is better than what luck gives the best of so many.

White's reality check (2000, Econometrica 68(5)) and Hansen's test for superior predictive ability
(2005, Journal of Business and Economic Statistics 23(4)), by the stationary bootstrap of Politis
and Romano (1994). What lanes are to beat is 0; subtract a benchmark first where it is another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil, log, log10, sqrt

import numpy as np

from core.analytics.undefined import NOISE
from core.domain.bars import FloatArray, IntArray
from core.errors import InvalidInput
from core.trust.matrix import ReturnMatrix

DRAWS = 1000
FEWEST_SESSIONS = 20
"""Below that neither test says anything."""
LANES_ASKED = 64
"""How many lanes are asked for the length of their blocks."""

_CELLS_AT_ONCE = 1 << 17  # a table that stays in the cache
_SILENT_LAGS = 5  # so many autocorrelations in a row must be small, where log10 T is not more
_SMALL = 2.0  # times sqrt(log10(T) / T)


def block_length(returns: FloatArray) -> float | None:
    """Choose the mean length of the blocks of a stationary bootstrap.

    `(2 G^2 / D)^(1/3) T^(1/3)`, `G = sum w(k/M) |k| R(k)`, `D = 2 (sum w(k/M) R(k))^2`, `R` the
    autocovariances, `w` the flat-top window, M twice the lag after which autocorrelations stay
    within `2 sqrt(log10(T) / T)` (Politis and White 2004, Econometric Reviews 23(1), corrected by
    Patton, Politis and White 2009, 28(4)).

    Args:
        returns: Of one lane, shape (T,).

    Returns:
        1 to `min(3 sqrt(T), T / 3)`; None for fewer than 20 returns or constant ones.
    """
    count = len(returns)
    if count < FEWEST_SESSIONS:
        return None
    centred = returns - returns.mean()
    variance = float(centred @ centred) / count
    if not variance > NOISE * NOISE:
        return None
    silent = max(_SILENT_LAGS, ceil(log10(count)))
    furthest = min(ceil(sqrt(count)) + silent, count - 1)
    covariances = np.array(
        [float(centred[lag:] @ centred[: count - lag]) / count for lag in range(furthest + 1)]
    )
    small = np.abs(covariances[1:] / variance) < _SMALL * sqrt(log10(count) / count)
    last = next(
        (lag for lag in range(furthest - silent + 1) if small[lag : lag + silent].all()), None
    )
    reach = furthest if last is None else min(2 * max(last, 1), furthest)
    lags = np.arange(1, reach + 1)
    window = np.minimum(1.0, 2.0 * (1.0 - lags / reach))
    weighted = window * covariances[1 : reach + 1]
    slope = 2.0 * float(weighted @ lags)
    level = variance + 2.0 * float(weighted.sum())
    longest = min(3.0 * sqrt(count), count / 3.0)
    if level == 0.0:
        return longest
    best = float(np.cbrt((slope / level) ** 2 * count))
    return min(max(1.0, best), longest)


def mean_block(search: ReturnMatrix) -> float:
    """Choose one mean block length for all lanes of a search, so that they share their draws.

    Returns:
        Sessions: the median of `block_length` over up to 64 lanes that traded, evenly spread; the
        cube root of T where none has one. At least 1.
    """
    step = max(1, -(-len(search.traded) // LANES_ASKED))
    found = [
        length
        for lane in search.traded[::step].tolist()
        if (length := block_length(search.lane(lane))) is not None
    ]
    if not found:
        return max(1.0, float(np.cbrt(search.sessions)))
    return float(np.median(found))


def stationary_rows(sessions: int, draws: int, block: float, rng: np.random.Generator) -> IntArray:
    """Draw histories by the stationary bootstrap: blocks of geometric length, history in a ring.

    Args:
        sessions: T, at least 1.
        draws: B, at least 1.
        block: Mean length of a block, at least 1.
        rng: The same generator gives the same draws.

    Returns:
        Rows to take, shape (B, T), int64.

    Raises:
        InvalidInput: an argument is below 1.
    """
    for name, value in (("sessions", sessions), ("draws", draws), ("block", block)):
        if not value >= 1:
            raise InvalidInput(f"{name} is {value}", expected="at least 1", field=name)
    begins = rng.random((draws, sessions)) * block < 1.0
    begins[:, 0] = True
    places = np.arange(sessions)
    # Each row of a draw counts on from the last one at which a block began; where that is does not
    # matter, because the start is anywhere.
    since = np.maximum.accumulate(np.where(begins, places, 0), axis=1)
    starts = rng.integers(0, sessions, (draws, sessions))
    rows: IntArray = (np.take_along_axis(starts, since, axis=1) + places) % sessions
    return rows


def stationary_counts(
    sessions: int, draws: int, block: float, rng: np.random.Generator
) -> FloatArray:
    """Count how often each session is in each draw of `stationary_rows`.

    `weights @ returns` are then the means of all lanes in all draws, paired: one product instead of
    B copies of history.

    Returns:
        Shares, shape (B, T), float64; rows sum to 1.

    Raises:
        InvalidInput: as `stationary_rows`.
    """
    rows = stationary_rows(sessions, draws, block, rng)
    rows += sessions * np.arange(draws)[:, None]
    counts = np.bincount(rows.ravel(), minlength=draws * sessions)
    return counts.reshape(draws, sessions) / sessions


@dataclass(frozen=True, eq=False, slots=True)
class SnoopingTest:
    """How likely the best of so many lanes without any edge looks at least as good.

    The three probabilities differ in which lanes are put to an edge of exactly 0 before drawing:
    `p` leaves as bad as they are those that are worse than chance explains, which is Hansen's
    choice. All are `(1 + draws at or above) / (1 + B)`, so never 0. None where `reason` says why.

    Attributes:
        draws: B.
        p: Hansen's consistent p-value, 0 to 1.
        lower: With no lane worse than 0 put to 0: a bound from below.
        upper: With all put to 0: a bound from above. Not studentised it is White's reality check.
        statistic: `sqrt(T)` times the greatest mean (over its bootstrap deviation where
            studentised), at least 0.
        lane: The one that has it.
        block: Mean length of a block, sessions.
        maxima: The statistic in each draw under `p`, shape (B,), for the picture.
        reason: A sentence; None where `p` is defined.
    """

    draws: int
    p: float | None = None
    lower: float | None = None
    upper: float | None = None
    statistic: float | None = None
    lane: int | None = None
    block: float | None = None
    maxima: FloatArray = field(default_factory=lambda: np.zeros(0))
    reason: str | None = None


def superior_ability(
    search: ReturnMatrix,
    rng: np.random.Generator,
    *,
    draws: int = DRAWS,
    block: float | None = None,
    studentised: bool = True,
) -> SnoopingTest:
    """Test whether the best lane is better than nothing, all lanes considered (SPA).

    A lane counts by `z = sqrt(T) mean / omega`, `omega` the deviation of its mean over the draws
    times `sqrt(T)`; lanes with `z < -sqrt(2 ln ln T)` are left out of the null. Memory is B x T
    numbers and B times some lanes.

    Args:
        search: Returns of sessions in excess of what is to be beaten.
        rng: The same generator gives the same draws.
        draws: B, at least 1.
        block: Mean length of a block in sessions, at least 1; None for `mean_block`.
        studentised: Whether means are divided by their deviations. Hansen does, White does not.

    Raises:
        InvalidInput: `draws` or `block` is below 1.
    """
    if not len(search.traded):
        return SnoopingTest(draws, reason="no trial traded")
    if search.sessions < FEWEST_SESSIONS:
        return SnoopingTest(
            draws, reason=f"{search.sessions} sessions are too few, {FEWEST_SESSIONS} are needed"
        )
    length = mean_block(search) if block is None else block
    weights = stationary_counts(search.sessions, draws, length, rng)
    best, lane = -np.inf, 0
    null = np.zeros((3, draws))  # a maximum below 0 counts as 0
    scale = sqrt(search.sessions)
    bound = -sqrt(2.0 * log(log(search.sessions)))
    for place, returns in _narrow(search, draws):
        mean = returns.mean(axis=0)
        drawn = weights @ returns
        centred = drawn - mean
        deviation = scale * np.sqrt((centred**2).mean(axis=0))
        unit = scale / (deviation if studentised else np.ones_like(deviation))
        scores = mean * unit
        if scores.max() > best:
            best, lane = float(scores.max()), int(search.traded[place][scores.argmax()])
        # Each lane is put to 0 or left as it is, so two tables tell all three maxima.
        centred *= unit
        drawn *= unit
        is_kept = scale * mean >= bound * deviation
        for row, put_to_0 in enumerate((mean > 0.0, is_kept, np.ones_like(is_kept))):
            table = centred if put_to_0.all() else np.where(put_to_0, centred, drawn)
            np.maximum(null[row], table.max(axis=1), out=null[row])
    statistic = max(0.0, best)
    lower, p, upper = ((1.0 + (null >= statistic).sum(axis=1)) / (1.0 + draws)).tolist()
    return SnoopingTest(
        draws, p, lower, upper, statistic, lane, float(length), maxima=null[1], reason=None
    )


def _narrow(search: ReturnMatrix, draws: int) -> Iterator[tuple[slice, FloatArray]]:
    """Go through lanes so few at a time that a table of their means in all draws is at hand."""
    width = max(1, _CELLS_AT_ONCE // draws)
    for place, returns in search.stripes():
        for begin in range(0, returns.shape[1], width):
            some = returns[:, begin : begin + width]
            first = place.start + begin
            yield slice(first, first + some.shape[1]), some


def reality_check(
    search: ReturnMatrix,
    rng: np.random.Generator,
    *,
    draws: int = DRAWS,
    block: float | None = None,
) -> SnoopingTest:
    """Compute White's reality check: its p-value is `upper` of the test on plain means.

    Raises:
        InvalidInput: `draws` or `block` is below 1.
    """
    return superior_ability(search, rng, draws=draws, block=block, studentised=False)
