"""What of the records is written to experiment tracking too: who is to do it, and its names there.

A mirror is asked for in the transaction that completes a run or study, as a job of its own, so it
is never forgotten and never waited for.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Literal

from sqlalchemy import ColumnElement, Connection, Select, bindparam, exists, or_, select, update

from core.domain.job import JobState
from core.domain.run import RunStatus
from core.errors import NotFound
from core.store.database import Database
from core.store.jobs import put_job
from core.store.tables import JobRow, RunRow, StudyRow

Kept = Literal["run", "study"]
"""What can be mirrored."""

MIRROR: Final = "mirror"
"""Kind of the jobs that write to experiment tracking."""
LAST: Final = -100
"""Their priority: whatever anybody waits for goes first."""
_ROWS: Final[dict[Kept, type[RunRow | StudyRow]]] = {"run": RunRow, "study": StudyRow}
# Built once, like all that every run executes.
_ASKED: Final = {
    kept: update(row).where(row.id == bindparam("number")).values(mirrored_as=bindparam("job"))
    for kept, row in _ROWS.items()
}
_GIVEN_UP: Final = (JobState.FAILED.value, JobState.CANCELLED.value)


class MirrorRepository:
    """Jobs that mirror runs and studies, and where the mirrors are.

    Args:
        database: Where the rows are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(self, kept: Kept, within: Connection, number: int) -> None:
        """Have a run or study mirrored that completes in this transaction."""
        payload = {"of": kept, "id": number}
        job = put_job(within, MIRROR, payload, now=datetime.now(UTC), priority=LAST)
        within.execute(_ASKED[kept], {"number": number, "job": job})

    def ask_for_missing(self) -> int:
        """Have everything mirrored that is completed and not yet mirrored, nor waiting to be.

        Returns:
            How many were asked for.
        """
        with self._database.write() as connection:
            runs = connection.execute(_completed_run()).scalars().all()
            studies = connection.execute(_completed_study()).scalars().all()
            for number in runs:
                self.ask("run", connection, number)
            for number in studies:
                self.ask("study", connection, number)
        return len(runs) + len(studies)

    def note(
        self, kept: Kept, number: int, *, experiment_id: str, run_id: str, within: Connection
    ) -> None:
        """Record where a mirror is, in the transaction that completes its job.

        Raises:
            NotFound: no such run or study.
        """
        row = _ROWS[kept]
        noted = within.execute(
            update(row)
            .where(row.id == number)
            .values(mlflow_experiment_id=experiment_id, mlflow_run_id=run_id)
        )
        if noted.rowcount != 1:
            raise NotFound(f"{kept} {number} does not exist")


def _completed_run() -> Select[int]:
    done = RunRow.status == RunStatus.COMPLETED.value
    missing = RunRow.mlflow_run_id.is_(None)
    return select(RunRow.id).where(done, missing, _nobody_will(RunRow)).order_by(RunRow.id)


def _completed_study() -> Select[int]:
    done = StudyRow.key.is_not(None)
    missing = StudyRow.mlflow_run_id.is_(None)
    return select(StudyRow.id).where(done, missing, _nobody_will(StudyRow)).order_by(StudyRow.id)


def _nobody_will(row: type[RunRow | StudyRow]) -> ColumnElement[bool]:
    given_up = exists().where(JobRow.id == row.mirrored_as, JobRow.state.in_(_GIVEN_UP))
    return or_(row.mirrored_as.is_(None), given_up)
