"""Every metric, by group."""

from __future__ import annotations

from core.domain.metrics import METRICS, Metric, Metrics
from ui.components import markup

GROUPS = {
    "returns": "Returns",
    "risk": "Risk",
    "benchmark": "Against {}",
    "trades": "Trades",
    "activity": "Activity",
    "costs": "Costs",
    "cash": "Cash beside trades",
}


def show(metrics: Metrics, *, benchmark: str) -> None:
    """Draw all metrics; undefined ones are dashes that say why.

    Args:
        metrics: Of the whole run.
        benchmark: What the run is measured against, as a name.
    """
    markup.write(
        '<div class="wb-cards" data-testid="metrics">',
        *(
            _group(group, markup.text(title.format(benchmark)), metrics)
            for group, title in GROUPS.items()
        ),
        "</div>",
    )


def _group(group: str, title: str, metrics: Metrics) -> str:
    rows = "".join(_row(metric, metrics) for metric in METRICS.values() if metric.group == group)
    return (
        f'<div class="wb-card"><h3>{title}</h3><table class="wb-table">'
        f'<caption class="wb-sr">{title}</caption><tbody>{rows}</tbody></table></div>'
    )


def _row(metric: Metric, metrics: Metrics) -> str:
    return (
        f'<tr><th scope="row">{markup.label(metric.name)}</th>'
        f'<td data-metric="{metric.name}">{markup.value(metrics, metric.name)}</td></tr>'
    )
