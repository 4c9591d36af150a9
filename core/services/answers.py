"""Results and errors as plain data, for the way out of the process that computed them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from core.domain.metrics import Metrics
from core.domain.run import RunError, RunResult
from core.errors import WorkbenchError


def error_of(error: WorkbenchError) -> RunError:
    """Give an error as a run keeps it."""
    message = error.message.rstrip(".")
    if error.expected:
        message = f"{message}; expected {error.expected.rstrip('.')}"
    return RunError(error.code, message, error.hint)


def error_to_json(error: RunError) -> dict[str, Any]:
    """Give an error as plain data."""
    return asdict(error)


def error_from_json(data: dict[str, Any]) -> RunError:
    """Read what `error_to_json` gave."""
    return RunError(**data)


def result_to_json(result: RunResult) -> dict[str, Any]:
    """Give a result as plain data, without its frames."""
    return {
        "run_key": result.run_key,
        "metrics": metrics_to_json(result.metrics),
        "by_symbol": {name: metrics_to_json(own) for name, own in result.by_symbol.items()},
        "first_bar": result.first_bar.isoformat(),
        "last_bar": result.last_bar.isoformat(),
        "bars": result.bars,
        "engine_ms": result.engine_ms,
        "data_hashes": dict(result.data_hashes),
        "code_hash": result.code_hash,
        "engine_version": result.engine_version,
    }


def result_from_json(data: dict[str, Any]) -> RunResult:
    """Read what `result_to_json` gave; the frames are where they were written."""
    return RunResult(
        **{
            **data,
            "metrics": metrics_from_json(data["metrics"]),
            "by_symbol": {name: metrics_from_json(own) for name, own in data["by_symbol"].items()},
            "frames": {},
            "first_bar": datetime.fromisoformat(data["first_bar"]),
            "last_bar": datetime.fromisoformat(data["last_bar"]),
        }
    )


def metrics_to_json(metrics: Metrics) -> dict[str, Any]:
    """Give metrics as plain data."""
    return {
        "values": dict(metrics.values),
        "reasons": dict(metrics.reasons),
        "counters": dict(metrics.counters),
        "badges": list(metrics.badges),
    }


def metrics_from_json(data: dict[str, Any]) -> Metrics:
    """Read what `metrics_to_json` gave."""
    return Metrics(**{**data, "badges": tuple(data["badges"])})
