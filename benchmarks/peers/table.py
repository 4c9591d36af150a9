"""Lays measurements out as the section of docs/benchmarks.md that a run replaces."""

from __future__ import annotations

import statistics
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers import plan
from benchmarks.peers.aims import Cold, aims_of
from benchmarks.peers.plan import PACKAGES, Block
from benchmarks.run import machine
from benchmarks.timing import readable

if TYPE_CHECKING:
    from benchmarks.peers.run import Result

BEGIN, END = "<!-- bench-peers: begin -->", "<!-- bench-peers: end -->"
Results = list[tuple[Block, list["Result"]]]
Load = tuple[tuple[float, float, float], tuple[float, float, float]]


def progress(block: Block, result: Result) -> str:
    """Write one line while the run goes on."""
    said = f"{block.title:<40} {result.line.says:<58}"
    if result.failed:
        return f"{said} {result.failed}"
    return f"{said} {readable(result.median(block)):>9} {result.peak:>7.0f} MB"


def write(
    results: Results,
    cold: Cold,
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
    if aims := aims_of(results, cold):
        rows = [f"| {a.wanted} | {a.measured} | {'yes' if a.met else 'no'} |" for a in aims]
        parts.append("\n".join(["### Aims\n", "| aim | measured | met |", "|---|---|---|", *rows]))
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
        ratio = (
            ""
            if base.failed or result is base
            else f"{result.median(block) / base.median(block):,.3g}"
        )
        lines.append(
            f"| {name} | {readable(result.median(block))} | {readable(_best(block, result))} "
            f"| {len(result.times)} | {ratio} | {result.peak:.0f} | {_agreement(block, result)} |"
        )
    if block.case == "W4":
        lines.append(f"\nNot in W4: {plan.NOT_IN_W4}.")
    return "\n".join(lines)


def _best(block: Block, result: Result) -> float:
    return min(result.times) * result.median(block) / statistics.median(result.times)


def _agreement(block: Block, result: Result) -> str:
    rule, whole = result.line.rule, block.lanes
    said = f"by its rules: {rule}" if rule else "equity and trades"
    if 0 < result.lanes < whole:
        said += f"; {result.lanes} lanes measured, the rest extrapolated"
    elif result.lanes:
        fast, slow = result.found["best"]
        said += f", every lane; best Sharpe {fast}/{slow}"
    return said


def _cold(cold: Cold) -> str:
    lines = ["| engine | bare imports | fresh process to printed result | above the imports |"]
    lines.append("|---|--:|--:|--:|")
    for who, times in cold.items():
        if isinstance(times, str):
            lines.append(f"| {who} | - | - | {times} |")
        else:
            imports, whole = times
            lines.append(f"| {who} | {imports:.2f} s | {whole:.2f} s | {whole - imports:.2f} s |")
    return "\n".join(lines)
