from __future__ import annotations

import json

import pytest

from core.bootstrap import build
from core.domain.metrics import METRICS
from core.domain.run import RunQuery
from core.errors import Unavailable
from tests.laboratory import settings_in, write_strategy
from tests.ui.conftest import words
from ui import state, wiring


def sent_to_components(page):
    """Data of the components that are sent any; the guard of the form is not."""
    return [json.loads(one.proto.json) for one in page.get("bidi_component") if one.proto.json]


def table(page):
    """What the table of runs was given."""
    sent = sent_to_components(page)
    return next(data for data in sent if "rows" in data)


def numbers(page):
    return [row["id"] for row in table(page)["rows"]]


@pytest.fixture
def runs(submit):
    """Five runs of different kinds."""
    return [
        submit(params={"fast": 5}),
        submit(params={"fast": 6}, symbols=("MSFT",)),
        submit("every_kind", symbols=("AAPL", "MSFT")),
        submit("faulty"),
        submit(symbols=("YOUNG",)),
    ]


def test_the_newest_run_comes_first(open_page, runs):
    assert numbers(open_page())[:5] == [run.id for run in reversed(runs)]


def test_a_row_says_what_was_run_and_what_came_out(open_page, runs):
    row = next(row for row in table(open_page())["rows"] if row["id"] == runs[0].id)

    cells = row["cells"]
    assert cells["strategy"] == {"text": "Crossing", "beside": "fast 5 · slow 20"}
    assert cells["symbols"]["text"] == "AAPL"
    assert cells["status"][0]["text"] == "Completed"
    assert cells["total_return"]["text"].startswith("+")
    assert cells["when"] == runs[0].created_at.isoformat()
    assert len(cells["spark"]) <= wiring.SPARK_POINTS
    assert row["comparable"]


def test_cautions_stand_beside_the_numbers_they_qualify(open_page, runs):
    row = next(row for row in table(open_page())["rows"] if row["id"] == runs[4].id)

    assert [chip["text"] for chip in row["cells"]["status"]] == ["Completed", "Under a year"]


def test_a_failed_run_has_no_numbers_and_cannot_be_compared(open_page, runs):
    row = next(row for row in table(open_page())["rows"] if row["id"] == runs[3].id)

    assert row["cells"]["status"][0]["kind"] == "failed"
    assert "IndexError" in row["cells"]["status"][0]["title"]
    assert "sharpe" not in row["cells"]
    assert not row["comparable"]


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ({"strategy": "every"}, [2]),
        ({"symbol": "MSFT"}, [2, 1]),
        ({"status": "Failed"}, [3]),
        ({"symbol": "AAPL", "status": "Completed", "strategy": "crossing"}, [0]),
    ],
)
def test_filters_come_from_the_url(open_page, runs, query, kept):
    found = [number for number in numbers(open_page(**query)) if number >= runs[0].id]

    assert found == [runs[place].id for place in kept]


def test_choosing_a_filter_keeps_the_runs_it_names(open_page, runs):
    page = open_page()

    page.selectbox(state.SYMBOL).select("YOUNG").run()

    assert [number for number in numbers(page) if number >= runs[0].id] == [runs[4].id]


def test_order_and_page_come_from_the_url(open_page, runs, services):
    page = open_page(sort="sharpe", order="asc")

    expected = services.backtests.list(RunQuery(sort_by="sharpe", sort_order="asc", page_size=25))
    assert numbers(page) == [run.id for run in expected.runs]
    assert table(page)["sort"] == {"by": "sharpe", "order": "asc"}


def test_a_metric_to_sort_by_gets_a_column_and_its_best_runs_come_first(open_page, runs, services):
    page = open_page()

    page.selectbox(state.SORT_CHOICE).select("fees").run()

    sent = table(page)
    assert sent["sort"] == {"by": "fees", "order": "asc"}  # the less the better
    assert [column["key"] for column in sent["columns"]][-2:] == ["fees", "spark"]
    expected = services.backtests.list(RunQuery(sort_by="fees", sort_order="asc", page_size=25))
    assert numbers(page) == [run.id for run in expected.runs]
    page.selectbox(state.SORT_CHOICE).select("alpha").run()
    assert table(page)["sort"] == {"by": "alpha", "order": "desc"}
    assert "fees" not in [column["key"] for column in table(page)["columns"]]


