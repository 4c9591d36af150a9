"""Reading MLflow: experiments, runs with true totals, one run; all as plain data."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from core.tracking.connection import connect, explained

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun

PAGE: Final = 1_000

Plain = dict[str, Any]


class Reader:
    """Reads one MLflow.

    Args:
        uri: Of its server or database.

    Raises:
        Unavailable: it cannot be reached; also by every method.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._client = connect(uri)

    def experiments(self) -> list[Plain]:
        """Give every experiment that is not deleted, the one changed last first."""
        found: list[Plain] = []
        token: str | None = None
        while True:
            with explained(self._uri):
                page = self._client.search_experiments(
                    max_results=PAGE, order_by=["last_update_time DESC"], page_token=token
                )
            found += [
                {
                    "experiment_id": each.experiment_id,
                    "name": each.name,
                    "lifecycle_stage": each.lifecycle_stage,
                    "artifact_location": each.artifact_location,
                    "creation_time": each.creation_time,
                    "last_update_time": each.last_update_time,
                }
                for each in page
            ]
            token = page.token
            if not token:
                return found

    def runs(
        self, experiment_id: str, *, skip: int, most: int, order_by: list[str], where: str
    ) -> Plain:
        """Give some runs of an experiment, and how many there are in all.

        MLflow counts nothing, so all of them are looked at.

        Raises:
            NotFound: no such experiment.
            InvalidInput: the order or the filter cannot be read.
        """
        kept: list[Plain] = []
        total = 0
        token: str | None = None
        with explained(self._uri):
            self._client.get_experiment(experiment_id)
        while True:
            with explained(self._uri):
                page = self._client.search_runs(
                    [experiment_id],
                    where,
                    max_results=PAGE,
                    order_by=order_by or None,
                    page_token=token,
                )
            begin, end = max(skip - total, 0), max(skip + most - total, 0)
            kept += [_plain(each) for each in page[begin:end]]
            total += len(page)
            token = page.token
            if not token:
                return {"runs": kept, "total": total}

    def run(self, run_id: str) -> Plain:
        """Give one run.

        Raises:
            NotFound: no such run.
        """
        with explained(self._uri):
            return _plain(self._client.get_run(run_id))


def _plain(run: MlflowRun) -> Plain:
    info, data = run.info, run.data
    return {
        "info": {
            "run_id": info.run_id,
            "run_name": info.run_name,
            "experiment_id": info.experiment_id,
            "status": info.status,
            "start_time": info.start_time,
            "end_time": info.end_time,
            "lifecycle_stage": info.lifecycle_stage,
            "artifact_uri": info.artifact_uri,
        },
        "data": {
            "metrics": {
                name: value if math.isfinite(value) else None
                for name, value in data.metrics.items()
            },
            "params": dict(data.params),
            "tags": dict(data.tags),
        },
    }
