"""What is measured against what, how often, and by which rules the numbers must agree."""

from __future__ import annotations

from typing import NamedTuple

OURS = "ours"
MODULES = {
    OURS: "benchmarks.peers.ours",
    "vectorbt": "benchmarks.peers.vectorbt_peer",
    "backtesting": "benchmarks.peers.backtesting_peer",
    "backtrader": "benchmarks.peers.backtrader_peer",
    "pybroker": "benchmarks.peers.pybroker_peer",
    "bt": "benchmarks.peers.bt_peer",
}
PEERS = tuple(MODULES)[1:]
PACKAGES = {
    "vectorbt": "vectorbt",
    "backtesting": "backtesting",
    "backtrader": "backtrader",
    "pybroker": "lib-pybroker",
    "bt": "bt",
}


class Line(NamedTuple):
    """One measurement of a block.

    Attributes:
        who: Key of `MODULES`.
        label: Which of its ways; a key of what its case gives.
        says: What the table calls it.
        rounds: At most so many timed runs, and none begun after `seconds`.
        judge: Whose numbers it must have, as `case: label` of ours; by default those of the block.
        rule: How its rules differ, where they do; then `judge` plays by its rules.
        case: Its case, if it is not the block's.
        limit: Ended and named when it takes longer, in seconds.
    """

    who: str
    label: str
    says: str
    rounds: int = 5
    seconds: float = 10.0
    judge: str = ""
    rule: str = ""
    case: str = ""
    limit: float = 240.0

    @property
    def all_metrics(self) -> bool:
        """Whether it did all the work of its case; what a peer cannot do without is part of it."""
        return not self.says.endswith(" only")


class Block(NamedTuple):
    """Lines that did the same work on the same bars; the first is what others are compared with."""

    case: str
    size: int
    title: str
    judge: str
    lines: tuple[Line, ...]
    lanes: int = 0


_NO_ENTRY_BAR = "no stop or target in the entry's bar"
_ASKS = "nothing is opened where a gap has just closed the same side"
_LAST = "its last bar is no session's end"
_W3_RULES = {
    "vectorbt": f"{_NO_ENTRY_BAR}; they come before orders at the open; {_LAST}",
    "backtesting": f"levels set from the decision's close; {_ASKS}; {_LAST}",
    "backtrader": f"{_NO_ENTRY_BAR}; {_ASKS}; {_LAST}",
    "pybroker": f"{_NO_ENTRY_BAR}; they come before orders at the open; gaps fill at the level; "
    f"a reversal takes two bars; {_LAST}",
}
_W3_JUDGES = {
    "vectorbt": "judges: vectorbt",
    "backtesting": "judges: backtesting.py",
    "backtrader": "judges: backtrader",
    "pybroker": "judges: PyBroker",
}


def _peers(size: int, *, guard: bool) -> tuple[Line, ...]:
    def line(who: str, label: str, says: str, rounds: int, seconds: float) -> Line:
        if not guard:
            return Line(who, label, says, rounds, seconds)
        return Line(who, label, says, rounds, seconds, _W3_JUDGES[who], _W3_RULES[who])

    slow = 3 if size <= 100_000 else 1
    lines = [
        line("vectorbt", "rust stats", "vectorbt, rust, with stats()", 7, 15),
        line("vectorbt", "numba stats", "vectorbt, numba, with stats()", 7, 15),
        line("vectorbt", "rust", "vectorbt, rust, equity and trades only", 7, 15),
        line("backtesting", "stats", "backtesting.py", slow, 10),
    ]
    if not (guard and size > 100_000):
        lines += [
            line("pybroker", "stats", "PyBroker", slow, 8),
            line("backtrader", "bare", "backtrader, equity and trades only", slow, 8),
        ]
    return tuple(lines)


