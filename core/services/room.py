"""Whether a period has room for what a study wants of it, told before its job runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from core.domain.bars import Int32Array
from core.domain.strategy import StrategyInfo
from core.domain.study import StudySpec
from core.errors import InvalidInput
from core.search.split import split, warm_up_of
from core.search.walkforward import windows_of


def shortages(
    spec: StudySpec, info: StrategyInfo, bars: Sequence[Int32Array]
) -> Sequence[InvalidInput]:
    """Say which parts of a period would be too short: the part held back, a training, a test.

    These are the checks of the job itself, on the same sessions, so what passes here passes there.

    Args:
        spec: As it is asked for, completed or not.
        info: Its strategy.
        bars: Session of every bar, in days since 1970, one array for each symbol.

    Returns:
        One problem for what is held back and one for the windows, at most.
    """
    sessions = np.unique(np.concatenate(bars))
    per_session = min(
        len(each) / int(((sessions >= each[0]) & (sessions <= each[-1])).sum()) for each in bars
    )
    given = {each.name: each.default for each in info.params} | dict(spec.run.params)
    warm_up = warm_up_of(spec.space, given, info.params, per_session)
    checks: list[tuple[str, Callable[[], object]]] = [
        ("validation", lambda: split(sessions, spec.validation, warm_up=warm_up))
    ]
    walk = spec.walk_forward
    if walk is not None:
        start = spec.run.start
        checks.append(
            ("walk_forward", lambda: windows_of(sessions, walk, start=start, warm_up=warm_up))
        )
    found = []
    for field, check in checks:
        try:
            check()
        except InvalidInput as error:
            # Not each window by itself: they are short in the same way.
            found.append(
                InvalidInput(
                    error.message,
                    found=error.found,
                    expected=error.expected,
                    hint=error.hint,
                    field=field,
                )
            )
    return found
