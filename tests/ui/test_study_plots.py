"""Figures of studies, judged by the data in them."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from core.plots import (
    generalisation,
    halves,
    history,
    importance,
    luck,
    parallel,
    slices,
    surface,
    theme,
    walkforward,
    windows,
    worlds,
)
from core.plots.trials import thinned

DAY_MS = 86_400_000


def trials_frame(rows, **columns):
    """Trials of (fast, slow, score); a score of None is a trial that is not eligible."""
    fast, slow, score = zip(*rows, strict=True)
    return pl.DataFrame(
        {
            "number": range(len(rows)),
            "param_fast": fast,
            "param_slow": slow,
            "value_0": pl.Series(score, dtype=pl.Float64),
            "score": pl.Series(score, dtype=pl.Float64),
            "smoothed": pl.Series(score, dtype=pl.Float64),
            **columns,
        }
    )


GRID = [(f, s, float(10 * f + s)) for f in (1, 2, 3) for s in (5, 6)]


class TestThinned:
    def test_few_trials_stay_and_those_that_are_not_eligible_go(self):
        frame = trials_frame([(1, 5, 2.0), (1, 6, None), (2, 5, 1.0)])

        assert thinned(frame)["number"].to_list() == [0, 2]

    def test_of_many_the_best_stay_and_others_evenly(self):
        frame = trials_frame([(n, 0, float((n * 7919) % 10_007)) for n in range(10_000)])

        kept = thinned(frame, 1_000)

        best = frame.sort("score", descending=True).head(400)["number"].to_list()
        assert len(kept) == 1_000
        assert set(best) <= set(kept["number"].to_list())
        assert kept["number"].is_sorted()
        assert kept["number"].n_unique() == 1_000


class TestSurface:
    def info(self, rows=GRID, **changes):
        given = {"x": "fast", "y": "slow", "at": {}, "chosen": 5, "label": "Sharpe"}
        return surface.surface_info(trials_frame(rows), **{**given, **changes})

    def test_every_set_has_its_cell(self):
        info = self.info()

        assert (info.x, info.y) == ((1, 2, 3), (5, 6))
        assert info.values.tolist() == [[15, 25, 35], [16, 26, 36]]
        assert info.numbers.tolist() == [[0, 2, 4], [1, 3, 5]]
        assert info.chosen == (3, 6)
        assert not info.scattered

    def test_sets_that_constraints_forbid_or_that_cannot_win_are_empty(self):
        info = self.info([(1, 5, 1.0), (2, 5, None), (2, 6, 3.0)], chosen=None)

        assert np.isnan(info.values).tolist() == [[False, True], [True, False]]
        assert info.chosen is None

    def test_what_was_tried_and_cannot_win_is_shaded(self):
        info = self.info([(1, 5, 1.0), (2, 5, None), (2, 6, 3.0)], chosen=None)

        shade = surface.figure(info).data[0]

        assert np.isnan(np.array(shade.z, dtype=float)).tolist() == [[True, False], [True, True]]
        assert shade.name == "Not eligible"

    def test_of_the_others_the_best_counts_or_the_one_named(self):
        frame = trials_frame(GRID * 2, param_mode=["a"] * 6 + ["b"] * 6).with_columns(
            score=pl.when(pl.col("param_mode") == "b")
            .then(-pl.col("score"))
            .otherwise(pl.col("score")),
            value_0=pl.when(pl.col("param_mode") == "b").then(-1.0).otherwise(pl.col("value_0")),
        )
        given = {"x": "fast", "y": "slow", "chosen": 5, "label": "Sharpe"}

        every = surface.surface_info(frame, at={}, **given)
        only = surface.surface_info(frame, at={"mode": "b"}, **given)

        assert every.values.max() == 36
        assert every.chosen == (3, 6)
        assert (only.values == -1).all()
        assert only.chosen is None  # the chosen trial has mode a

    def test_the_plateau_is_ninety_percent_of_the_smoothed_choice(self):
        assert self.info().plateau == pytest.approx(0.9 * 36)
        assert self.info([(1, 5, -1.0), (2, 6, -2.0)], chosen=0).plateau is None

    def test_the_border_of_the_plateau_is_drawn_at_its_level(self):
        chart = surface.figure(self.info())

        contour = next(trace for trace in chart.data if trace.type == "contour")
        assert contour.contours.start == contour.contours.end == pytest.approx(32.4)
        (heat,) = (trace for trace in chart.data if trace.type == "heatmap")
        assert np.array(heat.z).tolist() == [[15, 25, 35], [16, 26, 36]]

    def test_names_are_an_axis_of_names(self):
        rows = [("ema", 5, 1.0), ("sma", 5, 2.0), ("ema", 6, 3.0), ("sma", 6, 4.0)]
        chart = surface.figure(self.info(rows, chosen=3))

        assert chart.layout.xaxis.type == "category"
        assert not [trace for trace in chart.data if trace.type == "contour"]

    def test_trials_anywhere_are_marks(self):
        rng = np.random.default_rng(0)
        rows = [(float(a), float(b), float(a + b)) for a, b in rng.random((50, 2))]

        info = self.info(rows, chosen=7)

        assert info.scattered
        assert info.x == tuple(row[0] for row in rows)
        chart = surface.figure(info)
        assert not [trace for trace in chart.data if trace.type == "heatmap"]

    @pytest.mark.parametrize("values", [[-2.0, 1.0, 3.0], [-3.0, -2.0, -1.0], [1.0, 2.0, 3.0]])
    def test_colours_span_the_values(self, values):
        rows = [(n, 5, value) for n, value in enumerate(values)]
        chart = surface.figure(self.info([*rows, (0, 6, values[1])]))

        heat = next(trace for trace in chart.data if trace.type == "heatmap")
        assert (heat.zmin, heat.zmax) == (min(values), max(values))
        stops = [stop[0] for stop in heat.colorscale]
        assert stops == sorted(stops)
        if min(values) < 0 < max(values):  # colours meet at 0, and none lies between both
            assert stops == pytest.approx([0, 0.4, 0.4, 1])


class TestSlices:
    def test_the_median_is_that_of_every_value(self):
        info = slices.slices_info(trials_frame(GRID), ["fast", "slow"], chosen=5, label="Sharpe")

        fast, slow = info.panels
        assert fast.middle_x == (1, 2, 3)
        assert fast.middle.tolist() == [15.5, 25.5, 35.5]
        assert slow.middle.tolist() == [25, 26]
        assert fast.chosen == (3, 36.0)

    def test_many_values_are_banded_into_tenths(self):
        rows = [(float(n), 5, float(n)) for n in range(1_000)]

        (panel,) = slices.slices_info(
            trials_frame(rows), ["fast", "slow"], chosen=None, label="Sharpe"
        ).panels

        assert len(panel.middle_x) == 10
        assert np.allclose(np.array(panel.middle_x), panel.middle)  # the objective is the parameter

    def test_names_stand_in_order_with_nothing_between_them(self):
        frame = trials_frame([(1, 5, 1.0), (2, 5, 2.0), (3, 5, 3.0)], param_mode=["b", "c", "a"])

        (panel,) = slices.slices_info(frame, ["mode"], chosen=None, label="Sharpe").panels
        chart = slices.figure(slices.slices_info(frame, ["mode"], chosen=None, label="Sharpe"))

        assert (panel.middle_x, panel.middle.tolist()) == (("a", "b", "c"), [3, 1, 2])
        assert chart.layout.xaxis.categoryarray == ("a", "b", "c")
        assert {trace.mode for trace in chart.data} == {"markers"}

    def test_what_does_not_vary_has_no_panel_and_more_than_eight_are_named(self):
        more = {f"param_p{n}": [n, n + 1] for n in range(9)}
        frame = trials_frame([(1, 5, 1.0), (2, 5, 2.0)], **more)

        info = slices.slices_info(
            frame, ["slow", "fast", *(f"p{n}" for n in range(9))], chosen=None, label="Sharpe"
        )

        assert [panel.name for panel in info.panels] == ["Fast", *(f"P{n}" for n in range(7))]
        assert info.left_out == ("p7", "p8")
        chart = slices.figure(info)
        assert len([name for name in chart.layout if name.startswith("xaxis")]) == 8


class TestParallel:
    def test_axes_run_from_the_least_to_the_greatest(self):
        info = parallel.parallel_info(
            trials_frame(GRID), ["fast", "slow"], chosen=5, label="Sharpe"
        )

        assert [axis.name for axis in info.axes] == ["Fast", "Slow", "Sharpe"]
        assert info.axes[0].ticks == ((0.0, "1"), (0.5, "2"), (1.0, "3"))
        assert info.lines.min() == 0
        assert info.lines.max() == 1
        assert info.lines[info.chosen].tolist() == [1, 1, 1]

    def test_the_best_tenth_is_that_of_all_trials(self):
        rows = [(n, 5, float(n)) for n in range(5_000)]

        info = parallel.parallel_info(trials_frame(rows), ["fast"], chosen=0, label="Sharpe")

        drawn = info.lines[:, 0] * 4_999
        assert info.threshold == 4_500
        assert ((drawn >= 4_499.2) == info.top).all()

    def test_both_groups_are_drawn_whole(self):
        info = parallel.parallel_info(
            trials_frame(GRID), ["fast", "slow"], chosen=5, label="Sharpe"
        )

        chart = parallel.figure(info)

        rest, best, own = chart.data
        assert np.isnan(np.array(rest.y)).sum() + np.isnan(np.array(best.y)).sum() == len(GRID)
        assert own.name == "The trial to take"
        assert list(chart.layout.xaxis.ticktext) == ["Fast", "Slow", "Sharpe"]


class TestImportance:
    EFFECTS = (
        {"name": "fast", "spearman": -0.2, "importance": 0.1, "importance_error": 0.01},
        {"name": "slow_span", "spearman": 0.5, "importance": 0.6, "importance_error": 0.05},
    )

    def test_the_most_important_comes_first_and_is_drawn_on_top(self):
        info = importance.importance_info(self.EFFECTS)

        assert info.names == ("slow_span", "fast")
        assert info.errors == (0.05, 0.01)
        bars = importance.figure(info).data[0]
        assert list(bars.y) == ["Fast", "Slow span"]  # a bar chart begins at the bottom
        assert "\u2212" in bars.customdata[0]

    def test_without_a_forest_it_is_the_rank_correlation(self):
        effects = [each | {"importance": None, "importance_error": None} for each in self.EFFECTS]

        info = importance.importance_info(effects)

        assert not info.by_forest
        assert info.importance == (0.5, 0.2)
        assert info.errors is None


class TestHistory:
    def test_the_best_so_far_changes_where_a_trial_is_better(self):
        rows = [(1, 1, 3.0), (1, 2, None), (1, 3, 1.0), (1, 4, 5.0), (1, 5, 4.0)]

        info = history.history_info(trials_frame(rows), chosen=3, label="Sharpe")

        assert info.number.tolist() == [0, 2, 3, 4]
        assert info.best_number.tolist() == [0, 3, 4]
        assert info.best.tolist() == [3, 5, 5]
        assert info.chosen == (3, 5.0)

    def test_less_may_be_better(self):
        frame = trials_frame([(1, 1, -3.0), (1, 2, -1.0), (1, 3, -2.0)]).with_columns(
            value_0=-pl.col("score")
        )

        info = history.history_info(frame, chosen=None, label="Volatility")

        assert info.best.tolist() == [3, 1, 1]


class TestGeneralisation:
    def test_eligible_trials_with_both_ratios_are_compared(self):
        frame = trials_frame(
            [(1, 1, 1.0), (1, 2, 2.0), (1, 3, 3.0), (1, 4, None)],
            train_sharpe=[1.0, 2.0, 3.0, 4.0],
            test_sharpe=[-0.5, 0.5, None, 0.5],
        )

        info = generalisation.generalisation_info(frame, chosen=1)

        assert info.compared == 2
        assert info.gained == 0.5
        assert info.chosen == (2.0, 0.5)
        line, dots = generalisation.figure(info).data[:2]
        assert list(line.x) == list(line.y) == [-0.5, 2.0]
        assert list(dots.customdata) == [0, 1]


class TestLuck:
    def test_every_trial_is_counted_once(self):
        sharpes = np.array([0.1, 0.2, 0.3, np.nan, 0.9])

        info = luck.luck_info(sharpes, winner=0.9, luck=0.7)

        assert info.counts.sum() == info.trials == 4
        assert info.edges[0] == 0.1
        assert info.edges[-1] == 0.9

    def test_lines_beyond_the_bars_are_in_the_picture(self):
        chart = luck.figure(luck.luck_info(np.array([0.0, 1.0]), winner=3.0, luck=-1.0))

        low, high = chart.layout.xaxis.range
        assert low < -1.0
        assert high > 3.0

    def test_what_is_not_known_has_no_line(self):
        chart = luck.figure(luck.luck_info(np.arange(100.0), winner=80.0, luck=None))

        assert [trace.name for trace in chart.data] == ["Trials", "The trial to take: 80.00"]
        assert list(chart.data[1].x) == [80.0, 80.0]


class TestHalves:
    def test_no_bar_has_zero_inside_and_zero_itself_is_not_above(self):
        logits = np.array([-2.0, -0.1, 0.0, 0.1, 2.0, 1.9])

        info = halves.halves_info(logits, pbo=0.5)

        assert info.shares.sum() == pytest.approx(1.0)
        assert info.shares[info.middles < 0].sum() == pytest.approx(0.5)
        near = np.abs(info.middles / info.width)
        assert np.allclose(near % 1, 0.5)

    def test_both_sides_say_their_share(self):
        chart = halves.figure(halves.halves_info(np.array([-1.0, 1.0, 1.0, 1.0]), pbo=0.25))

        assert [trace.name for trace in chart.data] == [
            "Worse than the middle: 25%",
            "Better than the middle: 75%",
        ]


class TestWorlds:
    def test_worlds_without_a_winner_are_counted_apart(self):
        info = worlds.worlds_info(np.array([0.3, np.nan, 0.1]), winner=0.5, label="Sharpe")

        assert info.winners.tolist() == [0.1, 0.3]
        assert info.empty == 1
        assert list(worlds.figure(info).data[1].x) == [0.5]


def windows_frame():
    return pl.DataFrame(
        {
            "test_first": [date(2020, 1, 1), date(2020, 7, 1), date(2021, 1, 1)],
            "test_last": [date(2020, 6, 30), date(2020, 12, 31), date(2021, 6, 30)],
            "param_fast": [5, 9, None],
            "param_slow": [20, 21, None],
            "param_mode": ["ema", "sma", None],
            "train_sharpe": [1.0, 1.2, None],
            "test_sharpe": [0.5, -0.3, None],
            "alerts": ["", "fast", ""],
        }
    )


class TestWalkForward:
    def info(self):
        stitched = pl.DataFrame({"session": [18262, 18263], "equity": [1.01, 1.02]})
        return walkforward.walk_forward_info(
            stitched, windows_frame(), ["mode", "fast", "gone", "slow"]
        )

    def test_equity_lies_on_its_sessions_and_windows_on_their_tests(self):
        info = self.info()

        assert (info.x / DAY_MS).tolist() == [18262, 18263]  # 2020-01-01 and the day after
        assert (info.edges / DAY_MS).tolist() == [18262, 18444, 18628, 18808]

    def test_steps_are_those_of_numbers_and_the_rest_is_named(self):
        info = self.info()

        (name, values, alerts), slow = info.steps
        assert name == "Fast"
        assert values[:2].tolist() == [5, 9]
        assert np.isnan(values[2])
        assert info.left_out == ("mode", "gone")
        assert alerts.tolist() == [False, True, False]
        assert not slow.alerts.any()  # it moved, but not by much

    def test_a_drift_alert_is_marked_where_the_window_begins(self):
        chart = walkforward.figure(self.info())

        mark = next(trace for trace in chart.data if trace.name == "Moved much")
        assert np.array(mark.x).tolist() == [18444 * DAY_MS]
        steps = next(trace for trace in chart.data if trace.name == "Fast")
        assert steps.line.shape == "hv"
        assert len(steps.x) == len(steps.y) == 4


def test_windows_have_a_bar_each_and_none_where_it_is_undefined():
    info = windows.windows_info(windows_frame())

    assert info.labels == ("Jan 2020", "Jul 2020", "Jan 2021")
    train, test = windows.figure(info).data
    assert list(train.y) == [1.0, 1.2, None]
    assert list(test.y) == [0.5, -0.3, None]


def test_labels_of_an_axis_keep_their_distance():
    rows = [(n, 5, float(n)) for n in (*range(2, 8), 98, 99, 101)]

    info = parallel.parallel_info(trials_frame(rows), ["fast"], chosen=0, label="Sharpe")

    places = [place for place, _ in info.axes[0].ticks]
    assert info.axes[0].ticks[0] == (0.0, "2")
    assert info.axes[0].ticks[-1] == (1.0, "101")
    assert min(np.diff(places)) >= 0.06  # 98 and 99 would be written over 101


@pytest.mark.parametrize(("trials", "step"), [(3, 1), (40, None)])
def test_no_axis_shows_halves_of_trials(trials, step):
    chart = luck.figure(luck.luck_info(np.full(trials, 0.5), winner=None, luck=None))

    assert chart.layout.yaxis.dtick == step


def test_every_chart_of_trials_marks_the_trial_to_take_alike():
    frame = trials_frame(GRID, train_sharpe=[1.0] * 6, test_sharpe=[0.5] * 6)
    given = {"chosen": 5, "label": "Sharpe"}

    charts = (
        history.figure(history.history_info(frame, **given)),
        slices.figure(slices.slices_info(frame, ["fast"], **given)),
        generalisation.figure(generalisation.generalisation_info(frame, chosen=5)),
        surface.figure(surface.surface_info(frame, x="fast", y="slow", at={}, **given)),
        parallel.figure(parallel.parallel_info(frame, ["fast"], **given)),
    )

    for chart in charts:
        (mark,) = (each for each in chart.data if each.name == "The trial to take")
        assert theme.ORANGE in {mark.marker.color, mark.line.color}
