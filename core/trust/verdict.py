"""The traffic light over a search, and the sentence a director reads.

Its colours come from gates on evidence, never from the return.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Light = Literal["green", "amber", "red"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about the winner of a search; None where it is not, with a reason.

    Attributes:
        trials: Sets of parameters that were tried, at least 1.
        eligible: How many of them may be chosen; None for all.
        ratio: Sharpe ratio of the choice where it was searched, of one session.
        deflated: Deflated Sharpe ratio with all trials, 0 to 1.
        deflated_upper: The same with effective trials.
        pbo: Probability of backtest overfitting, 0 to 1.
        pbo_error: Its standard error.
        snooping: p-value of the test for superior predictive ability, 0 to 1.
        efficiency: Annual return out of sample over that in sample, of windows that walk through
            history.
        plateau: Smoothed over plain objective of the choice.
        breakeven: Multiple of the costs at which the net profit is gone; 0 of what loses without
            any costs.
        reasons: Why a value is None, a sentence by the name of its attribute.
    """

    trials: int
    eligible: int | None = None
    ratio: float | None = None
    deflated: float | None = None
    deflated_upper: float | None = None
    pbo: float | None = None
    pbo_error: float | None = None
    snooping: float | None = None
    efficiency: float | None = None
    plateau: float | None = None
    breakeven: float | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gate:
    """One piece of evidence, judged.

    Attributes:
        name: Attribute of `Evidence`.
        label: In words.
        value: What was found; None where it is not known.
        light: Its colour; amber where it is not known.
        rule: What green asks for, and red where anything is red.
        reason: Why the value is None; None where there is one.
    """

    name: str
    label: str
    value: float | None
    light: Light
    rule: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to think of the winner.

    Attributes:
        light: Red if any gate is, green if all are, else amber: what is not known is not green.
        sentence: Deflated Sharpe, PBO with its error, plateau and number of trials, in one plain
            sentence that says first what they come to.
        gates: All of them, in the order in which they are to be read.
    """

    light: Light
    sentence: str
    gates: tuple[Gate, ...]


@dataclass(frozen=True, slots=True)
class _Rule:
    label: str
    text: str
    green: Callable[[float], bool]
    red: Callable[[float], bool] | None
    fault: str


_RULES: dict[str, _Rule] = {
    "deflated": _Rule(
        "Deflated Sharpe",
        "green from 0.95, red below 0.5",
        lambda value: value >= 0.95,  # noqa: PLR2004 - the gates are these numbers
        lambda value: value < 0.5,  # noqa: PLR2004
        "luck explains its Sharpe ratio",
    ),
    "pbo": _Rule(
        "PBO",
        "green to 20%, red above 50%",
        lambda value: value <= 0.2,  # noqa: PLR2004
        lambda value: value > 0.5,  # noqa: PLR2004
        "the best of one half of history is not better than others in the other half",
    ),
    "snooping": _Rule(
        "Chance result p",
        "green to 0.05",
        lambda value: value <= 0.05,  # noqa: PLR2004
        None,
        "",
    ),
    "efficiency": _Rule(
        "Kept out of sample",
        "green from 0.5, red below 0",
        lambda value: value >= 0.5,  # noqa: PLR2004
        lambda value: value < 0.0,
        "it loses out of sample",
    ),
    "plateau": _Rule(
        "Plateau",
        "green from 0.8",
        lambda value: value >= 0.8,  # noqa: PLR2004
        None,
        "",
    ),
    "breakeven": _Rule(
        "Break-even costs",
        "green from 1.5 times, red below 1",
        lambda value: value >= 1.5,  # noqa: PLR2004
        lambda value: value < 1.0,
        "costs take its profit",
    ),
}
_NOT_MEASURED = "it was not measured"


def verdict(evidence: Evidence) -> Verdict:
    """Judge the winner of a search by its gates."""
    gates = tuple(_gate(name, rule, evidence) for name, rule in _RULES.items())
    lights = {gate.light for gate in gates}
    light: Light = "red" if "red" in lights else "amber" if "amber" in lights else "green"
    return Verdict(light, f"{_opening(light, gates, evidence)}: {_figures(evidence)}.", gates)


def _gate(name: str, rule: _Rule, evidence: Evidence) -> Gate:
    value: float | None = getattr(evidence, name)
    if value is None:
        reason = evidence.reasons.get(name, _NOT_MEASURED)
        return Gate(name, rule.label, None, "amber", rule.text, reason)
    light: Light = "amber"
    if rule.green(value):
        light = "green"
    elif rule.red is not None and rule.red(value):
        light = "red"
    return Gate(name, rule.label, value, light, rule.text, None)


def _opening(light: Light, gates: tuple[Gate, ...], evidence: Evidence) -> str:
    tried = "the only trial" if evidence.trials == 1 else f"the best of {evidence.trials:,} trials"
    if evidence.eligible == 0:
        none = f"None of {evidence.trials:,} trials may"
        return f"{'The only trial may not' if evidence.trials == 1 else none} be chosen"
    if light == "green":
        return f"{tried.capitalize()} is probably more than luck"
    if light == "red":
        faults = [_fault(gate, evidence) for gate in gates if gate.light == "red"]
        return f"Do not believe {tried}, because {_listed(faults)}"
    short = [gate.label for gate in gates if gate.light == "amber" and gate.value is not None]
    unknown = [gate.label for gate in gates if gate.value is None]
    open_points = []
    if short:
        open_points.append(f"not convincing by {_listed(short)}")
    if unknown:
        open_points.append(f"not known by {_listed(unknown)}")
    return f"Not proved that {tried} is more than luck, {', '.join(open_points)}"


def _fault(gate: Gate, evidence: Evidence) -> str:
    """Say what is wrong: not that luck or costs took what was never there."""
    if gate.name == "deflated" and evidence.ratio is not None and evidence.ratio <= 0.0:
        return "its Sharpe ratio is not above 0 even where it was searched"
    if gate.name == "breakeven" and gate.value is not None and gate.value <= 0.0:
        return "it loses before costs"
    return _RULES[gate.name].fault


def _listed(labels: list[str]) -> str:
    return labels[0] if len(labels) == 1 else f"{', '.join(labels[:-1])} and {labels[-1]}"


def _figures(evidence: Evidence) -> str:
    deflated, pbo, plateau = evidence.deflated, evidence.pbo, evidence.plateau
    parts = []
    if deflated is None:
        parts.append(f"no Deflated Sharpe ({_why(evidence, 'deflated')})")
    else:
        least = _probability(deflated)
        most = least if evidence.deflated_upper is None else _probability(evidence.deflated_upper)
        parts.append(f"Deflated Sharpe {least}" + ("" if most == least else f" to {most}"))
    if pbo is None:
        parts.append(f"no PBO ({_why(evidence, 'pbo')})")
    else:
        error = evidence.pbo_error
        parts.append(f"PBO {_share(pbo)}" + ("" if error is None else f" ± {100 * error:.0f}%"))
    if plateau is None:
        parts.append(f"no plateau ({_why(evidence, 'plateau')})")
    elif plateau < 0.0:
        # How far below says only how small the objective of the choice is.
        parts.append("plateau below 0 (the objective of trials around it is below 0)")
    else:
        parts.append(f"plateau {plateau:.2f}")
    return ", ".join(parts)


def _probability(value: float) -> str:
    """Write a probability; one that is not certain does not look certain."""
    if value < 1.0 and f"{value:.2f}" == "1.00":
        return "> 0.99"
    return "< 0.01" if value > 0.0 and f"{value:.2f}" == "0.00" else f"{value:.2f}"


def _share(value: float) -> str:
    """The same in percent."""
    if value < 1.0 and f"{100 * value:.0f}" == "100":
        return "> 99%"
    return "< 1%" if value > 0.0 and f"{100 * value:.0f}" == "0" else f"{100 * value:.0f}%"


def _why(evidence: Evidence, name: str) -> str:
    return evidence.reasons.get(name, _NOT_MEASURED)
