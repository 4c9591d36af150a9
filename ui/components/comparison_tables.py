"""Runs side by side in words and numbers."""

from __future__ import annotations

from collections.abc import Sequence

from core.domain.metrics import METRICS
from core.domain.run import Run
from core.plots.theme import stroke
from core.services import Difference, MetricRow
from ui import formats
from ui.components import markup

KEY_METRICS = (
    "total_return",
    "cagr",
    "sharpe",
    "sharpe_se",
    "psr",
    "sortino",
    "max_drawdown",
    "calmar",
    "volatility",
    "alpha",
    "beta",
    "info_ratio",
    "underwater_longest",
    "exposure",
    "turnover",
    "trades",
    "win_rate",
    "profit_factor",
    "expectancy",
    "fees",
    "slippage",
)
TWO = 2
MARKS = "A dot marks the best of a row, several where they tie, none where all are equal."


def show_runs(runs: Sequence[Run]) -> None:
    """Draw which line is which run."""
    rows = "".join(
        f"<tr><td>{_swatch(index)}</td>"
        f'<th scope="row"><a href="run?id={run.id}" target="_blank" rel="noopener">#{run.id}</a> '
        f"{markup.text(run.title)}</th>"
        f'<td class="wb-left wb-muted">{markup.text(formats.params(dict(run.spec.params)))}</td>'
        f'<td class="wb-left">{markup.text(formats.names(run.spec.symbols, most=6))}</td>'
        f'<td class="wb-left wb-muted">{markup.text(run.spec.timeframe)}, '
        f"{formats.span(run.first_bar, run.last_bar)}</td>"
        f'<td class="wb-left"><span class="wb-chips">{markup.badges(run.badges)}</span></td></tr>'
        for index, run in enumerate(runs)
    )
    markup.write(
        '<div class="wb-scroll"><table class="wb-table wb-legend" data-testid="compared-runs">',
        f'<caption class="wb-sr">Runs compared</caption><tbody>{rows}</tbody></table></div>',
    )


def show_metrics(runs: Sequence[Run], metrics: Sequence[MetricRow], *, every: bool) -> None:
    """Draw metrics as rows, runs as columns, the best of each row marked; two runs are subtracted.

    Args:
        runs: In the order of the values.
        metrics: Of the comparison.
        every: Show all metrics and not only the ones people ask for first.
    """
    shown = metrics if every else [row for row in metrics if row.name in KEY_METRICS]
    difference = len(runs) == TWO
    head = _head(runs) + ('<th scope="col">Difference</th>' if difference else "")
    rows = "".join(_metric(row, runs, difference=difference) for row in shown)
    markup.write(
        '<div class="wb-scroll"><table class="wb-table wb-compare" data-testid="compare-metrics">',
        '<caption class="wb-sr">Metrics of the runs; a dot marks the best</caption>',
        f'<thead><tr><th scope="col" class="wb-left">Metric</th>{head}</tr></thead>',
        f"<tbody>{rows}</tbody></table></div>",
        f'<p class="wb-muted wb-small wb-notes">{MARKS}{_own_benchmarks(shown)}</p>',
    )


def _own_benchmarks(shown: Sequence[MetricRow]) -> str:
    """Say why nobody is the best, where runs were measured against different things."""
    apart = [row.label for row in shown if row.direction != METRICS[row.name].direction]
    if not apart:
        return ""
    text = f"{' and '.join(apart).capitalize()}: each run against a benchmark of its own."
    return f" {markup.text(text)}"


def show_differences(runs: Sequence[Run], differences: Sequence[Difference]) -> None:
    """Draw only what the runs do not have in common."""
    if not differences:
        markup.write('<p class="wb-muted">Nothing: the same request, prices, code and engine.</p>')
        return
    rows = "".join(
        f'<tr><th scope="row">{markup.text(_words(one.name))}</th>'
        + "".join(f"<td>{markup.text(_plain(value))}</td>" for value in one.values)
        + "</tr>"
        for one in differences
    )
    markup.write(
        '<div class="wb-scroll"><table class="wb-table wb-compare" data-testid="differences">',
        '<caption class="wb-sr">What differs between the runs</caption>',
        f'<thead><tr><th scope="col" class="wb-left">Setting</th>{_head(runs)}</tr></thead>',
        f"<tbody>{rows}</tbody></table></div>",
    )


def _head(runs: Sequence[Run]) -> str:
    return "".join(
        f'<th scope="col">{_swatch(index)} #{run.id}</th>' for index, run in enumerate(runs)
    )


def _swatch(index: int) -> str:
    pen = stroke(index)
    style = {"solid": "solid", "dash": "dashed", "dot": "dotted"}[pen.dash]
    return f'<i class="wb-swatch" style="border-color:{pen.color};border-top-style:{style}"></i>'


def _metric(row: MetricRow, runs: Sequence[Run], *, difference: bool) -> str:
    cells = "".join(
        f'<td class="wb-mark{" wb-best" if place in row.best else ""}">'
        f"{markup.value(run.metrics, row.name) if run.metrics else formats.NONE}"
        f"{_spoken(place, row)}</td>"
        for place, run in enumerate(runs)
    )
    if difference:
        cells += _difference(row)
    return f'<tr><th scope="row">{markup.label(row.name)}</th>{cells}</tr>'


def _spoken(place: int, row: MetricRow) -> str:
    return '<span class="wb-sr"> best</span>' if place in row.best else ""


def _difference(row: MetricRow) -> str:
    before, after = row.values
    if before is None or after is None:
        return f'<td class="wb-muted">{formats.NONE}</td>'
    change = after - before
    better = change > 0 if row.direction == "higher" else change < 0
    tone = "" if row.direction == "none" or not change else "wb-gain" if better else "wb-loss"
    return f'<td class="{tone}">{formats.change(row.name, change)}</td>'


def _words(name: str) -> str:
    group, _, rest = name.partition(".")
    if group == "data":
        return f"Prices {rest}"
    label = METRICS[rest].label if rest in METRICS else formats.setting(rest or group)
    kind = {"params": "", "options": "", "costs": "costs: "}.get(group, "")
    return (kind + label)[:1].upper() + (kind + label)[1:]


def _plain(value: object) -> str:
    if value is None:
        return formats.NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return formats.plain(value)
    return str(value)
