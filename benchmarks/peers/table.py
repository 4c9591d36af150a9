"""Lays measurements out as the section of docs/benchmarks.md that a run replaces."""

from __future__ import annotations

import statistics
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers import plan, work
from benchmarks.peers.plan import OURS, PACKAGES, Block
from benchmarks.run import machine
from benchmarks.timing import readable

if TYPE_CHECKING:
    from benchmarks.peers.run import Result

BEGIN, END = "<!-- bench-peers: begin -->", "<!-- bench-peers: end -->"
Results = list[tuple[Block, list["Result"]]]
Load = tuple[tuple[float, float, float], tuple[float, float, float]]


def median(result: Result) -> float:
    """Give the time of the whole work: for a part of a sweep, as long as all lanes would take."""
    whole = len(work.combinations())
    share = whole / result.lanes if result.lanes else 1.0
    return statistics.median(result.times) * share


def progress(block: Block, result: Result) -> str:
    """Write one line while the run goes on."""
    said = f"{block.title:<40} {result.line.says:<58}"
    if result.failed:
        return f"{said} {result.failed}"
    return f"{said} {readable(median(result)):>9} {result.peak:>7.0f} MB"


def write(
    results: Results,
    cold: dict[str, tuple[float, float] | str],
    *,
    load: Load,
    taken: float,
) -> str:
    """Write the section: machine, one table per block, cold starts, aims."""
    facts = machine()
    parts = [
        (
            f"Made by `make bench-peers` on {datetime.now(UTC):%Y-%m-%d} in {taken / 60:.0f} "
            f"minutes; {facts['machine']}; load average {load[0][0]:.2f} when it began, "
            f"{load[1][0]:.2f} when it ended (of which the run itself is about 1)."
        ),
        f"Ours: {facts['versions']}. Peers: {_pins()}.",
    ]
    for block, found in results:
        parts.append(f"### {block.title}\n\n{_block(block, found)}")
    if cold:
        parts.append(f"### Cold start, W1 on 10,000 bars\n\n{_cold(cold)}")
    aims = _aims({block.title.split(",")[0] + str(block.size): f for block, f in results}, cold)
    if aims:
        parts.append(
            "### Aims\n\n| aim | measured | met |\n|---|---|---|\n"
            + "\n".join(f"| {aim} | {said} | {'yes' if met else 'no'} |" for aim, said, met in aims)
        )
    return "\n\n".join(parts)


def keep(text: str, page: Path) -> None:
    """Put the section between its marks."""
    old = page.read_text(encoding="utf-8")
    head, rest = old.split(BEGIN)
    _, tail = rest.split(END)
    page.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{tail}", encoding="utf-8")


def _pins() -> str:
    said = []
    for peer, package in PACKAGES.items():
        pins = Path(__file__).with_name(f"requirements-{peer}.txt").read_text(encoding="ascii")
        number = next(
            line.split("==")[1] for line in pins.splitlines() if line.startswith(f"{package}==")
        )
        said.append(f"{package} {number}")
    return ", ".join(said)


def _block(block: Block, found: list[Result]) -> str:
    base = found[0]
    against = "ours" if "ours" in base.line.says else "floor"
    lines = [
        f"| engine | median | best | runs | x {against} | peak MB | agrees |",
        "|---|--:|--:|--:|--:|--:|---|",
    ]
    for result in found:
        name = result.line.says
        if result.failed:
            lines.append(f"| {name} | - | - | - | - | - | {result.failed} |")
            continue
        ratio = "" if base.failed or result is base else f"{median(result) / median(base):,.3g}"
        lines.append(
            f"| {name} | {readable(median(result))} | {readable(_best(result))} "
            f"| {len(result.times)} | {ratio} | {result.peak:.0f} | {_agreement(result)} |"
        )
    if block.case == "W4":
        lines.append(f"\nNot in W4: {plan.NOT_IN_W4}.")
    return "\n".join(lines)


def _best(result: Result) -> float:
    return min(result.times) * median(result) / statistics.median(result.times)


