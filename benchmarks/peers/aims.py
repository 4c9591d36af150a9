"""The aims of the engine, compared with what was measured in the same run."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from benchmarks.peers.plan import OURS, Block
from benchmarks.timing import readable

if TYPE_CHECKING:
    from benchmarks.peers.run import Result

MS = 1e-3
Cold = dict[str, tuple[float, float] | str]


class Aim(NamedTuple):
    """What was wanted, what it is, and whether that is enough."""

    wanted: str
    measured: str
    met: bool


class Measured:
    """Times and memory of the lines that counted, by block and label."""

    def __init__(self, results: list[tuple[Block, list[Result]]]) -> None:
        self.ours: dict[tuple[str, str], float] = {}
        self.theirs: dict[tuple[str, str], list[float]] = {}
        self.peaks: dict[tuple[str, str], float] = {}
        for block, found in results:
            key = f"{block.case} {block.size}"
            for result in found:
                if result.failed:
                    continue
                if result.line.who == OURS:
                    self.ours[key, result.line.label] = result.median(block)
                    self.peaks[key, result.line.label] = result.peak
                elif result.line.all_metrics:
                    who = result.line.who
                    self.theirs.setdefault((key, who), []).append(result.median(block))
                    self.theirs.setdefault((key, ""), []).append(result.median(block))

    def at_most(self, wanted: str, block: str, label: str, most: float) -> list[Aim]:
        """Compare a time of ours with a limit."""
        time = self.ours.get((block, label))
        return [] if time is None else [Aim(wanted, readable(time), time <= most)]

    def ratio(
        self, wanted: str, ours: tuple[str, str], other: tuple[str, str], most: float
    ) -> list[Aim]:
        """Compare one of our times with another of our own or a floor's."""
        if ours not in self.ours or other not in self.ours:
            return []
        times = self.ours[ours] / self.ours[other]
        return [Aim(wanted, f"{times:.2f} x", times <= most)]

    def faster(self, wanted: str, block: str, label: str, who: str, least: float) -> list[Aim]:
        """Compare with the best of a peer, or of all with an empty name."""
        time, theirs = self.ours.get((block, label)), self.theirs.get((block, who))
        if time is None or theirs is None:
            return []
        return [Aim(wanted, f"{min(theirs) / time:,.1f} x", min(theirs) / time >= least)]

    def memory(self, wanted: str, block: str, label: str, most: float) -> list[Aim]:
        """Compare peak memory with a limit in MB."""
        peak = self.peaks.get((block, label))
        return [] if peak is None else [Aim(wanted, f"{peak:.0f} MB", peak <= most)]

    def evenness(self, wanted: str, label: str) -> list[Aim]:
        """Compare the cost of a bar in a short and in a long run."""
        small, large = (self.ours.get((f"W1 {size}", label)) for size in (10_000, 1_000_000))
        if small is None or large is None:
            return []
        a, b = small / 10_000 * 1e9, large / 1_000_000 * 1e9
        return [Aim(wanted, f"{a:.1f} and {b:.1f} ns a bar", max(a, b) <= 1.5 * min(a, b))]


def aims_of(results: list[tuple[Block, list[Result]]], cold: Cold) -> list[Aim]:
    """Give every aim that this run has figures for."""
    m = Measured(results)
    some, many, lanes = "W1 100000", "W1 1000000", "W2 100000"
    found = [
        *m.at_most("W1, 100k bars: engine call with all metrics in 1 ms", some, "engine", MS),
        *m.at_most("the same, averages and signals included", some, "stats", MS),
        *m.at_most("W1, 100k bars: through services in 3 ms", some, "services", 3 * MS),
        *m.evenness("W1: a bar costs the same within 50 % at 10k and 1M bars", "engine"),
        *m.at_most("W1, 1M bars: engine call with all metrics in 12 ms", many, "engine", 12 * MS),
        *m.at_most("the same, averages and signals included", many, "stats", 12 * MS),
        *m.memory("W1, 1M bars: 300 MB above the imports", many, "stats", 300),
        *m.faster("W2: 50 x vectorbt's best", lanes, "sweep", "vectorbt", 50),
        *m.ratio("W2: 1.3 x the scalar floor", (lanes, "sweep"), (lanes, "floor scalar"), 1.3),
        *m.ratio("W2: 3 x the floor of lanes", (lanes, "sweep"), (lanes, "floor lanes"), 3),
        *m.memory("W2, 10,100 lanes: 1 GB", "W2 many 100000", "sweep", 1_000),
        *m.ratio("W3: 2 x our W1", ("W3 100000", "stats"), (some, "stats"), 2),
        *m.faster("W3: 30 x vectorbt's best", "W3 100000", "stats", "vectorbt", 30),
        *m.faster("W4: 10 x the best of them", "W4 2520", "stats", "", 10),
    ]
    ours = cold.get(OURS)
    if isinstance(ours, tuple):
        above = ours[1] - ours[0]
        found.append(Aim("cold start: bare imports + 0.5 s", f"+ {above:.2f} s", above <= 0.5))
    return found
