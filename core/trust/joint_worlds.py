"""Worlds without edge of several symbols at once: what they share stays, what foretells goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from core.domain.bars import Bars, IntArray
from core.errors import InvalidInput
from core.trust.snooping import stationary_rows
from core.trust.worlds import COIN, NullWorlds

_FIRST = np.iinfo(np.int64).min


@dataclass(frozen=True, eq=False, slots=True)
class JointWorlds:
    """Any number of worlds of several symbols; world k is the same whoever makes it.

    One history of blocks is drawn over the sessions that any symbol has, and all symbols follow it.
    One coin decides for all symbols which way they go: in a session's opening bar by the session,
    in other bars by the time. So symbols go on moving together as they did, in size and in sign,
    and nothing that one or another did says which way any will go: neither momentum nor reversal,
    of one symbol, between symbols or of their difference, is left.

    Of one symbol it makes the worlds of `NullWorlds`, bit for bit.

    Attributes:
        each: The worlds of each symbol by itself.
        seed: Of all of them.
        block: Mean length of a block, sessions: the median of those of the symbols.
    """

    each: tuple[NullWorlds, ...]
    seed: int
    block: float
    _sessions: int = field(repr=False)
    _places: tuple[IntArray, ...] = field(repr=False)
    _coins: int = field(repr=False)
    _coin_of: tuple[IntArray, ...] = field(repr=False)

    @classmethod
    def of(cls, bars: Sequence[Bars], *, seed: int, block: float | None = None) -> JointWorlds:
        """Make ready to make worlds of these symbols.

        Args:
            bars: Of each, at least one symbol and two bars of it.
            seed: 0 or more.
            block: Mean length in sessions, at least 1; None for the median of what `NullWorlds`
                chooses for each.

        Raises:
            InvalidInput: as `NullWorlds.of`, or no symbol.
        """
        if not bars:
            raise InvalidInput("there is no symbol", expected="at least one")
        each = tuple(NullWorlds.of(one, seed=seed, block=block) for one in bars)
        sessions = [np.unique(one.session) for one in bars]
        union = np.unique(np.concatenate(sessions))
        coins, coin_of = _coins(bars)
        return cls(
            each,
            seed,
            float(np.median([worlds.block for worlds in each])),
            len(union),
            tuple(np.searchsorted(union, own) for own in sessions),
            coins,
            coin_of,
        )

    def world(self, number: int) -> list[Bars]:
        """Make one world, see `NullWorlds.world`, in the order of the symbols.

        Where the session that was drawn is none of a symbol's, because it was closed or not listed
        yet, that symbol follows one of its own instead, each of them as likely: on these sessions
        it goes its own way. So each of its sessions is as likely as every other, whatever the
        others have, and the drift that is taken out is its own.

        Args:
            number: 0 or more.

        Raises:
            InvalidInput: a number below 0.
        """
        if number < 0:
            raise InvalidInput(f"number is {number}", expected="0 or more", field="number")
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(number,)))
        drawn = stationary_rows(self._sessions, 1, self.block, rng)[0]
        coins = rng.random((2, self._coins)) < COIN
        made = []
        for worlds, places, coin_of in zip(self.each, self._places, self._coin_of, strict=True):
            own = np.full(self._sessions, -1, dtype=np.int64)
            own[places] = np.arange(len(places))
            sessions = own[drawn[places]]
            lacks = sessions < 0
            sessions[lacks] = rng.integers(0, len(places), int(lacks.sum()))
            made.append(worlds.of_sessions(sessions, coins[:, coin_of]))
        return made


def _coins(bars: Sequence[Bars]) -> tuple[int, tuple[IntArray, ...]]:
    """Number the coins in order of time, and say which is whose row's."""
    first = bars[0]
    if all(
        np.array_equal(first.ts, one.ts) and np.array_equal(first.session, one.session)
        for one in bars[1:]
    ):
        return len(first), (np.arange(len(first)),) * len(bars)
    keys = []
    for one in bars:
        opens = np.append(True, one.session[1:] != one.session[:-1])
        keys.append(np.column_stack((one.session, np.where(opens, _FIRST, one.ts))))
    coins, coin_of = np.unique(np.concatenate(keys), axis=0, return_inverse=True)
    edges = np.cumsum([len(one) for one in bars])[:-1]
    return len(coins), tuple(np.split(coin_of.reshape(-1), edges))
