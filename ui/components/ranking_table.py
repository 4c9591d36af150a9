"""The best trials of a study that is not judged: under way, or ended before it could be."""

from __future__ import annotations

from typing import Final

from core.domain.findings import Study
from core.domain.ranking import Ranked, Ranking
from ui import formats
from ui.components import markup, search_form, verdict

SHOWN: Final = 10
LUCK: Final = "Ranked and not judged: the best of many trials is so by luck, too."


def show(study: Study, ranking: Ranking | None, *, title: str) -> None:
    """Draw the first rows of a ranking; nothing while no trial may win."""
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
        markup.section(title),
        '<div class="wb-scroll"><table class="wb-table" data-testid="ranking">',
        '<caption class="wb-sr">The best trials so far</caption>',
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>",
        f'<p class="wb-muted wb-small">{LUCK}</p>',
    )


def _row(trial: Ranked, names: list[str], aims: list[str]) -> str:
    cells = [formats.parameter(trial.params[name]) for name in names]
    cells += [verdict.value(aim, value) for aim, value in zip(aims, trial.values, strict=True)]
    row = "".join(f"<td>{markup.text(cell)}</td>" for cell in cells)
    return f'<tr><th scope="row">{trial.number:,}</th>{row}</tr>'
