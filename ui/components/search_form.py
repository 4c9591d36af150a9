"""How a study searches, what it looks for, and what is to be known of the winner."""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from core.domain.metrics import METRICS
from core.domain.objective import DERIVED, DERIVED_LABELS
from core.domain.study import CAPS, USUAL_TRIALS, StudySpec
from core.domain.study_presets import optimization_config
from ui import state

METHODS: Final = {
    "grid": "Grid",
    "random": "Random",
    "sobol": "Sobol",
    "bayesian": "Bayesian (TPE)",
    "cmaes": "CMA-ES",
    "genetic": "Genetic (NSGA-II)",
}
OBJECTIVES: Final = (
    *DERIVED,
    *(name for name, metric in METRICS.items() if metric.direction != "none"),
)
OFF: Final = "Off"
MODES: Final = {"rolling": "Rolling", "anchored": "Anchored"}
REQUIREMENTS: Final = "\n".join(
    each.root for each in StudySpec.model_fields["requirements"].get_default()
)
MONTHS: Final = (("train", "Train", 24), ("test", "Test", 6), ("step", "Step", 6))
MOST_WORLDS: Final = 1_000
VALIDATION: Final = "The last sessions, which no trial sees; the choice is shown there afterwards."
EMBARGO: Final = (
    "Sessions left out before them, so that no position reaches across: as long as one is held."
)
WORLDS: Final = (
    "Markets without edge made of these prices. The same search is run on each; with 19 or more "
    "the winner can be shown to be more than luck."
)


def objective_label(text: str) -> str:
    """Name an objective: a metric by its label, a formula as it is written."""
    known = METRICS.get(text)
    return DERIVED_LABELS.get(text, known.label if known else text)


def show() -> dict[str, Any]:
    """Draw the choices; give them as they stand, by the names of `StudySpec`."""
    chosen: dict[str, Any] = {}
    left, right = st.columns(2, gap="xsmall")
    with left:
        chosen["method"] = _method()
    with right:
        chosen["max_trials"] = _most_trials(chosen["method"])
    chosen["objectives"] = [_objective()]
    with st.expander("Requirements", key="study_requirements"):
        chosen["requirements"] = _requirements()
    left, right = st.columns(2, gap="xsmall")
    with left:
        usual = round(optimization_config().holdback().share * 100)
        share = _number("validation", "Held back (%)", usual, (0, 50), VALIDATION)
    with right:
        embargo = _number("embargo", "Embargo", 0, (0, 10_000), EMBARGO)
    chosen["validation"] = {"share": share / 100, "embargo": embargo}
    chosen["walk_forward"] = _walk_forward(embargo)
    left, right = st.columns(2, gap="xsmall")
    with left:
        chosen["null_worlds"] = _number("worlds", "Null worlds", 0, (0, MOST_WORLDS), WORLDS)
    with right:
        chosen["seed"] = _number("seed", "Seed", 0, (0, 2**32 - 1), "Of every random choice.")
    return chosen


def fill(spec: StudySpec) -> None:
    """Set the widgets to a study."""
    walk = spec.walk_forward
    values: dict[str, object] = {
        "method": spec.method,
        "max_trials": spec.max_trials,
        "objective": spec.objectives[0].metric,
        "requirements": "\n".join(each.root for each in spec.requirements),
        "validation": round(spec.validation.share * 100),
        "embargo": spec.validation.embargo,
        "walk": OFF if walk is None else walk.mode,
        "worlds": spec.null_worlds,
        "seed": spec.seed,
    }
    if walk is not None:
        values |= {name: getattr(walk, name) for name, *_ in MONTHS}
    for name, value in values.items():
        st.session_state[state.search(name)] = value


def _method() -> str:
    key = state.search("method")
    state.seed(key, "grid")
    value: str = st.selectbox(
        "Method",
        list(METHODS),
        format_func=METHODS.__getitem__,
        key=key,
        persist_state="session",
        help="Grid tries every set. Random and Sobol try an even part of a large space. The others "
        "learn from what they have seen.",
    )
    return value


def _most_trials(method: str) -> int | None:
    key = state.search("max_trials")
    state.seed(key, None)
    cap = CAPS[method]
    if (st.session_state[key] or 0) > cap:
        st.session_state[key] = cap
    value: int | None = st.number_input(
        "Most trials",
        value=None,
        min_value=1,
        max_value=cap,
        step=100,
        key=key,
        placeholder="whole grid" if method == "grid" else str(USUAL_TRIALS),
        persist_state="session",
    )
    return value


def _objective() -> str:
    key = state.search("objective")
    state.seed(key, OBJECTIVES[0])
    kept = st.session_state[key]
    offered = [*OBJECTIVES, *([kept] if kept and kept not in OBJECTIVES else [])]
    value: str | None = st.selectbox(
        "Objective",
        offered,
        format_func=objective_label,
        accept_new_options=True,
        key=key,
        persist_state="session",
        help="What the search makes as good as it can. Type a formula for anything else, such as "
        "total_return / turnover.",
    )
    return value or OBJECTIVES[0]


def _requirements() -> list[str]:
    key = state.search("requirements")
    state.seed(key, REQUIREMENTS)
    said = st.text_area(
        "One a line",
        key=key,
        height=110,
        persist_state="session",
        help="A trial that does not show them can never be the best.",
    )
    return [line.strip() for line in (said or "").splitlines() if line.strip()]


def _walk_forward(embargo: int) -> dict[str, Any] | None:
    key = state.search("walk")
    state.seed(key, OFF)
    mode: str | None = st.segmented_control(
        "Walk forward",
        [OFF, *MODES],
        format_func=lambda name: MODES.get(name, name),
        key=key,
        required=True,
        persist_state="session",
        help="Choose in one window, earn in the next, and so on through history.",
    )
    if mode not in MODES:
        return None
    given: dict[str, Any] = {"mode": mode, "embargo": embargo}
    for column, (name, label, usual) in zip(st.columns(3, gap="xxsmall"), MONTHS, strict=True):
        with column:
            given[name] = _number(name, f"{label} (mo)", usual, (1, 10_000))
    return given


def _number(
    name: str, label: str, usual: int, ends: tuple[int, int], said: str | None = None
) -> int:
    key, (low, high) = state.search(name), ends
    state.seed(key, usual)
    state.clamp(key, usual, low, high)
    return int(
        st.number_input(
            label,
            min_value=low,
            max_value=high,
            step=1,
            key=key,
            persist_state="session",
            help=said,
        )
    )
