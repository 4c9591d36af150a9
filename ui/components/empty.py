"""What to see when there is nothing to see: always what to do next."""

from __future__ import annotations

from ui.components import markup

DEMO = "workbench demo"


def show_form(*, has_data: bool) -> None:
    """Stand in for the form when nothing can be run."""
    missing = "no usable strategy in strategies/" if has_data else "no prices yet"
    markup.write(
        '<h2 class="wb-form-title">New backtest</h2>'
        f'<p class="wb-muted">Nothing can be run: there are {missing}.</p>'
    )


def show_no_runs(*, has_data: bool) -> None:
    """Stand in for the list before the first run."""
    if has_data:
        markup.write(
            '<div class="wb-empty"><h2>No backtests yet</h2>'
            "<p>Choose a strategy and symbols on the left and run the first one.</p></div>"
        )
        return
    markup.write(
        '<div class="wb-empty"><h2>No prices and no backtests yet</h2>'
        f"<p>Load daily prices of AAPL, MSFT, GOOG and IBM and a few example runs with</p>"
        f"<p><code>{DEMO}</code></p>"
        "<p>or import a file of your own with <code>workbench import FILE --symbol NAME</code>.</p>"
        "</div>"
    )


def show_no_match() -> None:
    """Stand in for the list when the filters leave nothing."""
    markup.write(
        '<div class="wb-empty"><h2>No run matches these filters</h2>'
        "<p>Widen them, or clear them all.</p></div>"
    )
