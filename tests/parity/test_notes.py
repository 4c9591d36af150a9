"""What was asked for in vain is said through every door in the same words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from core import bootstrap
from core.cli import main
from tests.laboratory import lay_prices, settings_in, wave, write_strategy

IN_VAIN = "daily_unit=points does nothing: "


def asked(client: TestClient, path: str, **body: Any) -> Any:
    answer = client.post(path, json={"strategy": "simple", "symbols": ["AAA"], **body})
    assert answer.status_code in {200, 202}, answer.text
    return answer.json()


def test_every_door_says_what_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_in(tmp_path)
    lay_prices(settings.lake_dir, "AAA", wave(60))
    write_strategy(settings.strategies_dir, "simple")
    options = {"engine_options": {"daily_unit": "points"}}
    with (
        bootstrap.build(settings, executor="inline") as services,
        TestClient(create_app(services, settings), base_url="http://127.0.0.1") as client,
    ):
        taken = asked(client, "/api/backtests/run", **options)
        answers = [
            taken,
            asked(client, "/api/v1/backtests", **options),
            client.get(f"/api/backtests/{taken['id']}").json(),
        ]
        (note,) = services.backtests.notes(services.backtests.get(taken["id"]))
    monkeypatch.setenv("WORKBENCH_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("WORKBENCH_STRATEGIES_DIR", str(settings.strategies_dir))
    capsys.readouterr()
    assert main(["show", str(taken["id"]), "--json"]) == 0
    answers.append(json.loads(capsys.readouterr().out))

    assert note.startswith(IN_VAIN)
    assert [answer["notes"] for answer in answers] == [[note]] * len(answers)
    assert main(["show", str(taken["id"])]) == 0
    assert IN_VAIN in " ".join(capsys.readouterr().out.split())
