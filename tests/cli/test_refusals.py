"""What the command line refuses: with one sentence, one JSON object, one exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.cli import main
from core.domain.engine_words import EngineWords
from core.domain.options import EngineOptions
from tests.cli.conftest import Answer

OPTIONS = EngineOptions.model_fields

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
        ([*RUN, "--engine", "option={delta: 0.5}"], 2, "JSON"),
        ([*RUN, "--costs", "bps_5", "--engine", "fee_per_trade=4"], 2, "contradict"),
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


PYDANTIC = ("Value error", "Input should", "valid", "Extra inputs", "should have")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([*RUN, "--param", "fast=1e400"],
         "Parameter 'fast' is '1e400'. Expected a whole number from 2 to 200."),
        ([*RUN, "--param", "fast=nan"],
         "Parameter 'fast' is 'nan'. Expected a whole number from 2 to 200."),
        ([*RUN, "--cash", "nan"], "--cash is nan. Expected a finite number."),
        ([*RUN, "--margin", "2"], "--margin is 2.0. Expected at most 1."),
        ([*RUN, "--delay", "101"], "--delay is 101. Expected at most 100."),
        ([*RUN, "--fill", "open"], "--fill is 'open'. Expected one of next_open or close."),
        ([*RUN, "--square-off", "25:00"],
         "--square-off is '25:00'. Expected a time of day as HH:MM."),
        ([*RUN, "--square-off", "15:00"], "Square_off needs intraday=true."),
        ([*RUN, "--cash", "much"], "Argument --cash: found 'much', expected a number."),
        ([*RUN, "--borrow-rates", "ACME=11"], "--borrow-rates ACME is 11. Expected at most 10."),
        ([*RUN, "--shortable", "ACME=x"], "--shortable ACME is 'x'. Expected true or false."),
        ([*RUN, "--option", "delta=2"], "--option delta is 2. Expected at most 1."),
        ([*RUN, "--option", "gammma=2"],
         "--option gammma is not known. Expected one of delta, gamma, theta, volatility, days"),
        ([*RUN, "--delay", "1.5"], "Argument --delay: found '1.5', expected a whole number."),
        ([*RUN, "--strategy", "x" * 300], "Expected at most 200 characters."),
        ([*RUN, "--cash", "0", "--size", "-1"],
         "--cash is 0.0, expected more than 0; --size is -1.0, expected more than 0."),
        (["list", "--since", "soon"], "--since is 'soon'. Expected a date as YYYY-MM-DD."),
        (["list", "--page", "0"], "--page is 0. Expected at least 1."),
        (["list", "--order", "up"], "--order is 'up'. Expected one of asc or desc."),
        (["run", "--strategy", "ema_crossover", "--symbols", " , "],
         "--symbols is ' , '. Expected symbols of the lake, separated by commas. `workbench data`"),
        (["run", "--strategy", "ema_crossover", "--symbols", ""], "--symbols is ''. Expected"),
        (["run", "--strategy", "", "--symbols", "ACME"],
         "--strategy is ''. Expected the id of a strategy. `workbench strategies` lists them."),
        ([*RUN, "--timeframe", ""], "Timeframe '' is not known. Expected one of 1m,"),
        ([*RUN, "--param", "fast=5", "--param", "fast = 6"],
         "--param fast is given twice, as '5' and as '6'. Expected one of them."),
    ],
)  # fmt: skip
def test_a_refusal_says_what_was_found_and_what_was_expected(
    call: Call, lake: tuple[str, str], words: list[str], said: str
) -> None:
    answer = call(*words)

    assert answer.code == 2
    assert said in answer.err
    assert [word for word in PYDANTIC if word in answer.err] == []


def test_a_value_that_cannot_be_read_is_told_without_every_option_there_is(call: Call) -> None:
    answer = call(*RUN, "--cash-rate", "5%")

    assert answer.code == 2
    assert answer.err.startswith("Argument --cash-rate: found '5%', expected a number.")
    assert "usage:" not in answer.err
    assert "usage:" in call("run", "--wings").err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "--strategy", "ema_crossover", "--symbols", "ACNE"], "Did you mean ACME?\n"),
        (["data", "ACNE"], "Did you mean ACME?\n"),
        (["strategies", "ema_crosover"], "Did you mean ema_crossover"),
    ],
)
def test_a_question_ends_with_its_mark(
    call: Call, lake: tuple[str, str], words: list[str], said: str
) -> None:
    answer = call(*words)

    assert said in answer.err
    assert "?." not in answer.err


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (
            {
                "parameters": {"fast": 5},
                "start_date": "2018-02-01",
                "initial_capital": 5,
                "engine_options": {"wing": 1, "fill": "close"},
                "delay": 1,
            },
            {
                "parameters": "params",
                "start_date": "start",
                "initial_capital": "options.initial_cash",
                "engine_options.wing": f"one of {', '.join([*EngineWords.model_fields, *OPTIONS])}",
                "delay": "options.delay",
            },
        ),
        ({"options": {"lots": 2}, "costs": {"slippage": 1}},
         {"options.lots":
          "engine_options.lots, or options.sizing, options.size and options.lot_size",
          "costs.slippage": "engine_options.slippage in points, or costs.slippage_bps"}),
        ({"wings": 2},
         {"wings": "one of strategy, params, symbols, timeframe, start, end, options, costs, "
          "benchmark, engine_options"}),
    ],
)  # fmt: skip
def test_a_key_of_another_door_is_answered_with_the_right_one(
    call: Call, tmp_path: Path, request_: dict[str, Any], said: dict[str, str]
) -> None:
    spec = {"strategy": "ema_crossover", "symbols": ["ACME"], **request_}
    (tmp_path / "request.json").write_text(json.dumps(spec), "utf-8")

    answer = call("run", "--spec", tmp_path / "request.json", "--json")

    error = answer.json["error"]
    found = {each["field"]: each["expected"] for each in error.get("problems", [error])}
    assert (answer.code, found) == (2, said)
    assert all(f"'{key}'" in error["message"] for key in said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"params": null}', "--spec has params None. Expected an object."),
        ('{"options": [1]}', "--spec has options [1]. Expected an object."),
        ('{"params": {"fast": null}}',
         "Key 'params.fast' is None. Expected a finite number, true, false or text."),
        ('{"params": {"fast": 1e400}}',
         "Key 'params.fast' is inf. Expected a finite number, true, false or text."),
        ('{"symbols": "ACME"}', "Key 'symbols' is 'ACME'. Expected a list."),
        ('{"symbols": [3]}', "Key 'symbols.0' is 3. Expected a text."),
        ('{"start": "soon"}', "Key 'start' is 'soon'. Expected a date as YYYY-MM-DD."),
        ('{"timeframe": "7m"}', "Timeframe '7m' is not known. Expected one of 1m,"),
        ('{"costs": [1]}', "Key 'costs' is [1]. Expected an object."),
        ('{"costs": {"changes": [{"since": "2020-01-01", "bp": 1}]}}',
         "Key 'costs.changes.0.bp' is not known. `--help` after"),
        ("[1]", "request.json' holds [1]. Expected one JSON object."),
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
    ],
)  # fmt: skip
def test_a_spec_that_cannot_be_read_is_described(
    call: Call, tmp_path: Path, text: str, said: str
) -> None:
    whole = {"strategy": "ema_crossover", "symbols": ["ACME"]}
    if text.startswith("{") and text.endswith("}"):
        text = json.dumps(whole)[:-1] + ", " + text[1:]
    (tmp_path / "request.json").write_text(text, "utf-8")

    answer = call("run", "--spec", tmp_path / "request.json")

    assert answer.code == 2
    assert said in answer.err
    assert [word for word in PYDANTIC if word in answer.err] == []


def test_a_timeframe_of_a_spec_may_be_written_as_in_the_option(
    call: Call, lake: tuple[str, str], tmp_path: Path
) -> None:
    spec = {"strategy": "buy_and_hold", "symbols": ["ACME"], "timeframe": "daily"}
    (tmp_path / "request.json").write_text(json.dumps(spec), "utf-8")

    assert call("run", "--spec", tmp_path / "request.json", "--json").json["timeframe"] == "1d"


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["--start", "2030-01-01"], "from 2030-01-01"),
        (["--end", "1999-12-31"], "to 1999-12-31"),
        (["--start", "1990-01-01", "--end", "1990-02-01"], "from 1990-01-01 to 1990-02-01"),
    ],
)
def test_dates_without_prices_are_answered_with_those_that_have(
    call: Call, lake: tuple[str, str], words: list[str], asked: str
) -> None:
    answer = call(*RUN, *words)

    assert answer.code == 3
    assert answer.err == (
        f"There are no bars of ACME {asked}. It has bars from 2018-01-02 to 2019-07-15.\n"
    )


def test_a_strategy_that_is_flat_every_day_may_be_told_not_to_be(
    call: Call, lake: tuple[str, str]
) -> None:
    answer = call("run", "--strategy", "ema10_scalper", "--symbols", "ACME", "--no-intraday")

    assert answer.code == 0
    assert "flat at the end of every session" not in answer.out


def test_a_folder_is_no_file_to_import(call: Call, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    empty = call("import", tmp_path / "folder", "--symbol", "ACME")
    (tmp_path / "folder" / "prices.csv").touch()
    full = call("import", tmp_path / "folder", "--symbol", "ACME")

    assert (empty.code, full.code) == (2, 2)
    assert empty.err == f"{tmp_path}/folder is a folder. Expected one CSV file, plain or .gz.\n"
    assert f"Name a file in it, such as {tmp_path}/folder/prices.csv." in full.err


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

    assert error["message"] == "WORKBENCH_RUN_SLOTS is 'many'"
    assert error["expected"] == "a whole number"


@pytest.mark.parametrize(
    "words",
    [["list", "--json"], ["list"], ["data", "ACME", "--rows", "400"], ["--help"], ["--version"]],
)
def test_a_reader_that_leaves_early_ends_the_command_quietly(
    lake: tuple[str, str], words: list[str]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)

    run = subprocess.run(
        [sys.executable, "-m", "core", *words],
        env=os.environ | {"PYTHONUNBUFFERED": ""},
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )

    os.close(writing)
    assert (run.returncode, run.stderr) == (141, "")


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
