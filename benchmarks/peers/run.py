"""`make bench-peers`: the same work by us and by others, one process after the other.

A timing counts only if equity and trades are what the rules say, ours or, where they differ by
name, the peer's. The table is printed and kept in docs/benchmarks.md. Ends with 1 if a number did
not agree.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import table, work
from benchmarks.peers.environments import CannotInstall, python_of
from benchmarks.peers.plan import BLOCKS, COLD, MODULES, OURS, PEERS, Block, Line
from core.bootstrap.kernels import VARIABLE, kernel_cache

ROOT = Path(__file__).parent.parent.parent
CENT = 0.01
COLD_STARTS = 3


@dataclass
class Result:
    """What came of a line: times in seconds or why there are none."""

    line: Line
    times: list[float] = field(default_factory=list)
    peak: float = 0.0
    lanes: int = 0
    found: dict[str, Any] = field(default_factory=dict)
    failed: str = ""
    agrees: bool = True

    def median(self, block: Block) -> float:
        """Give the time of the whole work; of a part of a sweep, as long as all would take."""
        share = block.lanes / self.lanes if self.lanes else 1.0
        return statistics.median(self.times) * share


class Processes:
    """Starts each engine in its own interpreter."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pythons: dict[str, Path | str] = {OURS: Path(sys.executable)}
        for peer in PEERS:
            try:
                self.pythons[peer] = python_of(peer)
            except CannotInstall as problem:
                self.pythons[peer] = f"not installed: {problem}"
        self.environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore",
            VARIABLE: str(kernel_cache(ROOT / ".venv-peers")),  # never those of other code
        }

    def command(self, who: str, *arguments: str) -> list[str]:
        """Give the command line, or raise why there is none."""
        python = self.pythons[who]
        if isinstance(python, str):
            raise CannotInstall(python)
        return [str(python), "-m", MODULES[who], *arguments]

    def bars(self, size: int) -> list[str]:
        """Name the files of a size: the bars, and a few of them to compile on."""
        kind = "days" if size == work.DAYS else "minutes"
        paths = (self.folder / f"{kind}-{size}.npz", self.folder / f"{kind}-small.npz")
        return ["--bars", str(paths[0]), "--small", str(paths[1])]

    def measure(self, line: Line, case: str, size: int) -> Result:
        """Run one line; what goes wrong becomes its reason."""
        result = Result(line)
        limits = ["--rounds", str(line.rounds), "--seconds", str(line.seconds)]
        try:
            done = subprocess.run(
                self.command(line.who, case, line.label, *self.bars(size), *limits),
                env=self.environment,
                capture_output=True,
                text=True,
                check=True,
                timeout=line.limit,
                cwd=self.folder,
            )
            answer = json.loads(done.stdout.splitlines()[-1])
        except CannotInstall as problem:
            result.failed = str(problem)
        except subprocess.TimeoutExpired:
            result.failed = f"ended after {line.limit:.0f} s"
        except subprocess.CalledProcessError as problem:
            lines = problem.stderr.strip().splitlines()
            result.failed = lines[-1] if lines else f"ended with {problem.returncode}"
        except (ValueError, IndexError):
            result.failed = "printed no result"
        else:
            result.times, result.peak = answer.pop("times"), answer.pop("peak")
            result.lanes, result.found = len(answer.get("lanes", ())), answer
        return result

    def cold(self, who: str, *arguments: str) -> float:
        """Give the time from starting a process to its first line."""
        begun = time.perf_counter()
        with subprocess.Popen(
            self.command(who, *arguments),
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=self.folder,
        ) as process:
            assert process.stdout is not None
            answered = bool(process.stdout.readline())
            taken = time.perf_counter() - begun
        if not answered:
            raise CannotInstall("printed no result")
        return taken