def _rounds(size: int) -> int:
    return max(9, min(200, 20_000_000 // size))


def _w1(size: int) -> Block:
    many = _rounds(size)
    ours = (
        Line(OURS, "stats", "ours: averages, signals, simulation, all metrics", many),
        Line(OURS, "engine", "ours: engine call with all metrics, signals given", many),
        Line(OURS, "bare", "ours: averages, signals, simulation", many),
        Line(OURS, "floor", "floor: a loop for this rule, equity and trades, no metrics", many),
        Line(
            OURS, "services", "ours: through services, before publishing", many, case="W1 services"
        ),
        Line(OURS, "frames", "ours: laying the result out for its files", many, case="W1 services"),
    )
    return Block("W1", size, f"W1, {size:,} bars", "W1: bare", ours + _peers(size, guard=False))


def _w3(size: int) -> Block:
    many = _rounds(size)
    ours = (
        Line(OURS, "stats", "ours: averages, signals, simulation, all metrics", many),
        Line(OURS, "engine", "ours: engine call with all metrics, signals given", many),
        Line(OURS, "bare", "ours: averages, signals, simulation", many),
    )
    return Block("W3", size, f"W3, {size:,} bars", "judges: ours", ours + _peers(size, guard=True))


_W2 = Block(
    "W2",
    100_000,
    "W2, 1,515 combinations on 100,000 bars",
    "W2: floor scalar",
    (
        Line(OURS, "sweep", "ours: sweep, all metrics and daily returns of each", 9),
        Line(OURS, "floor scalar", "floor: one loop per lane, two threads", 9),
        Line(OURS, "floor lanes", "floor: 48 lanes abreast, two threads", 9),
        Line("vectorbt", "rust 48", "vectorbt, rust", 3, 10),
        Line("vectorbt", "numba 48", "vectorbt, numba", 3, 10),
        Line("vectorbt", "rust 1515", "vectorbt, rust", 1, 10),
        Line("backtesting", "some", "backtesting.py", 1, 10),
        Line("pybroker", "some", "PyBroker", 1, 10),
        Line("backtrader", "some", "backtrader", 1, 10),
    ),
    lanes=1_515,
)
_W2_MANY = Block(
    "W2 many",
    100_000,
    "W2, 10,100 combinations on 100,000 bars",
    "W2 many: floor scalar",
    (
        Line(OURS, "sweep", "ours: sweep, all metrics and daily returns of each", 3, 20),
        Line(OURS, "floor scalar", "floor: one loop per lane, two threads", 3, 20),
        Line("vectorbt", "rust 48", "vectorbt, rust", 3, 10),
    ),
    lanes=10_100,
)
_OPEN = "sized by the open it fills at, not by the decision's close"
_CLOSE = "sized and filled at the decision's close; an order's fee comes out of its size"


def _w4_vectorbt(label: str, says: str) -> Line:
    return Line("vectorbt", label, f"vectorbt, {says}", 7, 8, "W4: floor open", _OPEN)


_W4 = Block(
    "W4",
    2_520,
    "W4, 100 symbols, 2,520 days",
    "W4: floor decision",
    (
        Line(OURS, "stats", "ours: weights, simulation, all metrics", 25),
        Line(OURS, "bare", "ours: weights and simulation, equity and orders only", 25),
        Line(OURS, "floor decision", "floor: a loop over months, equity and orders only", 50),
        _w4_vectorbt("rust stats", "rust, with stats()"),
        _w4_vectorbt("numba stats", "numba, with stats()"),
        _w4_vectorbt("rust", "rust, equity and orders only"),
        _w4_vectorbt("numba", "numba, equity and orders only"),
        Line("bt", "stats", "bt, with its statistics", 5, 8, "W4: floor close", _CLOSE),
        Line("bt", "bare", "bt, equity and orders only", 5, 8, "W4: floor close", _CLOSE),
        Line("pybroker", "stats", "PyBroker", 3, 8),
    ),
)
BLOCKS = (
    _w1(10_000),
    _w1(100_000),
    _w1(1_000_000),
    _W2,
    _W2_MANY,
    _w3(10_000),
    _w3(100_000),
    _w3(1_000_000),
    _W4,
)
NOT_IN_W4 = "backtesting.py trades one symbol; backtrader has no rebalancing of its own"
COLD = {
    OURS: "stats",
    "vectorbt": "rust stats",
    "backtesting": "stats",
    "pybroker": "stats",
    "backtrader": "bare",
}
