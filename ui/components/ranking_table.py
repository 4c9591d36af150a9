"""The best trials of a study that is not judged: under way, or ended before it could be."""

from __future__ import annotations

from typing import Final

from core.domain.findings import Study
from core.domain.ranking import Ranked, Ranking
from ui import formats
from ui.components import markup, search_form, verdict

SHOWN: Final = 10


def show(study: Study, ranking: Ranking | None, *, until: str) -> None:
    """Draw the first rows of a ranking; nothing while no trial may win.

    Args:
        study: Whose trials they are.
        ranking: Of those that are finished, if there is one.
        until: Since when no more of them came, where some are missing: `so far`.
    """
    if ranking is None or not ranking.rows:
        return
    objectives = [search_form.objective_label(each.metric) for each in study.spec.objectives]
    names = list(study.spec.space)
    heads = [*(name.replace("_", " ").capitalize() for name in names), *objectives]
    head = '<th scope="col" class="wb-left">Trial</th>'
    head += "".join(f'<th scope="col">{markup.text(name)}</th>' for name in heads)
    aims = [each.metric for each in study.spec.objectives]
    rows = "".join(_row(each, names, aims) for each in ranking.rows[:SHOWN])
    markup.write(
        markup.section(_title(ranking, until)),
        '<div class="wb-scroll"><table class="wb-table" data-testid="ranking">',
        '<caption class="wb-sr">The best trials</caption>',
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>",
        f'<p class="wb-muted wb-small wb-notes">Ranked, not judged: among {_trials(ranking)} '
        "the best may be so by luck alone.</p>",
    )


def _title(ranking: Ranking, until: str) -> str:
    return "The best trials" if ranking.is_whole else f"Best of {_trials(ranking)} {until}"


def _trials(ranking: Ranking) -> str:
    return f"{ranking.trials:,} {'trial' if ranking.trials == 1 else 'trials'}"


def _row(trial: Ranked, names: list[str], aims: list[str]) -> str:
    cells = [formats.parameter(trial.params[name]) for name in names]
    cells += [verdict.value(aim, value) for aim, value in zip(aims, trial.values, strict=True)]
    row = "".join(f"<td>{markup.text(cell)}</td>" for cell in cells)
    return f'<tr><th scope="row">{trial.number:,}</th>{row}</tr>'
