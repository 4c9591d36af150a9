"""The best trials of a search while it goes on: ranked, and not judged yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from core.domain.parameters import ParamValue
from core.errors import DataProblem

MOST_RANKED: Final = 50


@dataclass(frozen=True, slots=True)
class Ranked:
    """A trial that may win.

    Attributes:
        number: Among the trials of the study; it stays.
        params: Those that are varied.
        values: Of each objective, in its own sign; finite.
    """

    number: int
    params: Mapping[str, ParamValue]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Ranking:
    """The best trials so far. What is best of many is so by luck, too, until it is judged.

    Attributes:
        trials: Those that are finished.
        is_whole: Whether all are.
        rows: The best first, `MOST_RANKED` at most; of several objectives those that no other one
            beats in all of them, the best by the first one first.
    """

    trials: int
    is_whole: bool
    rows: tuple[Ranked, ...]

    def to_data(self) -> dict[str, Any]:
        """Give it as plain data."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: Any) -> Self:
        """Read what `to_data` gave.

        Raises:
            DataProblem: it is something else.
        """
        try:
            rows = (
                Ranked(int(row["number"]), dict(row["params"]), tuple(map(float, row["values"])))
                for row in data["rows"]
            )
            return cls(int(data["trials"]), bool(data["is_whole"]), tuple(rows))
        except (KeyError, TypeError, ValueError) as error:
            raise DataProblem(
                f"the ranking of a search cannot be read: {error!s:.200}",
                hint="it was written by another version; wait for the result",
            ) from error
