"""What the command line refuses: with one sentence, one JSON object, one exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from core.cli import main
from tests.cli.conftest import Answer

Call = Callable[..., Answer]
RUN = ("run", "--strategy", "ema_crossover", "--symbols", "ACME")


@pytest.mark.parametrize(
    ("words", "code", "found"),
    [
        (["fly"], 2, "fly"),
        ([], 2, "required"),
        (["run", "--wings"], 2, "--wings"),
        (["run", "--symbols", "ACME"], 2, "--strategy"),
        (["run", "--strategy", "ema_crossover"], 2, "--symbols"),
        ([*RUN, "--timeframe", "7m"], 2, "7m"),
        ([*RUN, "--costs", "free"], 2, "free"),
        ([*RUN, "--start", "yesterday"], 2, "yesterday"),
        ([*RUN, "--start", "2020-01-02", "--end", "2020-01-01"], 2, "after"),
        ([*RUN, "--param", "fast"], 2, "name=value"),
        ([*RUN, "--param", "fast=1000000"], 2, "fast"),
        ([*RUN, "--param", "speed=3"], 2, "speed"),
        ([*RUN, "--param", "fast=50", "--param", "slow=20"], 2, "fast < slow"),
        ([*RUN, "--cash", "-5"], 2, "initial_cash"),
        ([*RUN, "--cash", "nan"], 2, "initial_cash"),
        ([*RUN, "--fill", "yesterday"], 2, "fill"),
        ([*RUN, "--spec", "nowhere.json"], 2, "nowhere.json"),
        (["run", "--strategy", "emma", "--symbols", "ACME"], 3, "emma"),
        (["run", "--strategy", "os.system", "--symbols", "ACME"], 3, "os.system"),
        (["run", "--strategy", "ema_crossover", "--symbols", "NONE"], 3, "NONE"),
        (["list", "--sort", "beauty"], 2, "beauty"),
        (["list", "--status", "happy"], 2, "happy"),
        (["list", "--page-size", "0"], 2, "page_size"),
        (["show", "99"], 3, "99"),
        (["reproduce", "api_19700101000000_00000000"], 3, "api_"),
        (["import", "nowhere.csv", "--symbol", "ACME"], 3, "nowhere.csv"),
        (["data", "NONE"], 3, "NONE"),
        (["data", "ACME", "--rows", "0"], 2, "--rows"),
        (["strategies", "emma"], 3, "emma"),
    ],
)
def test_a_refusal_is_one_sentence_or_one_object(
    call: Call, lake: tuple[str, str], words: list[str], code: int, found: str
) -> None:
    for_people = call(*words)
    for_programs = call(*words, "--json")

    error = for_programs.json["error"]
    said = f"{error['message']} {error.get('expected', '')} {error.get('field', '')}"
    assert (for_people.code, for_programs.code) == (code, code)
    assert error["code"] == {2: "invalid_input", 3: "not_found"}[code]
    assert found in said
    assert for_people.out == ""
    assert error["message"][1:].rstrip(".") in for_people.err
    assert for_programs.err == ""


def test_every_wrong_parameter_is_named(call: Call, lake: tuple[str, str]) -> None:
    error = call(*RUN, "--param", "fast=-1", "--param", "speed=3", "--json").json["error"]

    assert {problem["field"] for problem in error["problems"]} == {"params.fast", "params.speed"}


def test_a_file_that_is_no_csv_is_refused(call: Call, tmp_path: Path) -> None:
    (tmp_path / "picture.csv").write_bytes(bytes(range(256)) * 40)

    answer = call("import", tmp_path / "picture.csv", "--symbol", "ACME", "--json")

    assert answer.code in {2, 4}
    assert call("data", "--json").json["series"] == []


def test_a_strategy_that_raises_fails_its_run(
    call: Call, lake: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "strategies").mkdir()
    (tmp_path / "strategies" / "fragile.py").write_text(
        "from core.domain.strategy import MarketView, Signals, Strategy\n\n\n"
        "class FragileStrategy(Strategy):\n"
        '    """Fail."""\n\n'
        "    def generate_signals(self, view: MarketView) -> Signals:\n"
        "        return 1 / 0\n",
        "utf-8",
    )
    monkeypatch.setenv("WORKBENCH_STRATEGIES_DIR", str(tmp_path / "strategies"))

    answer = call("run", "--strategy", "fragile", "--symbols", "ACME", "--json")

    run = answer.json
    assert (answer.code, run["status"], run["metrics"], run["trades"]) == (5, "failed", None, None)
    assert run["error"]["code"] == "strategy_failed"
    assert "division by zero" in run["error"]["message"]
    assert call("show", run["run_id"]).code == 0
    assert "division by zero" in call("show", run["run_id"]).out


@pytest.mark.parametrize("command", ["list", "demo", "migrate"])
def test_a_data_folder_that_cannot_be_written_is_named(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    if os.geteuid() == 0:  # who may write anywhere but there
        folder = Path("/sys/workbench")
    monkeypatch.setenv("WORKBENCH_DATA_DIR", str(folder / "data"))

    answer = call(command)

    assert (answer.code, answer.out) == (1, "")
    assert str(folder) in answer.err
    assert answer.err.count("\n") == 1


def test_a_data_folder_that_is_a_file_is_named(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder", "utf-8")
    monkeypatch.setenv("WORKBENCH_DATA_DIR", str(tmp_path / "file"))

    answer = call("list", "--json")

    assert answer.code == 1
    assert str(tmp_path / "file") in answer.json["error"]["message"]


def test_a_setting_that_cannot_be_used_is_named(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_RUN_SLOTS", "many")

    error = call("list", "--json").json["error"]

    assert "WORKBENCH_RUN_SLOTS" in error["message"]


def test_a_reader_that_leaves_early_is_no_fault() -> None:
    shell = f"{sys.executable} -m core --help | head -1"

    run = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=False)

    assert (run.returncode, run.stderr) == (0, "")


def test_help_and_version_answer(capsys: pytest.CaptureFixture[str]) -> None:
    for words, found in (
        (["--help"], "commands"),
        (["run", "--help"], "--param"),
        (["--version"], "workbench "),
    ):
        with pytest.raises(SystemExit) as left:
            main(words)
        assert left.value.code == 0
        assert found in capsys.readouterr().out


def test_help_loads_nothing_heavy() -> None:
    program = """
import sys
from core.cli import main
try:
    main(["--help"])
except SystemExit:
    pass
heavy = {"numpy", "polars", "pydantic", "numba", "sqlalchemy", "duckdb", "rich", "streamlit"}
sys.exit(" ".join(sorted(heavy & set(sys.modules))) or None)
"""

    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert (run.returncode, run.stderr) == (0, "")
