"""Studies: asked for together with a job, recorded together with its end."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, time
from typing import Any, Final, cast, get_args

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    UnaryExpression,
    case,
    func,
    insert,
    not_,
    or_,
    select,
    update,
)

from core.domain.findings import (
    Chosen,
    Findings,
    Study,
    StudyPage,
    StudyQuery,
    Validation,
)
from core.domain.job import Job, JobError
from core.domain.run import Source
from core.domain.study import Method, StudySpec
from core.errors import DataProblem, NotFound
from core.store.artifacts import ArtifactStore
from core.store.database import Database
from core.store.frames import Shelf
from core.store.jobs import JOB_COLUMNS, job_of
from core.store.records import number_of, spec_of_columns, storable, stored_spec, utc
from core.store.tables import JobRow, StudyArtifactRow, StudyRow

STUDY: Final = Shelf(
    dict.fromkeys(("trials", "returns", "halves", "windows", "stitched", "worlds")),
    optional=frozenset({"halves", "windows", "stitched", "worlds"}),
)
"""Tables of a study; their columns depend on what was asked."""

_COLUMNS: Final = tuple(StudyRow.__table__.columns)
_NAMES: Final = tuple(column.name for column in _COLUMNS)
_STUDY: Final = select(*_COLUMNS, *(column.label(f"job_{column.name}_") for column in JOB_COLUMNS)
).join_from(StudyRow, JobRow, StudyRow.job_id == JobRow.id)  # fmt: skip

_SORTS: Final[Mapping[str, ColumnElement[Any]]] = {
    **{name: StudyRow.__table__.c[name] for name in ("id", "strategy", "symbol", "method")},
    **{name: StudyRow.__table__.c[name] for name in ("trials", "deflated", "pbo")},
    "best": StudyRow.__table__.c.best_value,
    "status": JobRow.__table__.c.state,
    "light": case({"green": 0, "amber": 1, "red": 2}, value=StudyRow.__table__.c.light),
}


class StudyRepository:
    """Studies and their artifacts.

    Args:
        database: Where the rows are.
        artifacts: Where the files are, on the shelf `STUDY`.
        then: Told the number of every study that completes, in the same transaction.
    """

    def __init__(
        self,
        database: Database,
        artifacts: ArtifactStore,
        then: Callable[[Connection, int], None] | None = None,
    ) -> None:
        self._database = database
        self._artifacts = artifacts
        self._then = then

    def create(
        self,
        spec: StudySpec,
        *,
        title: str,
        source: Source,
        code_hash: str,
        job_id: int,
        within: Connection,
        now: datetime,
    ) -> int:
        """Record a study in the transaction of its job; give its number."""
        row = {
            "uuid": str(uuid.uuid4()),
            "job_id": job_id,
            "strategy": spec.run.strategy,
            "title": title,
            "symbol": spec.run.symbols[0],
            "timeframe": spec.run.timeframe.value,
            "method": spec.method,
            "objective": "; ".join(each.sentence() for each in spec.objectives),
            "source": source,
            "spec": spec.canonical(),
            "code_hash": code_hash,
            "created_at": utc(now),
        }
        found: int = within.execute(insert(StudyRow).returning(StudyRow.id), row).scalar_one()
        return found

    def complete(
        self, job_id: int, key: str, findings: Findings, files: Mapping[str, str], *,
        within: Connection,
    ) -> None:  # fmt: skip
        """Record what a study found, in the transaction that completes its job.

        Raises:
            NotFound: no study has this job.
            DataProblem: the artifacts are not published.
        """
        manifest = self._artifacts.manifest(key)
        if {name: entry.sha256 for name, entry in manifest.items()} != dict(files):
            raise DataProblem(
                f"the artifacts published under {key} are others than this study's",
                expected="what publishing returned",
            )
        judged = findings.judged
        study_id = within.execute(
            update(StudyRow)
            .where(StudyRow.job_id == job_id)
            .values(
                key=key,
                trials=findings.trials,
                eligible=findings.eligible,
                best_value=None if findings.chosen is None else findings.chosen.value,
                light=findings.light,
                deflated=judged.get("deflated", {}).get("value"),
                pbo=judged.get("overfitting", {}).get("pbo"),
                plateau=judged.get("stability", {}).get("ratio"),
                findings=json.dumps(findings_to_json(findings), allow_nan=False),
            )
            .returning(StudyRow.id)
        ).scalar_one_or_none()
        if study_id is None:
            raise NotFound(f"no study has job {job_id}")
        within.execute(
            insert(StudyArtifactRow),
            [
                {"study_id": study_id, "name": name, "sha256": each.sha256, "bytes": each.bytes}
                for name, each in manifest.items()
            ],
        )
        if self._then is not None:
            self._then(within, study_id)

    def get(self, ref: int | str) -> Study:
        """Find a study by its number or uuid, or by the uuid of its job.

        Raises:
            NotFound: no such study.
        """
        named = _named(ref)
        with self._database.read() as connection:
            row = None
            if named is not None:
                row = connection.execute(_STUDY.where(named)).one_or_none()
            if row is None:
                shown = (
                    ref[:80]
                    if isinstance(ref, str)
                    else ref
                    if number_of(ref)
                    else "of that number"
                )
                raise NotFound(
                    f"study {shown} does not exist",
                    expected="the number or uuid of a study, or the uuid of its job",
                    hint="List the studies to see what there is",
                )
            files = connection.execute(
                select(StudyArtifactRow.name, StudyArtifactRow.sha256)
                .where(StudyArtifactRow.study_id == row.id)
                .order_by(StudyArtifactRow.name)
            ).all()
        return _study(row, {each.name: each.sha256 for each in files})

    def of_job(self, job_id: int) -> Study:
        """Find the study of a job; raises as `get`."""
        with self._database.read() as connection:
            found = connection.execute(
                select(StudyRow.id).where(StudyRow.job_id == job_id)
            ).scalar_one_or_none()
        return self.get(found or 0)

    def list(self, query: StudyQuery) -> StudyPage:
        """Select, order and cut a page of studies in the database.

        A study whose request or findings cannot be read is listed with the reason as the error of
        its job, and with what columns say of it.
        """
        texts = (query.strategy or "", query.strategy_part or "", query.symbol or "")
        if not all(storable(text) for text in texts):
            return StudyPage((), 0)
        conditions = _conditions(query)
        joined = select(func.count()).join_from(StudyRow, JobRow, StudyRow.job_id == JobRow.id)
        with self._database.read() as connection:
            total = connection.execute(joined.where(*conditions)).scalar_one()
            rows = connection.execute(
                _STUDY.where(*conditions)
                .order_by(*_order(query))
                .limit(query.limit)
                .offset(query.offset)
            ).all()
        return StudyPage(tuple(_listed(row) for row in rows), total)


def findings_to_json(findings: Findings) -> dict[str, Any]:
    """Give findings as plain data."""
    return cast("dict[str, Any]", _plain(asdict(findings)))


def findings_from_json(data: Mapping[str, Any]) -> Findings:
    """Read what `findings_to_json` gave."""
    validation = data["validation"]
    return Findings(
        **{
            **data,
            "first": date.fromisoformat(data["first"]),
            "last": date.fromisoformat(data["last"]),
            **{name: tuple(data[name]) for name in ("front", "gates", "effects", "edges")},
            "chosen": None if data["chosen"] is None else Chosen(**data["chosen"]),
            "peak": None if data["peak"] is None else Chosen(**data["peak"]),
            "validation": None
            if validation is None
            else Validation(
                **{
                    **validation,
                    "first": date.fromisoformat(validation["first"]),
                    "last": date.fromisoformat(validation["last"]),
                }
            ),
        }
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, date) else value


def _conditions(query: StudyQuery) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if query.strategy is not None:
        found.append(StudyRow.strategy == query.strategy)
    if query.strategy_part is not None:
        # bytes.lower() folds ASCII only, which is what lower() does on both databases here.
        wanted = query.strategy_part.encode().lower().decode()
        found.append(func.lower(StudyRow.strategy).contains(wanted, autoescape=True))
    if query.symbol is not None:
        found.append(or_(StudyRow.symbol == query.symbol, _among(query.symbol)))
    if query.state is not None:
        found.append(JobRow.state == query.state)
    if query.start is not None:
        found.append(StudyRow.created_at >= datetime.combine(query.start, time.min, UTC))
    if query.end is not None:
        found.append(StudyRow.created_at <= datetime.combine(query.end, time.max, UTC))
    if query.walks is not None:
        # As a canonical spec has it; inside of a text its quotes would be escaped.
        stays = StudyRow.spec.contains('"walk_forward":null', autoescape=True)
        found.append(not_(stays) if query.walks else stays)
    return found


def _order(query: StudyQuery) -> tuple[UnaryExpression[Any], UnaryExpression[Any]]:
    key, newest = _SORTS[query.sort], StudyRow.id.desc()
    return (key.asc() if query.order == "asc" else key.desc()).nulls_last(), newest


def _among(symbol: str) -> ColumnElement[bool]:
    """Whether a study searched this symbol among others, as a canonical spec lists them.

    What begins the list and what follows it stand there once: inside of a text their quotes would
    be escaped.
    """
    text = json.dumps(symbol).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return StudyRow.spec.like(f'%"symbols":[%{text}%],"timeframe":%', escape="\\")


def _named(ref: int | str) -> ColumnElement[bool] | None:
    if isinstance(ref, int) or (ref.isascii() and ref.isdecimal()):
        number = number_of(ref)
        return None if number is None else StudyRow.id == number
    if not storable(ref):
        return None
    return or_(StudyRow.uuid == ref.lower(), JobRow.uuid == ref.lower())


def _listed(row: Row[Any]) -> Study:
    try:
        return _study(row, {})
    except DataProblem as unreadable:
        own = dict(zip(_NAMES, row[: len(_NAMES)], strict=True))
        why = JobError(unreadable.code, unreadable.message, unreadable.hint)
        job = replace(job_of(row[len(_NAMES) :]), error=why)
    try:
        spec = _spec(own)
    except DataProblem:
        spec = _spec_of_columns(own)
    return _kept(own, job, spec, None, {})


def _study(row: Row[Any], artifacts: Mapping[str, str]) -> Study:
    own = dict(zip(_NAMES, row[: len(_NAMES)], strict=True))
    found = None if own["findings"] is None else _findings(own["id"], own["findings"])
    return _kept(own, job_of(row[len(_NAMES) :]), _spec(own), found, artifacts)


def _kept(
    own: Mapping[str, Any],
    job: Job,
    spec: StudySpec,
    found: Findings | None,
    artifacts: Mapping[str, str],
) -> Study:
    return Study(
        id=own["id"],
        uuid=own["uuid"],
        job=job,
        spec=spec,
        title=own["title"],
        source=cast("Source", own["source"]),
        created_at=own["created_at"],
        key=own["key"],
        code_hash=own["code_hash"],
        findings=found,
        artifacts=artifacts,
        mirrored_as=own["mirrored_as"],
        mlflow_experiment_id=own["mlflow_experiment_id"],
        mlflow_run_id=own["mlflow_run_id"],
    )


def _spec(own: Mapping[str, Any]) -> StudySpec:
    return stored_spec(StudySpec, own, "study")


def _spec_of_columns(own: Mapping[str, Any]) -> StudySpec:
    """What columns say of a request that cannot be read; not checked."""
    known: tuple[Method, ...] = get_args(Method)
    return StudySpec.model_construct(
        run=spec_of_columns(own, [own["symbol"]]),
        space={},
        method=own["method"] if own["method"] in known else "grid",
        objectives=(),
    )


def _findings(study_id: int, text: str) -> Findings:
    try:
        return findings_from_json(json.loads(text))
    except (KeyError, TypeError, ValueError) as error:
        raise DataProblem(
            f"the findings of study {study_id} cannot be read: {error}",
            hint="they were written by another version; restore the backup or upgrade",
        ) from error
