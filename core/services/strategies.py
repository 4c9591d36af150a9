"""Strategies: list, explain, check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.domain.parameters import clean_params
from core.domain.strategy import StrategyInfo
from core.errors import InvalidInput, StrategyFailed
from core.jobs.work import Executor
from core.registry.blame import with_place
from core.registry.registry import Registry


class Strategies:
    """What users may wish of strategies."""

    def __init__(self, registry: Registry, executor: Executor, snapshots: Path) -> None:
        self._registry = registry
        self._executor = executor
        self._snapshots = snapshots

    def list(self) -> list[StrategyInfo]:
        """Give what the last scan saw, broken files with their error; scans if there was none."""
        return [*self._registry.list()]

    def get(self, name: str) -> StrategyInfo:
        """Find a strategy by its id or another of its names, usable or not.

        Raises:
            NotFound: no strategy has that name; the hint lists close ones.
            InvalidInput: more than one has.
        """
        return self._registry.get(name)

    def rescan(self) -> Sequence[StrategyInfo]:
        """Look at new and changed files, and again at those that failed."""
        return self._registry.rescan()

    def is_stale(self) -> bool:
        """Whether a file was added, edited or removed since the last scan; cheap."""
        return self._registry.is_stale()

    def check(self, name: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Try a strategy out on made-up bars, as it is on disk now.

        Returns:
            `valid`; `errors` and `warnings` as sentences; the strategy's `id`, `version` and
            whether it is `legacy`; the completed `params`; and of the trial `bars`, `signals` by
            kind and `trades`.

        Raises:
            NotFound: no strategy has that name.
        """
        info = self._registry.get(name)
        report: dict[str, Any] = {
            "valid": False,
            "id": info.id,
            "version": info.version,
            "legacy": info.legacy,
            "errors": [],
            "warnings": [],
            "params": dict(params or {}),
        }
        try:
            pinned = self._registry.pin(info.id)
            report["version"] = pinned.info.version
            cleaned = clean_params(pinned.info.params, pinned.info.constraints, params or {})
            report["params"] = cleaned
        except StrategyFailed as error:
            return {**report, "errors": [error.sentence()]}
        except InvalidInput as error:
            return {**report, "errors": [each.sentence() for each in error.problems or (error,)]}
        outcome = self._executor.call(
            {
                "op": "check",
                "id": pinned.info.id,
                "code": str(pinned.folder),
                "code_hash": pinned.code_hash,
                "params": cleaned,
                "engine": pinned.info.engine,
            }
        )
        if outcome.death is not None:
            death = outcome.death
            words = with_place(f"It {death.message}", death.place(self._snapshots))
            return {**report, "errors": [f"{words}."]}
        answer = outcome.answer or {}
        if "error" in answer:
            return {**report, "errors": [f"{answer['error']['message']}."]}
        trial = answer["checked"]
        return {**report, **trial, "valid": True, "warnings": _warnings(pinned.info, trial)}


def _warnings(info: StrategyInfo, trial: Mapping[str, Any]) -> list[str]:
    warnings = []
    if not info.summary:
        warnings.append("It has no docstring, so nobody sees what it does.")
    signals = trial["signals"]
    if not signals["long"] and not signals["short"]:
        warnings.append(f"It asked for no position in {trial['bars']} made-up bars.")
    elif not trial["trades"]:
        warnings.append("None of its signals on made-up bars became a trade.")
    return warnings