def test_every_name_runs_are_sorted_by_has_words(open_page, runs):
    options = open_page().selectbox(state.SORT_CHOICE).options

    own = ["When", "Run", "Strategy", "Status", "Final equity"]
    assert options[:5] == [f"Sort: {word}" for word in own]
    assert len(options) == len(set(options)) == len(METRICS) + 4


@pytest.mark.parametrize(
    "nonsense",
    [
        {"sort": "'; DROP TABLE runs; --"},
        {"order": "sideways"},
        {"page": "-3"},
        {"page": "10^9"},
        {"page": "999999"},
        {"status": "<script>"},
        {"since": "yesterday"},
    ],
)
def test_nonsense_in_the_url_is_ignored(open_page, runs, nonsense):
    page = open_page(**nonsense)

    assert not page.exception
    assert numbers(page)


def test_filters_that_leave_nothing_say_so_and_can_be_cleared(open_page, runs):
    page = open_page(symbol="YOUNG", status="Failed")
    assert "No run matches these filters" in words(page)

    page.button("filters_clear").click().run()

    assert page.selectbox(state.SYMBOL).value is None
    assert numbers(page)


def test_a_list_that_did_not_change_is_not_asked_for_again(open_page, runs, services, monkeypatch):
    page = open_page()
    shown = numbers(page)
    monkeypatch.setattr(type(services.backtests), "list", None)  # asking would fail

    page.run()

    assert not page.exception
    assert numbers(page) == shown


def test_the_list_looks_for_news_as_often_as_the_settings_say(open_page, runs, services):
    sent = sent_to_components(open_page())

    (pulse,) = (data for data in sent if "rows" not in data)
    assert pulse == {"seconds": services.settings.poll_seconds} == {"seconds": 10.0}


def test_a_strategy_added_while_the_page_is_open_can_be_chosen(open_page, services):
    page = open_page()
    file = write_strategy(services.settings.strategies_dir, "brand_new")

    page.run()
    offered = page.selectbox(state.FORM_STRATEGY).options
    file.unlink()

    assert "Simple" in offered


def test_a_new_run_changes_the_list(services, runs, submit):
    before = wiring.run_page(services, RunQuery())

    newest = submit(params={"fast": 11})

    after = wiring.run_page(services, RunQuery())
    assert after.total == before.total + 1
    assert after.runs[0].id == newest.id


@pytest.fixture
def empty(tmp_path):
    settings = settings_in(tmp_path)
    write_strategy(settings.strategies_dir, "simple")
    with build(settings, executor="inline") as built:
        yield built


@pytest.mark.parametrize("path", ["", "optimizations"])
def test_without_prices_the_one_command_is_named(open_page, empty, monkeypatch, path):
    monkeypatch.setattr(wiring, "services", lambda: empty)

    page = open_page(path)

    assert "<code>workbench demo</code>" in words(page)
    assert "there are no prices yet" in words(page)
    assert not page.exception


def test_when_the_records_do_not_answer_the_page_says_so(open_page, monkeypatch):
    def down():
        raise Unavailable("database 'x' does not answer", hint="start it")

    monkeypatch.setattr(wiring, "services", down)

    page = open_page()

    assert not page.exception
    assert "A part of the workbench cannot answer now" in words(page)
    assert "Start it" in words(page)


def test_a_fault_of_ours_is_a_sentence_and_never_a_traceback(open_page, monkeypatch, caplog):
    def broken():
        raise RuntimeError("secret detail")

    monkeypatch.setattr(wiring, "services", broken)

    page = open_page()

    assert not page.exception
    assert "Something went wrong on this page" in words(page)
    assert "secret detail" not in words(page)
    assert "secret detail" in caplog.text