def write_bars(folder: Path) -> None:
    """Make the bars once for everybody."""
    minutes = work.minutes(max(block.size for block in BLOCKS))
    sizes = {block.size for block in BLOCKS if block.size != work.DAYS}
    names = {f"minutes-{size}": size for size in sizes} | {"minutes-small": 2_000}
    for name, size in names.items():
        np.savez(folder / f"{name}.npz", **{key: rows[:size] for key, rows in minutes.items()})
    np.savez(folder / f"days-{work.DAYS}.npz", **work.days())
    np.savez(folder / "days-small.npz", **work.days(300, 30))


def measure(block: Block, processes: Processes) -> list[Result]:
    """Measure a block; ours comes first and once more last, so that a drifting machine shows."""
    judged: dict[str, dict[str, Any]] = {}

    def truth(judge: str) -> dict[str, Any]:
        if judge not in judged:
            case, label = judge.split(": ")
            asked = processes.measure(Line(OURS, label, judge, rounds=1), case, block.size)
            assert not asked.failed, f"{judge}: {asked.failed}"
            judged[judge] = asked.found
        return judged[judge]

    results = []
    for line in (*block.lines, block.lines[0]):
        result = processes.measure(line, line.case or block.case, block.size)
        if not result.failed:
            why = disagreement(result.found, truth(line.judge or block.judge))
            if why:
                result.failed, result.agrees = why, False
        print(table.progress(block, result), flush=True)
        results.append(result)
    first, last = results[0], results.pop()
    first.times += last.times
    return results


def disagreement(found: dict[str, Any], truth: dict[str, Any]) -> str:
    """Say how an answer differs from what it must be: trades exactly, equity to the cent."""
    if "lanes" in found:
        place = {tuple(lane): number for number, lane in enumerate(truth["lanes"])}
        rows = [place[tuple(lane)] for lane in found["lanes"]]
        expected = {name: np.array(truth[name])[rows] for name in ("equity", "trades")}
    else:
        expected = {name: np.array(truth[name]) for name in ("equity", "trades")}
    away = np.max(np.abs(np.array(found["equity"]) - expected["equity"]))
    if not away <= CENT:
        return f"no parity: equity is {away:,.2f} away from what the rules give"
    if not np.array_equal(np.array(found["trades"]), expected["trades"]):
        return f"no parity: {found['trades']} trades where the rules give {truth['trades']}"
    return ""


def cold_starts(processes: Processes) -> dict[str, tuple[float, float] | str]:
    """Give each engine's medians of bare imports and of W1 on 10,000 bars, in fresh processes."""
    times: dict[str, tuple[float, float] | str] = {}
    bars = processes.bars(10_000)
    for who, label in COLD.items():
        try:
            imports, whole = [], []
            processes.cold(who, "W1", label, *bars, "--cold")
            for _ in range(COLD_STARTS):
                imports.append(processes.cold(who, "--imports"))
                whole.append(processes.cold(who, "W1", label, *bars, "--cold"))
            times[who] = statistics.median(imports), statistics.median(whole)
        except CannotInstall as problem:
            times[who] = str(problem)
    return times


def main(argv: Sequence[str] | None = None) -> int:
    """Measure everything, or the named blocks, and write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.run", description=__doc__)
    parser.add_argument("only", nargs="*", help="of W1, W2, W3, W4, cold; then nothing is written")
    args = parser.parse_args(argv)
    begun, load = time.perf_counter(), os.getloadavg()
    with tempfile.TemporaryDirectory() as folder:
        processes = Processes(Path(folder))
        write_bars(Path(folder))
        blocks = [block for block in BLOCKS if not args.only or block.case.split()[0] in args.only]
        results = [(block, measure(block, processes)) for block in blocks]
        cold = cold_starts(processes) if not args.only or "cold" in args.only else {}
    taken = time.perf_counter() - begun
    text = table.write(results, cold, load=(load, os.getloadavg()), taken=taken)
    print(text)
    if not args.only:
        table.keep(text, ROOT / "docs" / "benchmarks.md")
    return 0 if all(result.agrees for _, found in results for result in found) else 1


if __name__ == "__main__":
    sys.exit(main())
