"""What a run paid for what, and how much more of it the result would bear."""

from __future__ import annotations

import streamlit as st

from core.domain.cost_breakdown import COST_PARTS, CostBreakdown, CostLine
from core.domain.metrics import REASONS
from core.plots import costs
from ui import formats
from ui.components import figure, markup

HEAD = (
    ("Money", "Over the whole run, in account currency."),
    ("Bps of value", "In basis points of the value traded."),
    ("Of gross", "As a share of the profit before costs; a dash if there was none."),
    ("Of costs", "As a share of all costs."),
    ("Per trade", "Money per closed trade."),
    ("Fills", "Fills that paid it."),
)
GROUPS = {"fees": "Fees", "slippage": "Slippage and spread"}


def show(found: CostBreakdown) -> None:
    """Draw the table of parts beside the net profit at multiples of the costs."""
    if not found.fills:
        markup.write(_empty("Nothing was bought or sold", "So nothing was paid."))
        return
    if found.total.amount == 0.0:
        markup.write(
            _empty(
                "No costs were charged",
                "No market is free. Run it again with a cost model to see what it would leave.",
            )
        )
        return
    left, right = st.columns([1.75, 1], gap="medium")
    with left:
        markup.write(_table(found))
    with right:
        markup.write(markup.section("Net profit at dearer and cheaper trading"))
        figure.show(
            costs.figure(costs.cost_curve_info(found.curve, found.breakeven_multiple)),
            key="costs_chart",
            alt=f"Net profit at 0 to 3 times the costs paid; {_breakeven_words(found)}",
        )
        markup.write(
            markup.facts(_facts(found)),
            '<p class="wb-muted wb-small wb-notes">To first order: the same trades of the same '
            "size, charged a multiple of what they paid.</p>",
        )


def _empty(title: str, words: str) -> str:
    return (
        f'<div class="wb-empty" data-testid="no-costs"><h2>{markup.text(title)}</h2>'
        f"<p>{markup.text(words)}</p></div>"
    )


def _table(found: CostBreakdown) -> str:
    head = "".join(
        f'<th scope="col"><abbr class="wb-tip" title="{markup.text(text)}">'
        f"{markup.text(label)}</abbr></th>"
        for label, text in HEAD
    )
    body = "".join(
        _group(found, group, title)
        for group, title in GROUPS.items()
        if any(COST_PARTS[line.part].group == group for line in found.lines)
    )
    return (
        '<div class="wb-scroll"><table class="wb-table" data-testid="costs">'
        '<caption class="wb-sr">Costs by what was paid for</caption>'
        '<thead><tr><th scope="col" class="wb-left">Paid for</th>'
        f'<th scope="col" class="wb-left">To</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody>"
        f'<tfoot><tr><th scope="row" colspan="2">All costs</th>{_cells(found.total)}</tr></tfoot>'
        "</table></div>"
    )


def _group(found: CostBreakdown, group: str, title: str) -> str:
    whole = found.fees if group == "fees" else found.slippage
    lines = [line for line in found.lines if COST_PARTS[line.part].group == group]
    rows = "".join(_row(line) for line in lines)
    return (
        f'<tr class="wb-group"><th scope="rowgroup" colspan="2">{markup.text(title)}</th>'
        f"{_cells(whole) if len(lines) > 1 else '<td></td>' * len(HEAD)}</tr>{rows}"
    )


def _row(line: CostLine) -> str:
    part = COST_PARTS[line.part]
    return (
        f'<tr data-part="{line.part}"><th scope="row"><abbr class="wb-tip" '
        f'title="{markup.text(part.help)}">{markup.text(part.label)}</abbr></th>'
        f'<td class="wb-left wb-muted">{markup.text(part.payee)}</td>{_cells(line)}</tr>'
    )


def _cells(line: CostLine) -> str:
    none = formats.NONE
    return "".join(
        f"<td>{markup.text(text)}</td>"
        for text in (
            formats.money(line.amount),
            none if line.bps is None else formats.number(line.bps),
            none if line.gross_share is None else formats.percent(line.gross_share, 1),
            none if line.cost_share is None else formats.percent(line.cost_share, 1),
            none if line.per_trade is None else formats.money(line.per_trade),
            formats.number(line.fills, 0),
        )
    )


def _facts(found: CostBreakdown) -> dict[str, str]:
    bps = found.breakeven_bps
    return {
        "Profit before costs": markup.text(formats.money(found.gross_profit, signed=True)),
        "Profit": markup.text(formats.money(found.net_profit, signed=True)),
        "Value traded": markup.text(formats.money(found.traded)),
        "Break-even": f"<b>{markup.text(_breakeven_words(found))}</b>",
        "Break-even per fill": markup.text(
            # Less than nothing could be taken of each fill: no break-even there either.
            formats.NONE
            if bps is None or found.gross_profit <= 0.0
            else f"{formats.number(bps, 1)} bps of its value"
        ),
    }


def _breakeven_words(found: CostBreakdown) -> str:
    times = found.breakeven_multiple
    if times is None:
        code = found.reasons["breakeven_multiple"]
        return f"undefined: {REASONS.get(code, code)}"
    return f"{formats.number(times)} times the costs paid"
