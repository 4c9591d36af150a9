"""A shard of a sweep: whole chunks of its plan, computed by whoever has time.

What is asked for is plain data, so that any machine with the same prices, strategies and program
can answer it. A chunk is the same whoever runs it, and carries the hash of its plan: one that was
made of other prices or code is refused by the sweep it is handed to.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from core.domain.bars import Bars
from core.domain.run import RunSpec
from core.domain.strategy import Strategy
from core.engine.sweep import Chunk, sweep
from core.errors import Conflict, DataProblem
from core.jobs.wire import Ask
from core.registry.blame import blamed
from core.services.chunks import decode, encode
from core.services.execution import engine_version
from core.services.study_bars import Part


class Elsewhere(Protocol):
    """Where shards are done."""

    def __call__(
        self, part: Part, sets: Sequence[Mapping[str, Any]], *, skip: Collection[int]
    ) -> Iterator[Sequence[Chunk]]:
        """Yield finished chunks as they arrive, perhaps not all, perhaps of another plan."""


def ask_for(spec: RunSpec, strategy_id: str, code: Path, code_hash: str) -> dict[str, Any]:
    """Say what all shards of a study have in common."""
    return {
        "run": spec.model_dump_json(),
        "id": strategy_id,
        "code": code.name,
        "code_hash": code_hash,
        "engine": engine_version(),
    }


def compute(
    asked: Mapping[str, Any],
    bars: Sequence[Bars],
    strategy: type[Strategy],
    *,
    code: Path,
    tell: Callable[[int, int, str], object],
    benchmark: Bars | None = None,
    threads: int = 1,
) -> bytes:
    """Run one shard.

    Args:
        asked: What `ask_for` gives, with `part`, `sets`, chunks to `skip` and the `share` it is.
        bars: Of the run's symbols, in their order.
        strategy: Its class.
        code: Folder the class was loaded from.
        tell: Told after each chunk how many lanes are done.
        benchmark: What lanes are measured against.
        threads: Of the sweep; no bit depends on them.

    Returns:
        Its chunks, see `core.services.chunks`.

    Raises:
        Conflict: whoever asks runs another version of the engine.
        DataProblem: there are fewer bars than the part has.
    """
    if asked["engine"] != engine_version():
        raise Conflict(
            f"this machine has engine {engine_version()}",
            expected=asked["engine"],
            hint="Install the same version of the workbench on all machines",
        )
    part = Part(**{**asked["part"], "rows": tuple(asked["part"]["rows"])})
    spec = RunSpec.model_validate_json(asked["run"])
    finished: list[Chunk] = []
    sweep(
        strategy,
        part.of(bars),
        asked["sets"],
        spec.options,
        spec.costs,
        benchmark=benchmark,
        threads=threads,
        code_hash=asked["code_hash"],
        guard=lambda: blamed(code),
        on_chunk=finished.append,
        on_progress=lambda now: tell(now.lanes, now.total, "shard"),
        share=tuple(asked["share"]),
        skip=frozenset(asked["skip"]),
    )
    return encode(finished)


class AskedFor:
    """Shards asked for by a process that may open no connection: who started it passes them on.

    Args:
        ask: Reaches whoever started this process.
        common: What `ask_for` gives.
    """

    def __init__(self, ask: Ask, common: Mapping[str, Any]) -> None:
        self._ask = ask
        self._common = common
        self._is_gone = False

    def __call__(
        self, part: Part, sets: Sequence[Mapping[str, Any]], *, skip: Collection[int]
    ) -> Iterator[Sequence[Chunk]]:
        """Yield finished chunks as they arrive; none once the cluster was lost."""
        if self._is_gone or not sets:
            return
        given = {"part": asdict(part), "sets": list(sets), "skip": sorted(skip)}
        request = json.dumps({**self._common, **given})
        told = self._ask({"shards": {"request": request, "sets": len(sets)}})
        while told.get("left"):
            told = self._ask({"shards": {}})
            for file in map(Path, told.get("arrived", ())):
                try:
                    yield decode(file.read_bytes())
                except DataProblem:  # computed here, like one that never came
                    continue
                finally:
                    file.unlink()
        self._is_gone = bool(told.get("gone"))
