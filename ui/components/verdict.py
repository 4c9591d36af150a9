"""What to think of the winner of a study: its light, its gates, and words for its figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from core.domain.findings import Study
from core.domain.job import Job, JobState
from core.domain.metrics import METRICS
from core.domain.objective import Objective
from ui import formats
from ui.components import markup, search_form

WORDS: Final = {"green": "Green", "amber": "Amber", "red": "Red"}
DEFLATED_HELP: Final = (
    "Probability that the true Sharpe ratio is above what luck gives the best of so many trials."
)
PBO_HELP: Final = (
    "How often the best trial of one half of history is below the middle in the other half."
)
SURE: Final = 0.995


def light(name: str) -> str:
    """Give a light as a mark and a word."""
    return f'<span class="wb-light wb-{markup.text(name)}">{WORDS[name]}</span>'


def sentence(study: Study) -> str:
    """Give the sentence a director reads, beside its light."""
    found = study.findings
    if found is None:
        return ""
    return (
        f'<div class="wb-judgement wb-{markup.text(found.light)}" data-testid="verdict">'
        f"{light(found.light)}"
        f'<p class="wb-verdict">{markup.text(found.sentence)}</p></div>'
    )


def show_gates(study: Study) -> None:
    """Draw each piece of evidence: what was found, its light, its rule."""
    found = study.findings
    if found is None:
        return
    rows = "".join(_gate(gate) for gate in found.gates)
    markup.write(
        '<div class="wb-scroll"><table class="wb-table wb-gates" data-testid="gates">',
        '<caption class="wb-sr">The evidence and its lights</caption>',
        '<thead><tr><th scope="col" class="wb-left">Evidence</th><th scope="col">Found</th>'
        '<th scope="col" class="wb-left">Light</th><th scope="col" class="wb-left">Rule</th>'
        f"</tr></thead><tbody>{rows}</tbody></table></div>",
    )


def _gate(gate: Mapping[str, Any]) -> str:
    value = gate["value"]
    shown = formats.NONE if value is None else _found(str(gate["name"]), float(value))
    rule = markup.text(gate["rule"])
    if value is None and gate["reason"]:
        rule = f"Not known: {markup.text(gate['reason'])}"
    return (
        f'<tr data-gate="{markup.text(gate["name"])}"><th scope="row">'
        f"{markup.text(gate['label'])}</th><td>{markup.text(shown)}</td>"
        f'<td class="wb-left">{light(str(gate["light"]))}</td>'
        f'<td class="wb-rule">{rule}</td></tr>'
    )


def _found(name: str, value: float) -> str:
    if name == "pbo":
        return formats.percent(value, 0)
    if name == "deflated":
        return probability(value)
    if name == "breakeven":
        return f"{formats.number(value, 1)} times"
    return formats.number(value, 3 if name == "snooping" else 2)


def judged(study: Study, name: str) -> tuple[str, str]:
    """Give a figure of the judgement and, where there is none, the reason.

    Args:
        study: With findings.
        name: `deflated` or `pbo`.
    """
    found = study.findings
    if found is None:
        return formats.NONE, ""
    part = found.judged.get("overfitting" if name == "pbo" else name, {})
    value = part.get(name if name == "pbo" else "value")
    if value is None:
        return formats.NONE, f"Not known: {part.get('reason') or 'no trial was chosen'}"
    if name == "pbo":
        error = part.get("error")
        beside = "" if error is None else f" ± {formats.percent(error, 0)}"
        return f"{formats.percent(value, 0)}{beside}", ""
    return interval(value, part.get("upper")), ""


def interval(low: float, high: float | None) -> str:
    """Write a probability as an interval where both ends differ as shown."""
    first, last = probability(low), None if high is None else probability(high)
    return first if last in {None, first} else f"{first} to {last}"


def probability(value: float) -> str:
    """Write a probability with two digits, never one that is certain."""
    if value > SURE:
        return "> 0.99"
    return "< 0.01" if value < 1 - SURE else formats.number(value)


def objective_name(study: Study) -> str:
    """Name what the study looks for."""
    first = study.spec.objectives[0]
    aim = "" if first.is_maximized else "least "
    return f"{aim}{search_form.objective_label(first.metric)}"


def aim(objective: Objective) -> str:
    """Say what a search looks for, in words."""
    most = "greatest" if objective.is_maximized else "least"
    return f"the {most} {search_form.objective_label(objective.metric)}"


def objective(study: Study) -> str:
    """Write the objective of the trial to take, in the unit of its metric."""
    found = study.findings
    if found is None or found.chosen is None:
        return formats.NONE
    return value(study.spec.objectives[0].metric, found.chosen.value)


def value(metric: str, found: float) -> str:
    """Write a value of an objective, in the unit of its metric."""
    return formats.metric(metric, found) if metric in METRICS else formats.number(found, 3)


def state(job: Job) -> str:
    """Name the state of a study; one that is being ended is not simply running."""
    is_ending = job.is_cancel_wanted and job.state is JobState.RUNNING
    return "Cancelling" if is_ending else job.state.capitalize()


def step(job: Job) -> str:
    """Say what a study is doing that is not over."""
    if job.state is JobState.PENDING:
        return "waiting for a worker"
    if job.is_cancel_wanted:
        return "being cancelled"
    return job.step or "starting"
