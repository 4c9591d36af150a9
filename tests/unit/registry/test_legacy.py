"""Classes of the earlier shape become strategies, and their mistakes become sentences."""

from __future__ import annotations

import sys
from datetime import time

import numpy as np
import pytest

from core.domain.market import MARKETS
from core.domain.options import EngineOptions
from core.domain.signals import Signals
from core.domain.timeframe import Timeframe
from core.engine.exits import simulate_exits
from core.engine.view import view_of
from core.errors import StrategyFailed
from core.registry.load import find_class, imported
from tests.factories import ZERO, make_bars
from tests.laboratory import write_strategy

PLAIN = """
    '''Buys every fifth bar.

    And more of that.
    '''
    from backtester.strategy_base import StrategyBase


    class Plain(StrategyBase):
        def __init__(self, params=None):
            super().__init__(params)
            self.every = self.params.get("every", 5)

        @staticmethod
        def get_params_config():
            return [
                {"name": "ui_every", "param_key": "every", "type": "number_input", "label": "Every",
                 "default": 5, "min": 2, "max": 9, "step": 1},
                {"param_key": "width", "type": "number_input", "default": 1, "min": 0, "step": 0.5},
                {"param_key": "opens", "type": "text_input", "default": "09:30"},
            ]

        def generate_signals(self, df):
            df = df.copy()
            df["signal"] = 0
            df.loc[df.index % self.every == 0, "signal"] = 1
            return df

        def should_exit(self, position, row, entry_price):
            return ANSWER
"""


def loaded(folder, body, name="main"):
    write_strategy(folder, name, body)
    with imported(folder, name) as module:
        yield find_class(module)


@pytest.fixture
def plain(tmp_path):
    yield from loaded(tmp_path, PLAIN.replace("ANSWER", "row.close >= entry_price + 2, 'Target'"))


def minutes(closes):
    count = len(closes)
    ts = (19_724 * 1_440 + np.arange(count) + 225) * 60_000_000
    return make_bars(
        np.array(closes, dtype=float),
        session=np.full(count, 19_724, dtype=np.int32),
        minute=np.arange(count, dtype=np.int32) + 555,
        ts=ts,
        timeframe=Timeframe.M1,
        market=MARKETS["XNSE"],
    )


AT_CLOSE = EngineOptions(fill="close", sizing="units", size=1, initial_margin=0)


def test_parameters_are_read_from_its_own_description(plain):
    every, width, opens = plain.param_specs()

    assert (every.name, every.kind, every.default, every.ge, every.le) == ("every", "int", 5, 2, 9)
    assert (width.kind, width.default, width.ge, width.le) == ("float", 1.0, 0, None)
    assert (opens.kind, opens.default) == ("text", "09:30")
    assert plain.legacy
    assert plain.summary() == "Buys every fifth bar."
    assert plain.display_title() == "Plain"
    assert [each["type"] for each in plain.get_params_config()][-1] == "text_input"


def test_it_is_built_with_a_dictionary_and_asked(plain):
    bars = minutes([10.0, 11, 12, 13, 14, 15])
    signals = plain.build({"every": 4}).generate_signals(view_of(bars))

    made = simulate_exits(bars, signals, AT_CLOSE, ZERO)

    assert signals.codes.tolist() == [1, 2, 2, 2, 1, 2]
    assert made.trades.entry_bar.tolist() == [0, 4]
    assert made.trades.exit_bar.tolist() == [2, -1]
    assert made.labels == {0: "Target"}


def test_at_the_next_open_it_is_judged_by_the_price_it_got(plain):
    """Entered at the open of bar 1, 10.0; 2 points above that is the close of bar 2."""
    bars = make_bars([10.0, 10.0, 11.0, 12.0, 12.0], close=[10.0, 11.0, 12.0, 12.0, 12.0])
    signals = plain.build({}).generate_signals(view_of(bars))

    made = simulate_exits(bars, signals, AT_CLOSE.model_copy(update={"fill": "next_open"}), ZERO)

    assert (made.trades.entry_bar[0], made.trades.entry_price[0]) == (1, 10.0)
    assert (made.trades.exit_bar[0], made.trades.exit_price[0]) == (3, 12.0)


