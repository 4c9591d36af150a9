"""The figures of a study that say whether to believe it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from core.domain.findings import Findings, Study
from ui import formats
from ui.components import markup, verdict


class Tile(NamedTuple):
    """A figure with its definition, what stands beside it and what under it."""

    name: str
    label: str
    help: str
    value: str
    beside: str = ""
    under: str = ""


def show(study: Study) -> None:
    """Draw the tiles; what is not known is a dash that says why."""
    found = study.findings
    if found is None:
        return
    tiles = (
        _deflated(found),
        _pbo(found),
        _plateau(found),
        _trials(found),
        _validation(study, found),
        _efficiency(found),
        _chance(found),
        _worlds(found),
    )
    markup.write(
        '<div class="wb-frame"><dl class="wb-tiles" data-testid="study-tiles">',
        *(_shell(tile) for tile in tiles),
        "</dl></div>",
    )


def _shell(tile: Tile) -> str:
    beside = f" <small>{markup.text(tile.beside)}</small>" if tile.beside else ""
    under = markup.text(tile.under)
    return (
        f'<div class="wb-tile" data-wraps data-metric="{tile.name}"><dt><abbr class="wb-tip" '
        f'title="{markup.text(tile.help)}">{markup.text(tile.label)}</abbr></dt>'
        f'<dd class="wb-value">{markup.text(tile.value)}{beside}</dd>'
        f'<dd class="wb-under" title="{under}">{under}</dd></div>'
    )


def _deflated(found: Findings) -> Tile:
    part = found.judged.get("deflated", {})
    value, help_ = part.get("value"), verdict.DEFLATED_HELP
    if value is None:
        why = part.get("reason") or "no trial was chosen"
        return Tile("deflated", "Deflated Sharpe", help_, formats.NONE, under=why)
    low, high = verdict.probability(value), part.get("upper")
    last = low if high is None else verdict.probability(high)
    effective = part.get("effective")
    under = f"{found.trials:,} trial" + ("" if found.trials == 1 else "s")
    if effective is not None:
        under += f", {formats.number(effective, 0)} effective"
    beside = "" if last == low else f"to {last}"
    return Tile("deflated", "Deflated Sharpe", help_, low, beside, under)


def _pbo(found: Findings) -> Tile:
    part = found.judged.get("overfitting", {})
    if part.get("pbo") is None:
        return Tile("pbo", "PBO", verdict.PBO_HELP, formats.NONE, under=_reason(part))
    error, noise = part.get("error"), part.get("noise")
    beside = "" if error is None else f"± {formats.percent(error, 0)}"
    under = ""
    if noise is not None:
        ends = (formats.percent(each, 0).rstrip("%") for each in noise)
        under = f"noise gives {' to '.join(ends)}%"
    return Tile("pbo", "PBO", verdict.PBO_HELP, formats.percent(part["pbo"], 0), beside, under)


def _plateau(found: Findings) -> Tile:
    part = found.judged.get("stability", {})
    help_ = "Objective of the trial with its neighbours over its own; 1 is level ground."
    if part.get("ratio") is None:
        return Tile("plateau", "Plateau", help_, formats.NONE, under=_reason(part))
    peak = part.get("peak_ratio")
    under = "" if peak is None else f"the peak has {formats.number(peak)}"
    return Tile("plateau", "Plateau", help_, formats.number(part["ratio"]), under=under)


def _trials(found: Findings) -> Tile:
    lost = found.trials - found.eligible
    under = "all of them eligible" if not lost else f"{found.eligible:,} eligible"
    return Tile("trials", "Trials", "Different sets tried.", f"{found.trials:,}", under=under)


def _validation(study: Study, found: Findings) -> Tile:
    help_ = "Sharpe ratio of the trial to take in the sessions that no trial saw."
    later, label = found.validation, "Sharpe, held back"
    if later is None:
        asked = study.spec.validation.share > 0
        why = "no trial was chosen" if asked else "nothing was held back"
        return Tile("validation", label, help_, formats.NONE, under=why)
    before = later.train_sharpe
    under = "" if before is None else f"{formats.number(before)} where it was searched"
    if later.sharpe is None:
        return Tile("validation", label, help_, formats.NONE, under=later.reason or under)
    beside = {"ok": "held", "warn": "doubtful", "fail": "not held"}.get(later.verdict or "", "")
    return Tile("validation", label, help_, formats.number(later.sharpe), beside, under)


def _efficiency(found: Findings) -> Tile:
    help_ = "Growth of a year in the tests of walking forward over that in their trainings."
    label = "Kept, walking forward"
    if found.walk is None:
        return Tile("efficiency", label, help_, formats.NONE, under="it was not asked for")
    value, positive = found.walk["efficiency"], found.walk["positive_share"]
    if value is None:
        why = str(found.walk["efficiency_reason"])
        return Tile("efficiency", label, help_, formats.NONE, under=why)
    under = f"{found.walk['windows']} windows"
    if positive is not None:
        under += f", {formats.percent(positive, 0)} gained"
    return Tile("efficiency", label, help_, formats.percent(value, 0), under=under)


def _chance(found: Findings) -> Tile:
    part = found.judged.get("snooping", {})
    help_ = "How likely the best of so many trials without any edge looks as good (SPA)."
    if part.get("p") is None:
        return Tile("snooping", "Chance result p", help_, formats.NONE, under=_reason(part))
    return Tile(
        "snooping", "Chance result p", help_, formats.number(part["p"], 3), under="Hansen's test"
    )


def _worlds(found: Findings) -> Tile:
    part = found.judged.get("worlds", {})
    help_ = "Share of worlds without edge, this one among them, whose winner is as good."
    count = part.get("worlds", 0)
    if part.get("p") is None:
        why = "none were asked for" if not count else _reason(part)
        return Tile("worlds", "Null worlds p", help_, formats.NONE, under=why)
    under = f"{part['above']} of {count} as good"
    return Tile("worlds", "Null worlds p", help_, formats.number(part["p"]), under=under)


def _reason(part: Mapping[str, Any]) -> str:
    return str(part.get("reason") or "it was not measured")
