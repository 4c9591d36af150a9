"""How often the best lane of one half of history is below the middle in the other half.

Combinatorially symmetric cross-validation (CSCV) of Bailey, Borwein, Lopez de Prado and Zhu 2017,
Journal of Computational Finance 20(4).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import log

import numpy as np
import numpy.typing as npt

from core.domain.bars import FloatArray, IntArray
from core.errors import InvalidInput
from core.trust.deflated import effective_trials
from core.trust.matrix import ReturnMatrix

BLOCKS = 16
FEWEST_BLOCKS, MOST_BLOCKS = 4, 20
HALVES_AT_ONCE = 1024
_CELLS_AT_ONCE = 1 << 17  # a table of Sharpe ratios that stays in the cache
_ROWS_OF_BLOCK = 2
_GROUP = 4  # blocks whose choices are all added up once
_PAIR = 2
_FLAT = 1e-10  # share of the squares that deviations must exceed; else the half is constant
_UNSURE = 1 << 16  # ratios are told apart to 36 bits: the rest is rounding of their sums

# Measured over noise searches of independent lanes (16 blocks; 400 draws, 100 of N = 1,000): lanes,
# standard deviation of PBO, 5% and 95% of it. `tests/unit/trust` measures one row again.
_NOISE = np.array(
    [
        (2, 0.290, 0.05, 0.95),
        (5, 0.243, 0.15, 0.95),
        (10, 0.220, 0.17, 0.87),
        (20, 0.194, 0.20, 0.82),
        (50, 0.160, 0.23, 0.75),
        (100, 0.147, 0.26, 0.74),
        (300, 0.131, 0.28, 0.71),
        (1000, 0.109, 0.33, 0.67),
    ]
)


@dataclass(frozen=True, eq=False, slots=True)
class Overfitting:
    """What CSCV says of the way in which a search chooses.

    The arrays have one entry for each of the C(S, S/2) choices of half the blocks, in the order of
    `itertools.combinations`; they are empty, and the numbers None, where `reason` says why.

    Attributes:
        pbo: Probability of backtest overfitting: share of choices whose winner is out of sample
            not above the middle (logit <= 0), 0 to 1.
        error: Its standard error, 0 to 0.3. Choices overlap, so it has nothing to do with their
            number; it is the standard deviation that PBO was measured to have over searches of
            noise with as many independent lanes as these count for (`effective_trials`). With an
            edge that only some lanes have it was measured within 15% of that from PBO 18% to
            40%; towards 0 it is too great. Never read 40% and 60% as different.
        noise: 5% and 95% of PBO in those searches.
        slope: Of the winner's ratio out of sample on that in sample, by least squares; below 0 in
            most searches of noise. None where all are the same in sample.
        loss: Share of choices whose winner lost out of sample, 0 to 1.
        blocks: S.
        lanes: Those compared; lanes that never traded are not among them.
        logits: `ln(w / (1 - w))`, w the winner's rank out of sample over N + 1. Equal ratios rank
            in the order of lanes; since the first of them wins, it ranks below its copies.
        in_sample: Sharpe ratio of the winner in its half, of one session.
        out_of_sample: Its ratio in the other half, 0 where it did not trade.
        winners: Its lane, int64.
        reason: A sentence; None where `pbo` is defined.
    """

    blocks: int
    lanes: int
    pbo: float | None = None
    error: float | None = None
    noise: tuple[float, float] | None = None
    slope: float | None = None
    loss: float | None = None
    logits: FloatArray = field(default_factory=lambda: np.zeros(0))
    in_sample: FloatArray = field(default_factory=lambda: np.zeros(0))
    out_of_sample: FloatArray = field(default_factory=lambda: np.zeros(0))
    winners: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    reason: str | None = None


def overfitting(search: ReturnMatrix, *, blocks: int = BLOCKS) -> Overfitting:
    """Compute the probability of backtest overfitting of a search.

    Sessions are cut into S blocks of equal length, those beyond a multiple of S dropped at the
    start. For every choice of half the blocks the lane with the greatest Sharpe ratio there is
    looked up in the other half. A ratio needs only the sums of a block and of its squares, so a
    choice adds up blocks; memory does not grow with the number of choices.

    A lane that is constant in a half (it did not trade there) cannot win in it, and has a ratio of
    0 when it is the other half.

    Args:
        search: All lanes, as returns of sessions.
        blocks: S, even, 4 to 20; 16 make 12,870 choices.

    Raises:
        InvalidInput: a number of blocks that is odd or out of range.
    """
    if blocks % 2 or not FEWEST_BLOCKS <= blocks <= MOST_BLOCKS:
        raise InvalidInput(
            f"blocks are {blocks}",
            expected=f"an even number from {FEWEST_BLOCKS} to {MOST_BLOCKS}",
            field="blocks",
        )
    lanes = len(search.traded)
    if lanes < _PAIR:
        return Overfitting(blocks, lanes, reason="fewer than two trials traded")
    if search.sessions < blocks * _ROWS_OF_BLOCK:
        return Overfitting(
            blocks,
            lanes,
            reason=f"{search.sessions} sessions are too few for {blocks} blocks",
        )
    halves = _Halves.of(search, blocks)
    if halves.are_alike():
        return Overfitting(blocks, lanes, reason="all trials that traded have the same returns")
    found = halves.winners()
    if not np.isfinite(found.inside).all():
        return Overfitting(blocks, lanes, reason="in some half of history no trial traded")
    below = found.below + 1.0
    logits = np.log(below / (lanes + 1.0 - below))
    number = _of_noise(lanes if (count := effective_trials(search)) is None else count)
    return Overfitting(
        blocks=blocks,
        lanes=lanes,
        pbo=float((logits <= 0.0).mean()),
        error=number[0],
        noise=(number[1], number[2]),
        slope=_slope(found.inside, found.outside),
        loss=float((found.outside < 0.0).mean()),
        logits=logits,
        in_sample=found.inside,
        out_of_sample=found.outside,
        winners=search.traded[found.lane],
    )


@dataclass(frozen=True, eq=False, slots=True)
class _Winners:
    """The best lane of each half: its place, its ratio there and in the other half, its rank."""

    lane: IntArray
    inside: FloatArray
    outside: FloatArray
    below: IntArray

    @classmethod
    def empty(cls, count: int) -> _Winners:
        return cls(
            np.zeros(count, dtype=np.int64),
            np.zeros(count),
            np.zeros(count),
            np.zeros(count, dtype=np.int64),
        )


@dataclass(frozen=True, eq=False, slots=True)
class _Halves:
    """Sums of blocks, shape (S, N), of returns and of their squares; rows are those of a half."""

    sums: FloatArray
    squares: FloatArray
    rows: int

    @classmethod
    def of(cls, search: ReturnMatrix, blocks: int) -> _Halves:
        rest = search.sessions % blocks
        shape = (blocks, len(search.traded))
        sums, squares = np.empty(shape), np.empty(shape)
        for place, returns in search.stripes():
            cut = returns[rest:].reshape(blocks, -1, returns.shape[1])
            sums[:, place] = cut.sum(axis=1)
            squares[:, place] = np.einsum("btn,btn->bn", cut, cut)
        return cls(sums, squares, (search.sessions - rest) // 2)

    def are_alike(self) -> bool:
        """Whether every lane has the same blocks: then none was chosen before another."""
        return all(bool((each == each[:, :1]).all()) for each in (self.sums, self.squares))

    def winners(self) -> _Winners:
        """Find the winner of every half; a half and the other one are each other's outside."""
        all_sums, all_squares = self.sums.sum(axis=0), self.squares.sum(axis=0)
        may_be_flat = self._may_be_flat()
        tables = _in_groups(self.sums), _in_groups(self.squares)
        found, done = None, 0
        for chosen, count in self._choices():
            if found is None:
                found = _Winners.empty(2 * count)
            sums, squares = (_chosen(each, chosen) for each in tables)
            others, other_squares = all_sums - sums, all_squares - squares
            first = _Half.of(sums, squares, self.rows, may_be_flat=may_be_flat)
            second = _Half.of(others, other_squares, self.rows, may_be_flat=may_be_flat)
            # The other half of the first choice is the last one, and so on.
            here = np.arange(done, done + len(chosen))
            _look_up(found, here, first, second)
            _look_up(found, 2 * count - 1 - here, second, first)
            done += len(chosen)
        assert found is not None  # noqa: S101 - there is a choice of four blocks and more
        return found

    def _may_be_flat(self) -> bool:
        """Whether some lane could be constant in some half.

        The spread of a half is at least that within its blocks. Where even the calmest half of
        the blocks of every lane has enough of it, no half needs to be looked at.
        """
        within = self.squares - self.sums * self.sums * (len(self.sums) / (2.0 * self.rows))
        half = len(self.sums) // 2
        calmest = np.sort(within, axis=0)[:half].sum(axis=0)
        return bool((calmest <= 2.0 * _FLAT * self.squares.sum(axis=0)).any())

    def _choices(self) -> Iterator[tuple[IntArray, int]]:
        """Give the halves with the first block, some at a time, and how many there are.

        A row is a half, a column a group of blocks, a bit of a number one of its blocks.
        """
        blocks = len(self.sums)
        rest = np.array(list(combinations(range(1, blocks), blocks // 2 - 1)))
        groups = -(-blocks // _GROUP)
        step = max(1, min(HALVES_AT_ONCE, _CELLS_AT_ONCE // self.sums.shape[1]))
        for begin in range(0, len(rest), step):
            some = rest[begin : begin + step]
            chosen = np.zeros((len(some), groups), dtype=np.int64)
            chosen[:, 0] = 1
            for block in some.T:
                chosen[np.arange(len(some)), block // _GROUP] |= 1 << block % _GROUP
            yield chosen, len(rest)


def _in_groups(blocks: FloatArray) -> list[FloatArray]:
    """Add up every choice of the blocks of each group: rows by the bits of the choice."""
    tables = []
    for begin in range(0, len(blocks), _GROUP):
        group = blocks[begin : begin + _GROUP]
        table = np.zeros((1 << len(group), blocks.shape[1]))
        for bit, block in enumerate(group):
            table[1 << bit : 2 << bit] = table[: 1 << bit] + block
        tables.append(table)
    return tables


def _chosen(tables: Sequence[FloatArray], chosen: IntArray) -> FloatArray:
    """Add up the chosen blocks, shape (halves, N), in one order.

    A product of matrices is rounded in an order that depends on its shape and on threads.
    """
    total: FloatArray = tables[0][chosen[:, 0]]
    for table, row in zip(tables[1:], chosen.T[1:], strict=True):
        total += table[row]
    return total


@dataclass(frozen=True, eq=False, slots=True)
class _Half:
    """Lanes in some halves; arrays of shape (halves, N).

    Attributes:
        sums, squares: Of returns, and of their squares.
        keys: What orders lanes as their Sharpe ratios do; 0 where a lane is constant.
        competing: The same, and -infinity where a lane is constant.
        rows: Those of a half.
    """

    sums: FloatArray
    squares: FloatArray
    keys: FloatArray
    competing: FloatArray
    rows: int

    @classmethod
    def of(cls, sums: FloatArray, squares: FloatArray, rows: int, *, may_be_flat: bool) -> _Half:
        """Order lanes by `sum |sum| / squares`, which is n times q with the sign of the sum.

        The ratio is `sqrt(q / (1 - q))` but for a constant: it grows with q, which needs no root.
        """
        keys = np.abs(sums)
        keys *= sums
        with np.errstate(divide="ignore", invalid="ignore"):
            keys /= squares
        # Lanes with one return each in a half have equal ratios, and only rounding sets them apart.
        bits = keys.view(np.int64)
        bits += _UNSURE // 2
        bits &= -_UNSURE
        if may_be_flat:
            # No more than this is left of the squares, or there are none.
            flat = ~(np.abs(keys) < rows * (1.0 - _FLAT))
            if flat.any():
                still = np.where(flat, 0.0, keys)
                return cls(sums, squares, still, np.where(flat, -np.inf, keys), rows)
        return cls(sums, squares, keys, keys, rows)

    def ratios(self, lane: IntArray) -> FloatArray:
        """Compute the Sharpe ratio of one lane of each half, 0 where it is constant."""
        row = np.arange(len(lane))
        sums, squares = self.sums[row, lane], self.squares[row, lane]
        flat = self.keys[row, lane] == 0.0
        spread = np.where(flat, 1.0, squares - sums * sums / self.rows)
        ratios: FloatArray = sums / np.sqrt(spread * self.rows * self.rows / (self.rows - 1.0))
        return np.where(flat, 0.0, ratios)


def _look_up(found: _Winners, place: IntArray, inside: _Half, outside: _Half) -> None:
    lane = inside.competing.argmax(axis=1)
    rows = np.arange(len(lane))
    won = np.isfinite(inside.competing[rows, lane])
    found.lane[place] = lane
    found.inside[place] = np.where(won, inside.ratios(lane), -np.inf)
    found.outside[place] = outside.ratios(lane)
    reached = outside.keys[rows, lane][:, None]
    found.below[place] = _true_in_rows(outside.keys < reached)
    equal = outside.keys == reached
    if np.count_nonzero(equal) > len(rows):
        found.below[place] += _true_in_rows(equal & (np.arange(equal.shape[1]) < lane[:, None]))


def _true_in_rows(table: npt.NDArray[np.bool_]) -> IntArray:
    """Count what is true in each row, eight at a time."""
    counts: IntArray = np.bitwise_count(np.packbits(table, axis=1)).sum(axis=1, dtype=np.int64)
    return counts


def _slope(inside: FloatArray, outside: FloatArray) -> float | None:
    centred = inside - inside.mean()
    squares = float(centred @ centred)
    if squares <= _FLAT * float(inside @ inside):
        return None
    return float(centred @ (outside - outside.mean())) / squares


def _of_noise(lanes: float) -> tuple[float, float, float]:
    """Standard deviation, 5% and 95% of PBO over searches of noise, between the rows measured."""
    at = log(min(max(lanes, _NOISE[0, 0]), _NOISE[-1, 0]))
    counts = np.log(_NOISE[:, 0])
    spread, low, high = (float(np.interp(at, counts, _NOISE[:, n])) for n in (1, 2, 3))
    return spread, low, high
