"""Records that another version wrote are listed beside the others, with the reason."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import update

from core.domain.study import StudySpec
from core.store.database import Database
from core.store.tables import RunRow, StudyRow

SPACE = {"fast": [4, 8], "slow": [20, 30]}


@pytest.fixture
def odd(services, submit):
    run = submit(symbols=("AAPL",), start="2020-06-02")
    asked = {"run": {"strategy": "crossing", "symbols": ["AAPL"]}, "space": SPACE}
    study = services.studies.submit(StudySpec.model_validate(asked))
    services.jobs.cancel(study.job.id)
    database = Database(services.settings.database_url)

    def write(run_text, study_text):
        with database.write() as connection:
            connection.execute(update(RunRow).where(RunRow.id == run.id).values(spec=run_text))
            connection.execute(
                update(StudyRow).where(StudyRow.id == study.id).values(spec=study_text)
            )

    write("{}", "{}")
    yield run.id, study.id
    write(run.spec.canonical(), study.spec.canonical())
    database.close()


@pytest.mark.parametrize(
    ("path", "opens", "place"), [("", "run", 0), ("optimizations", "study", 1)]
)
def test_a_record_of_another_version_hides_no_other(open_page, odd, path, opens, place):
    page = open_page(path)
    ref = odd[place]

    assert not page.exception
    sent = [json.loads(one.proto.json) for one in page.get("bidi_component") if one.proto.json]
    rows = next(each["rows"] for each in sent if each.get("rows"))
    row = next(each for each in rows if each["id"] == ref)
    (badge,) = [chip for chip in row["cells"]["status"] if chip["text"] == "Unreadable"]
    assert "cannot be read" in badge["title"]
    opened = open_page(opens, id=str(ref))
    assert not opened.exception
    assert "cannot be read" in "".join(str(block.body) for block in opened.get("html"))
