"""What to see when there is nothing to see: always what to do next."""

from __future__ import annotations

from ui.components import markup

DEMO = "workbench demo"


def show_form(*, has_data: bool, title: str = "New backtest", verb: str = "run") -> None:
    """Stand in for the form when nothing can be run."""
    missing = "is no usable strategy in strategies/" if has_data else "are no prices yet"
    markup.write(
        f'<h2 class="wb-form-title">{title}</h2>'
        f'<p class="wb-muted">Nothing can be {verb}: there {missing}.</p>'
    )


def show_no_runs(*, has_data: bool) -> None:
    """Stand in for the list before the first run."""
    if has_data:
        markup.write(
            '<div class="wb-empty"><h2>No backtests yet</h2>'
            "<p>Choose a strategy and symbols on the left and run the first one.</p></div>"
        )
        return
    _show_no_prices("backtests")


def show_no_studies(*, has_data: bool) -> None:
    """Stand in for the list before the first study."""
    if has_data:
        markup.write(
            '<div class="wb-empty"><h2>No studies yet</h2><p>A study tries many sets of '
            "parameters and says what finding the best one is worth.</p>"
            "<p>Choose on the left what to vary and start the first one.</p></div>"
        )
        return
    _show_no_prices("studies")


def _show_no_prices(nouns: str) -> None:
    markup.write(
        f'<div class="wb-empty"><h2>No prices and no {nouns} yet</h2>'
        f"<p>Load daily prices of AAPL, MSFT, GOOG and IBM and a few example runs with</p>"
        f"<p><code>{DEMO}</code></p>"
        "<p>or import a file of your own with <code>workbench import FILE --symbol NAME</code>.</p>"
        "</div>"
    )


def show_no_match(noun: str = "run") -> None:
    """Stand in for the list when the filters leave nothing."""
    markup.write(
        f'<div class="wb-empty"><h2>No {noun} matches these filters</h2>'
        "<p>Widen them, or clear them all.</p></div>"
    )
