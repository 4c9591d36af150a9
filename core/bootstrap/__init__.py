"""The composition root: settings in, services out. The only place that joins the rooms.

Importing it is cheap; `build` brings in what is heavy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from core.services import Services
    from core.settings import Settings


def build(
    settings: Settings | None = None, *, executor: Literal["inline", "child"] = "inline"
) -> Services:
    """Wire everything up. Close what comes back, or use it as a context manager.

    A SQLite file that is absent or empty gets its tables; an older schema is left alone.

    Args:
        settings: Those of the environment by default.
        executor: `inline` computes runs in this process. `child` computes them in processes of
            their own, as every server does: strategy code never runs in one.

    Raises:
        InvalidInput: a setting cannot be used.
        Unavailable: the records cannot be opened, or need `workbench migrate`.
    """
    from core.bootstrap.wiring import wire  # noqa: PLC0415 - `workbench --help` must not pay for it

    return wire(settings, executor=executor)
