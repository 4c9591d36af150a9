"""Records that another version wrote: each door lists them with the reason, and opens the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from core.cli import main
from core.services import Services
from core.store.database import Database
from core.store.tables import RunRow, StudyRow

OPTIMIZATION = "/api/v1/optimization"


@pytest.fixture
def odd(apart_client: TestClient, apart: Services) -> Iterator[dict[str, int]]:
    run = apart_client.post(
        "/api/backtests/run", json={"strategy": "buy_and_hold", "symbols": ["AAPL"]}
    ).json()["id"]
    study = apart_client.post(
        OPTIMIZATION,
        json={"strategy": "ema_crossover", "symbols": ["AAPL"], "space": {"fast": [5, 10]}},
    ).json()["id"]
    database = Database(apart.settings.database_url)
    kept = {"run": apart.backtests.get(run).spec, "study": apart.studies.get(study).spec}

    def write(rows: dict[str, str]) -> None:
        with database.write() as connection:
            for table, number, name in ((RunRow, run, "run"), (StudyRow, study, "study")):
                change = update(table).where(table.id == number).values(spec=rows[name])
                connection.execute(change)

    write({"run": '{"of": 2030}', "study": '{"of": 2030}'})
    yield {"run": run, "study": study}
    write({name: spec.canonical() for name, spec in kept.items()})
    database.close()


@pytest.mark.parametrize(
    ("path", "rows", "kind"),
    [
        ("/api/backtests", "backtests", "run"),
        ("/api/v1/backtests", "results", "run"),
        ("/api/v1/backtests?format=list", None, "run"),
        ("/api/v1/optimization", "optimizations", "study"),
        ("/api/optimization", "optimizations", "study"),
    ],
)
def test_it_is_listed_with_the_reason_and_opens_with_it(
    apart_client: TestClient, odd: dict[str, int], path: str, rows: str | None, kind: str
) -> None:
    answer = apart_client.get(path)

    assert answer.status_code == 200, answer.text
    body: Any = answer.json()
    listed = (
        body
        if rows is None
        else body.get(rows) or next(each for each in body.values() if isinstance(each, list))
    )
    row = next(each for each in listed if each["id"] == odd[kind])
    assert row["error"]["code"] == "data_problem"
    assert "cannot be read" in row["error"]["message"]
    opened = apart_client.get(f"{path.partition('?')[0]}/{odd[kind]}")
    assert (opened.status_code, opened.json()["code"]) == (409, "data_problem")
    assert "another version" in opened.json()["hint"]


def test_the_command_line_lists_and_opens_it_likewise(
    apart: Services,
    odd: dict[str, int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WORKBENCH_DATA_DIR", str(apart.settings.data_dir))

    def call(*words: object) -> tuple[int, str]:
        return main([str(word) for word in words]), capsys.readouterr().out

    for lists, opens, rows, ref in (
        ("list", "show", "runs", odd["run"]),
        ("studies", "studies", "studies", odd["study"]),
    ):
        assert "unreadable" in call(lists)[1]
        code, text = call(lists, "--json")
        assert code == 0
        (row,) = [
            each for each in json.loads(text)[rows] if each.get("run_id", each.get("id")) == ref
        ]
        assert row["error"]["code"] == "data_problem"
        code, text = call(opens, ref, "--json")
        assert (code, json.loads(text)["error"]["code"]) == (4, "data_problem")
