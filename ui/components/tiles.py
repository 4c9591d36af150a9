"""The eight numbers a director looks at first."""

from __future__ import annotations

from core.domain.metrics import METRICS, Metrics
from ui import formats
from ui.components import markup

ERROR = "one standard error"
SURE_TO = 0.001


def show(metrics: Metrics, *, benchmark: str, benchmark_return: float | None) -> None:
    """Draw the tiles; undefined numbers are dashes that say why.

    Args:
        metrics: Of the whole run.
        benchmark: What the run is measured against, as a name.
        benchmark_return: Of holding it over the run.
    """
    values = metrics.values
    held = (
        f"{benchmark} {formats.percent(benchmark_return, 1, signed=True)}"
        if benchmark_return is not None
        else ""
    )
    error = values.get("sharpe_se")
    costs = _sum(values.get("fees"), values.get("slippage"))
    share = values.get("cost_share")
    tiles = [
        _tile("total_return", metrics, under=held),
        _tile("cagr", metrics, under=_under("volatility", metrics, "volatility")),
        _tile(
            "sharpe",
            metrics,
            beside="" if error is None else f"± {formats.number(error)}",
            under=_confidence(metrics),
        ),
        _tile("max_drawdown", metrics, under=_under("underwater_longest", metrics, "sessions")),
        _tile("trades", metrics, under=_under("exposure", metrics, "of bars held")),
        _tile("win_rate", metrics, under=_under("payoff", metrics, "payoff")),
        _tile("profit_factor", metrics, under=_under("expectancy", metrics, "a trade")),
        _plain(
            "Costs",
            formats.NONE if costs is None else formats.money(costs),
            _of_gross(share, metrics),
            "Fees, slippage and spread of all fills, in account currency.",
        ),
    ]
    markup.write(
        '<div class="wb-frame"><dl class="wb-tiles" data-testid="tiles">', *tiles, "</dl></div>"
    )


def _of_gross(share: float | None, metrics: Metrics) -> str:
    if share is not None:
        return f"{formats.percent(share, 1)} of gross profit"
    return "no gross profit" if metrics.reasons.get("cost_share") == "no_gross_profit" else ""


def _tile(name: str, metrics: Metrics, *, beside: str = "", under: str = "") -> str:
    known = metrics.values.get(name) is not None
    value = markup.value(metrics, name)
    extra = f' <small title="{ERROR}">{markup.text(beside)}</small>' if beside and known else ""
    below = under if known else formats.reason(metrics, name)
    return _shell(markup.label(name), value + extra, below, METRICS[name].name)


def _plain(title: str, value: str, under: str, text: str) -> str:
    label = f'<abbr class="wb-tip" title="{markup.text(text)}">{markup.text(title)}</abbr>'
    return _shell(label, markup.text(value), under, "costs")


def _shell(label: str, value: str, under: str, name: str) -> str:
    return (
        f'<div class="wb-tile" data-metric="{name}"><dt>{label}</dt>'
        f'<dd class="wb-value">{value}</dd><dd class="wb-under">{markup.text(under)}</dd></div>'
    )


def _confidence(metrics: Metrics) -> str:
    """Say how likely it is that the true Sharpe ratio is above 0; never that it is certain."""
    sure = metrics.values.get("psr")
    if sure is None:
        return ERROR
    shown = formats.percent(min(max(sure, SURE_TO), 1.0 - SURE_TO), 1)
    bound = ">" if sure > 1.0 - SURE_TO else "<" if sure < SURE_TO else ""
    return f"{bound}{shown} likely above 0"


def _under(name: str, metrics: Metrics, words: str) -> str:
    value = metrics.values.get(name)
    if value is None:
        return ""
    text = formats.metric(name, value)
    return f"longest {text} {words}" if name == "underwater_longest" else f"{text} {words}"


def _sum(*values: float | None) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
