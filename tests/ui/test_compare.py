from __future__ import annotations

import re

import pytest

from core.plots import theme
from tests.ui.conftest import words
from ui import formats


def text_of(html):
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def compared(open_page, *runs):
    page = open_page("compare", ids=",".join(str(run.id) for run in runs))
    assert not page.exception
    return page


def row_of(html, label):
    row = re.search(rf"<tr><th[^>]*>(?:<abbr[^>]*>)?{label}(?:</abbr>)?</th>.*?</tr>", html)
    assert row, label
    return re.findall(r"<td.*?</td>", row.group())


def test_the_best_value_of_a_metric_is_marked_by_its_direction(open_page, submit):
    one, other = submit(params={"fast": 3}), submit(params={"fast": 15}, symbols=("MSFT",))
    html = words(compared(open_page, one, other))

    for label, name, pick in (
        ("Sharpe", "sharpe", max),
        ("Max drawdown", "max_drawdown", max),
        ("Volatility", "volatility", min),
    ):
        cells = row_of(html, label)
        best = pick((one.metrics[name], 0), (other.metrics[name], 1))[1]
        assert ["wb-best" in cell for cell in cells[:2]] == [best == 0, best == 1]


def test_a_metric_without_a_better_side_marks_nothing(open_page, submit):
    html = words(compared(open_page, submit(), submit(symbols=("MSFT",))))

    assert not any("wb-best" in cell for cell in row_of(html, "Exposure"))


def test_two_runs_are_subtracted(open_page, submit):
    one, other = submit(params={"fast": 3}), submit(params={"fast": 15})
    html = words(compared(open_page, one, other))

    difference = row_of(html, "CAGR")[2]
    expected = formats.change("cagr", other.metrics["cagr"] - one.metrics["cagr"])
    assert text_of(difference) == expected


def test_three_runs_are_not_subtracted(open_page, submit):
    runs = [submit(params={"fast": fast}) for fast in (3, 4, 5)]

    html = words(compared(open_page, *runs))

    assert "Difference" not in html
    assert len(row_of(html, "CAGR")) == 3


def test_only_what_differs_is_listed(open_page, submit):
    html = words(compared(open_page, submit(params={"fast": 3}), submit(params={"fast": 4})))

    table = html[html.index('data-testid="differences"') :]
    names = re.findall(r'<tr><th scope="row">(.*?)</th>', table)
    assert names == ["Fast"]


def test_what_only_a_later_run_has_stands_among_its_kind(open_page, submit):
    runs = submit(params={"fast": 3}), submit("every_kind", options={"max_dd_limit": 0.5})
    html = words(compared(open_page, *runs))

    table = html[html.index('data-testid="differences"') :]
    names = re.findall(r'<tr><th scope="row">(.*?)</th>', table)
    assert names[0] == "Strategy"
    assert set(runs[0].spec.params).isdisjoint(runs[1].spec.params)
    params = [name.replace("_", " ").capitalize() for run in runs for name in run.spec.params]
    assert names[1 : len(params) + 1] == params
    assert names[len(params) + 1 :] == ["Delay", "Allow short", "Drawdown limit", "Code"]


def test_another_benchmark_is_a_difference(open_page, submit):
    html = words(compared(open_page, submit(), submit(benchmark="MSFT")))

    table = html[html.index('data-testid="differences"') :]
    names = re.findall(r'<tr><th scope="row">(.*?)</th>', table)
    assert names == ["Benchmark", "Prices MSFT"]
    assert "own symbols" in text_of(table)
    assert not any("wb-best" in cell for cell in row_of(html, "Alpha"))
    assert "Alpha and information ratio: each run against a benchmark of its own." in html


def test_runs_against_one_benchmark_compete_for_alpha(open_page, submit):
    one, other = (submit(params={"fast": fast}, benchmark="MSFT") for fast in (3, 15))
    html = words(compared(open_page, one, other))

    better = one.metrics["alpha"] > other.metrics["alpha"]
    assert ["wb-best" in cell for cell in row_of(html, "Alpha")[:2]] == [better, not better]
    assert "benchmark of its own" not in html


def test_equal_runs_differ_in_nothing_and_none_is_the_best(open_page, submit):
    html = words(compared(open_page, submit(), submit()))

    assert 'class="wb-mark wb-best' not in html
    assert "none where all are equal" in html
    assert "Nothing: the same request, prices, code and engine." in html


def test_every_metric_can_be_shown(open_page, submit):
    page = compared(open_page, submit(), submit(symbols=("MSFT",)))
    assert "Kurtosis" not in words(page)

    page.toggle("compare_every").set_value(True).run()

    assert "Kurtosis" in words(page)


def test_twelve_runs_have_twelve_strokes(open_page, submit):
    runs = [submit(params={"fast": fast}) for fast in range(2, 14)]

    html = words(compared(open_page, *runs))

    legend = html[html.index('data-testid="compared-runs"') : html.index("Equity rebased")]
    strokes = re.findall(r'style="(border-color:[^"]+)"', legend)
    assert len(strokes) == len(set(strokes)) == 12
    assert all(hue in legend for hue in theme.HUES)


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ("", "names no runs"),
        ("1", "1 runs were chosen"),
        ("1,1", "chosen twice"),
        (",".join(str(n) for n in range(1, 15)), "14 runs were chosen"),
        ("1,999999", "999999"),
        ("1,<script>alert(1)</script>", "&lt;script&gt;"),
    ],
)
def test_an_address_that_cannot_be_compared_says_why(open_page, submit, ids, said):
    submit()

    page = open_page("compare", ids=ids)

    assert not page.exception
    assert said in words(page)
    assert "<script>" not in words(page)


def test_a_failed_run_cannot_be_compared(open_page, submit):
    good, bad = submit(), submit("faulty")

    page = open_page("compare", ids=f"{good.id},{bad.id}")

    assert f"Run {bad.id} is failed" in words(page)
