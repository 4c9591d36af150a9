"""Worlds in which nobody has an edge, made of the bars of this one.

The same search on such worlds says what its winner looks like by luck, whatever was searched and by
whichever objective. Sessions are drawn in blocks (stationary bootstrap, Politis and Romano 1994)
and their bars keep shape and volume, so that volatility comes and goes as it did; which way they go
is decided by coins, and the mean is taken out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite, isnan, log
from typing import Any

import numpy as np
import numpy.typing as npt

from core.domain.bars import NO_ACTION, Bars, FloatArray, IntArray
from core.domain.detail import Detail
from core.errors import InvalidInput
from core.trust.snooping import block_length, stationary_rows

_FEWEST_BARS = 2
COIN = 0.5
_Rows = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False, slots=True)
class _Shapes:
    """Bars as logarithms, shape (T,) each: what a world is put together from.

    Attributes:
        gap: Open over the close before, dividends and splits undone; 0 in row 0.
        body: Close over open.
        high, low: Over open.
        starts: Rows at which sessions begin, and T; shape (sessions + 1,).
        opening: Whether a row is the first of its session.
    """

    gap: FloatArray
    body: FloatArray
    high: FloatArray
    low: FloatArray
    volume: FloatArray
    starts: IntArray
    opening: _Rows

    @classmethod
    def of(cls, bars: Bars) -> _Shapes:
        count = len(bars)
        after = bars.open * (1.0 if bars.split is None else bars.split)
        if bars.dividend is not None:
            after = after + bars.dividend
        gap = np.zeros(count)
        gap[1:] = np.log(after[1:] / bars.close[:-1])
        opening = np.ones(count, dtype=np.bool_)
        opening[1:] = bars.session[1:] != bars.session[:-1]
        return cls(
            gap=gap,
            body=np.log(bars.close / bars.open),
            high=np.log(bars.high / bars.open),
            low=np.log(bars.low / bars.open),
            volume=bars.volume,
            starts=np.append(np.flatnonzero(opening), count),
            opening=opening,
        )

    @property
    def moves(self) -> FloatArray:
        """Log return of each session, its gap included."""
        return np.add.reduceat(self.gap + self.body, self.starts[:-1])

    def rows(self, sessions: IntArray) -> IntArray:
        """Say from which row each row of a world comes, if its sessions come from these.

        An opening bar comes from an opening bar, the others in proportion from the others, where
        sessions are not equally long. What a session of one bar lacks comes from the whole day.
        """
        wanted, had = np.diff(self.starts), np.diff(self.starts)[sessions]
        begin = np.repeat(self.starts[:-1][sessions], wanted)
        place = np.arange(int(self.starts[-1])) - np.repeat(self.starts[:-1], wanted)
        inner = np.repeat(np.maximum(had - 1, 0), wanted)
        others = np.repeat(np.maximum(wanted - 1, 1), wanted)
        moved = np.where(inner > 0, 1 + (place - 1) * inner // others, 0)
        found: IntArray = begin + np.where(place > 0, moved, 0)
        return found


@dataclass(frozen=True, eq=False, slots=True)
class NullWorlds:
    """Any number of worlds; world k is the same whoever makes it, and in whatever order.

    Attributes:
        bars: The world there is.
        seed: Of all of them; each has a child of it (`SeedSequence.spawn`).
        block: Mean length of a block, sessions.
        mirrored: Whether coins decide which way gaps and bars go.
    """

    bars: Bars
    seed: int
    block: float
    mirrored: bool
    _shapes: _Shapes = field(repr=False)
    _drifts: FloatArray = field(repr=False)

    @classmethod
    def of(
        cls, bars: Bars, *, seed: int, block: float | None = None, mirrored: bool = True
    ) -> NullWorlds:
        """Make ready to make worlds of these bars.

        A block that is only drawn keeps what its bars said about each other: momentum or reversal
        over a few sessions, which is an edge, lives on in it. So gap and body of every bar are
        turned upside down by a coin each, which leaves their size, the length of wicks, volume and
        the hour, and nothing to predict a direction by. It takes asymmetry out too: falls are no
        faster than rises.

        Args:
            bars: Of one symbol, at least two.
            seed: 0 or more.
            block: Mean length in sessions, at least 1; None for `block_length` of the moves of
                sessions (of their sizes where mirrored), or the cube root of their number.
            mirrored: False draws whole blocks as they are, less the mean.

        Raises:
            InvalidInput: fewer than two bars, a seed below 0 or a block below 1.
        """
        if len(bars) < _FEWEST_BARS:
            raise InvalidInput(f"{bars.symbol} has {len(bars)} bars", expected="at least two")
        if seed < 0:
            raise InvalidInput(f"seed is {seed}", expected="0 or more", field="seed")
        shapes = _Shapes.of(bars)
        if block is None:
            moves = shapes.moves
            chosen = block_length(np.abs(moves) if mirrored else moves)
            block = max(1.0, float(np.cbrt(len(moves)))) if chosen is None else chosen
        if not block >= 1.0:
            raise InvalidInput(f"block is {block}", expected="at least 1", field="block")
        drifts = _drifts(shapes, mirrored=mirrored)
        return cls(bars, seed, float(block), mirrored, shapes, drifts)

    def world(self, number: int) -> Bars:
        """Make one world.

        It has the times, sessions and first open of the real one, and no dividends, splits or
        funding (their columns say that nothing happens). Every gap and every body multiplies the
        price by 1 in the mean, opening bars and the others by themselves: neither holding, nor
        holding over night, nor during sessions, nor selling short gains anything. Volume comes
        with its bar, and so do finer bars, which are put to the times there are. Rates of a
        currency stay as they are. Symbols with the same sessions and times, drawn with the same
        seed and block, are drawn together: blocks and coins are the same.

        Args:
            number: 0 or more.

        Raises:
            InvalidInput: a number below 0.
        """
        if number < 0:
            raise InvalidInput(f"number is {number}", expected="0 or more", field="number")
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(number,)))
        sessions = stationary_rows(len(self._shapes.starts) - 1, 1, self.block, rng)[0]
        coins = rng.random((2, len(self.bars))) < COIN if self.mirrored else None
        return self.of_sessions(sessions, coins)

    def of_sessions(self, sessions: IntArray, coins: _Rows | None) -> Bars:
        """Make the world that has been drawn.

        Args:
            sessions: Place of the session each session's bars come from, shape (D,).
            coins: Whether gap and body of each row are turned upside down, shape (2, T); None
                where none is.
        """
        shapes = self._shapes
        rows = shapes.rows(sessions)
        gap, body = shapes.gap[rows], shapes.body[rows]
        high, low = shapes.high[rows], shapes.low[rows]
        fell = np.zeros(len(rows), dtype=np.bool_)
        if coins is not None:
            turned, fell = coins
            gap = np.where(turned, -gap, gap)
            body = np.where(fell, -body, body)
            high, low = np.where(fell, -low, high), np.where(fell, -high, low)
        gap -= self._drifts[0]
        body -= self._drifts[1]
        gap[0] = 0.0
        moved = np.cumsum(gap + body)
        opens = self.bars.open[0] * np.exp(moved - body)
        closes = self.bars.open[0] * np.exp(moved)
        neutral: dict[str, Any] = {
            name: np.full(len(rows), value)
            for name, value in NO_ACTION.items()
            if getattr(self.bars, name) is not None
        }
        return replace(
            self.bars,
            open=opens,
            high=np.maximum(opens * np.exp(high), np.maximum(opens, closes)),
            low=np.minimum(opens * np.exp(low), np.minimum(opens, closes)),
            close=closes,
            volume=shapes.volume[rows],
            detail=_finer(self.bars, rows, fell, opens, closes),
            **neutral,
        )

    def worlds(self, count: int) -> Iterator[Bars]:
        """Make the first `count` worlds, one at a time."""
        return (self.world(number) for number in range(count))


def _finer(
    bars: Bars,
    rows: IntArray,
    fell: _Rows,
    opens: FloatArray,
    closes: FloatArray,
) -> Detail | None:
    """Put the finer bars of these rows into the bars of a world, in proportion to the times there.

    A row without any leaves its bar without any. The last one of a bar ends where the bar does, so
    that the drift that was taken out is not missing in them.
    """
    detail = bars.detail
    if detail is None:
        return None
    groups = np.diff(detail.first)
    had = groups[rows]
    wanted = np.where(had > 0, groups, 0)
    bar = np.repeat(np.arange(len(rows)), wanted)
    first = np.append(0, np.cumsum(wanted))
    place = np.arange(len(bar)) - first[bar]
    source = detail.first[rows[bar]] + place * had[bar] // np.maximum(wanted[bar], 1)
    base = bars.open[rows[bar]]
    o, h, l, c = (  # noqa: E741
        np.log(column[source] / base)
        for column in (detail.open, detail.high, detail.low, detail.close)
    )
    down = fell[bar]
    high, low = np.where(down, -l, h), np.where(down, -h, l)
    begin, end = (opens[bar] * np.exp(np.where(down, -moved, moved)) for moved in (o, c))
    end[first[1:][wanted > 0] - 1] = closes[wanted > 0]
    return replace(
        detail,
        ts=detail.ts[detail.first[bar] + place],
        open=begin,
        high=np.maximum(opens[bar] * np.exp(high), np.maximum(begin, end)),
        low=np.minimum(opens[bar] * np.exp(low), np.minimum(begin, end)),
        close=end,
        first=first,
    )


def _drifts(shapes: _Shapes, *, mirrored: bool) -> FloatArray:
    """Logarithms of the mean factors of gaps and bodies, by the kind of row; shape (2, T)."""
    found = np.zeros((2, len(shapes.gap)))
    has_gap = np.ones(len(shapes.gap), dtype=np.bool_)
    has_gap[0] = False
    for kind in (shapes.opening, ~shapes.opening):
        for part, (moves, those) in enumerate(((shapes.gap, kind & has_gap), (shapes.body, kind))):
            if those.any():
                factors = np.cosh(moves[those]) if mirrored else np.exp(moves[those])
                found[part, kind] = log(float(factors.mean()))
    found[0, 0] = 0.0
    return found


@dataclass(frozen=True, slots=True)
class WorldsTest:
    """How the winner of a search compares with the winners of the same search without any edge.

    Attributes:
        p: Share of worlds, the real one counted among them, whose winner is at least as good:
            `(1 + better or equal) / (1 + K)`, never below `1 / (1 + K)`. None where `reason` says
            why.
        worlds: K.
        above: How many winners are at least as good as the real one.
        reason: A sentence; None where `p` is defined.
    """

    worlds: int
    p: float | None = None
    above: int = 0
    reason: str | None = None


def compare_with_worlds(
    winner: float | None, others: Sequence[float | None] | FloatArray
) -> WorldsTest:
    """Rank the objective of a winner among those of the winners of null worlds.

    Without any edge the real world is one of K + 1 that differ by chance alone, so p is uniform.

    Args:
        winner: Its objective, greater is better; None or NaN where nothing could win.
        others: Those of the null worlds; None or NaN where nothing could win, which counts as
            worse than any winner.
    """
    count = len(others)
    if winner is None or isnan(winner):
        return WorldsTest(count, reason="nothing won the search")
    if not count:
        return WorldsTest(count, reason="the search was not run on worlds without edge")
    if not isfinite(winner):
        return WorldsTest(count, reason="the objective of the winner is not finite")
    above = sum(score is not None and score >= winner for score in others)
    return WorldsTest(count, (1.0 + above) / (1.0 + count), int(above))