def test_its_frame_is_in_the_markets_own_time(tmp_path):
    body = """
    class Main:
        def generate_signals(self, df):
            assert list(df.columns) == ["timestamp", "open", "high", "low", "close", "volume"]
            assert list(df.index) == list(range(len(df)))
            df["signal"] = (df["timestamp"].dt.strftime("%H:%M") == "09:16").astype(int)
            return df
    """
    for cls in loaded(tmp_path, body):
        signals = cls.build({}).generate_signals(view_of(minutes([1.0, 1, 1])))

        assert signals.codes.tolist() == [2, 1, 2]
        assert signals.exits is None


def test_without_an_exit_of_its_own_the_opposite_signal_reverses(tmp_path):
    body = """
    class Main:
        def generate_signals(self, df):
            df["signal"] = [1, 0, -1, 0]
            return df
    """
    for cls in loaded(tmp_path, body):
        bars = minutes([10.0, 11, 12, 13])
        signals = cls.build({}).generate_signals(view_of(bars))
        made = simulate_exits(bars, signals, AT_CLOSE, ZERO)

        assert made.quantity.tolist() == [1, 1, -1, -1]


def test_no_module_of_theirs_is_left(plain):
    del plain
    assert "backtester" in sys.modules


@pytest.fixture(autouse=True)
def _nothing_left():
    yield
    assert "backtester" not in sys.modules


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("df['signal'] = 2; return df", "signal of Main at bar 0 is 2"),
        ("df['signal'] = 'buy'; return df", "values that are no numbers"),
        ("return df", "without a column `signal`"),
        ("return None", "gave NoneType without a column `signal`"),
        ("df['signal'] = 1; return df.iloc[1:]", "gave 2 rows"),
    ],
)
def test_an_answer_that_makes_no_sense_is_refused(tmp_path, body, said):
    text = f"""
    class Main:
        def generate_signals(self, df):
            {body}
    """
    for cls in loaded(tmp_path, text):
        with pytest.raises(StrategyFailed, match=said):
            cls.build({}).generate_signals(view_of(minutes([1.0, 1, 1])))


@pytest.mark.parametrize(
    ("answer", "said"),
    [("True", "should_exit gave True"), ("row.nothing", r"nothing.* \(main.py, line \d+\)")],
)
def test_an_exit_that_fails_is_blamed_on_its_line(tmp_path, answer, said):
    for cls in loaded(tmp_path, PLAIN.replace("ANSWER", answer)):
        bars = minutes([10.0, 11, 12])
        signals = cls.build({}).generate_signals(view_of(bars))

        with pytest.raises(StrategyFailed, match=said):
            simulate_exits(bars, signals, AT_CLOSE, ZERO)


def test_looking_ahead_is_seen_by_cutting_the_data_short(tmp_path):
    """The proof for our own strategies holds here: rows known must not change with the rest."""
    body = """
    class Main:
        def generate_signals(self, df):
            df["signal"] = (df["close"] > df["close"].mean()).astype(int)
            return df
    """
    bars = minutes([10.0, 11, 12, 13, 30, 40])
    for cls in loaded(tmp_path, body):
        whole: Signals = cls.build({}).generate_signals(view_of(bars))
        known: Signals = cls.build({}).generate_signals(view_of(bars.head(4)))

        assert whole.codes[:4].tolist() != known.codes.tolist()


def test_the_square_off_asks_nobody(plain):
    bars = minutes([10.0, 20, 20, 20, 20, 20])
    asked = AT_CLOSE.model_copy(update={"intraday": True, "square_off": time(9, 16)})
    signals = plain.build({}).generate_signals(view_of(bars))

    made = simulate_exits(bars, signals, asked, ZERO)

    assert made.trades.exit_bar.tolist() == [1]
    assert made.labels == {}


def test_what_it_remembers_of_one_account_does_not_reach_the_next(tmp_path):
    """The same signals are traded under several rules for the assumption interval."""
    body = """
    class Main:
        waited = 0

        def generate_signals(self, df):
            df["signal"] = 1
            return df

        def should_exit(self, position, row, entry_price):
            self.waited += 1
            return self.waited == 3, "Time"
    """
    for cls in loaded(tmp_path, body):
        bars = minutes([10.0] * 8)
        signals = cls.build({}).generate_signals(view_of(bars))

        exits = [
            simulate_exits(bars, signals, AT_CLOSE, ZERO).trades.exit_bar.tolist() for _ in range(2)
        ]

        assert exits[0] == exits[1] == [3, -1]