def _agreement(result: Result) -> str:
    rule, whole = result.line.rule, len(work.combinations())
    said = f"by its rules: {rule}" if rule else "equity and trades"
    if 0 < result.lanes < whole:
        said += f"; {result.lanes} lanes measured, the rest extrapolated"
    elif result.lanes:
        fast, slow = result.found["best"]
        said += f", every lane; best Sharpe {fast}/{slow}"
    return said


def _cold(cold: dict[str, tuple[float, float] | str]) -> str:
    lines = ["| engine | bare imports | fresh process to printed result | above the imports |"]
    lines.append("|---|--:|--:|--:|")
    for who, times in cold.items():
        if isinstance(times, str):
            lines.append(f"| {who} | - | - | {times} |")
        else:
            imports, whole = times
            lines.append(f"| {who} | {imports:.2f} s | {whole:.2f} s | {whole - imports:.2f} s |")
    return "\n".join(lines)


def _aims(
    found: dict[str, list[Result]], cold: dict[str, tuple[float, float] | str]
) -> list[tuple[str, str, bool]]:
    """Compare with the aims of the engine issue, as far as they were measured."""
    times = {
        (key, result.line.who, result.line.label): median(result)
        for key, results in found.items()
        for result in results
        if not result.failed
    }
    peaks = {
        (key, result.line.label): result.peak
        for key, results in found.items()
        for result in results
        if result.line.who == OURS
    }
    aims: list[tuple[str, str, bool]] = []

    def at_most(aim: str, key: tuple[str, str, str], most: float) -> None:
        if key in times:
            aims.append((aim, readable(times[key]), times[key] <= most))

    def at_least(aim: str, key: tuple[str, str, str], others: list[str], least: float) -> None:
        theirs = [
            value
            for (block, who, label), value in times.items()
            if block == key[0] and who in others and (who != "vectorbt" or "stats" in label)
        ]
        if key in times and theirs:
            ratio = min(theirs) / times[key]
            aims.append((aim, f"{ratio:,.1f} x", ratio >= least))

    for label in ("engine", "stats"):
        size = ("W1100000", OURS, label)
        what = "engine call" if label == "engine" else "averages, signals and engine"
        at_most(f"W1, 100k bars: {what} with metrics in 1 ms", size, 1e-3)
    at_most("W1, 100k bars: through services in 3 ms", ("W1100000", OURS, "services"), 3e-3)
    small, large = (times.get((f"W1{size}", OURS, "engine")) for size in (10_000, 1_000_000))
    if small and large:
        ratio = max(small * 100 / large, large / small / 100)
        said = f"{small / 1e4 * 1e9:.1f} and {large / 1e6 * 1e9:.1f} ns a bar"
        aims.append(("W1: cost per bar at 10k and 1M bars within 50 %", said, ratio <= 1.5))
    at_most("W1, 1M bars: engine call with metrics in 12 ms", ("W11000000", OURS, "engine"), 12e-3)
    at_most("W1, 1M bars: averages and signals included", ("W11000000", OURS, "stats"), 12e-3)
    peak = peaks.get(("W11000000", "stats"))
    if peak:
        aims.append(("W1, 1M bars: 300 MB above the imports", f"{peak:.0f} MB", peak <= 300))
    one, other = times.get(("W1100000", OURS, "stats")), times.get(("W3100000", OURS, "stats"))
    if one and other:
        aims.append(("W3: at most 2 x our W1", f"{other / one:.2f} x", other <= 2 * one))
    at_least("W3, 100k bars: 30 x vectorbt's best", ("W3100000", OURS, "stats"), ["vectorbt"], 30)
    at_least("W4: 10 x the best of them", ("W42520", OURS, "stats"), list(PACKAGES), 10)
    ours = cold.get(OURS)
    if isinstance(ours, tuple):
        above = ours[1] - ours[0]
        aims.append(("cold start: bare imports + 0.5 s", f"+ {above:.2f} s", above <= 0.5))
    return aims
