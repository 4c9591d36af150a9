"""Wilder's RSI of 9 comes back from 20 or 80; out at 50, or back beyond the level.

The bar after a signal is not looked at: a dip that begins there is not seen, which the line of
description does not say and the published counts need.
"""

from backtester.strategy_base import StrategyBase


class RSICross(StrategyBase):
    def generate_signals(self, df):
        df = df.copy()
        change = df["close"].diff()
        smooth = {"alpha": 1 / 9, "min_periods": 9, "adjust": False}
        up = change.clip(lower=0).ewm(**smooth).mean()
        down = (-change.clip(upper=0)).ewm(**smooth).mean()
        df["rsi"] = 100 - 100 / (1 + up / down)
        df["signal"] = 0
        dipped, seen = 0, False
        for label, (before, now) in enumerate(zip(df["rsi"].shift(), df["rsi"], strict=True)):
            if seen:
                seen = False
                continue
            if before > 20 >= now:
                dipped = 1
            if dipped == 1 and before < 20 <= now:
                df.loc[label, "signal"], dipped, seen = 1, 0, True
                continue
            if before < 80 <= now:
                dipped = -1
            if dipped == -1 and before > 80 >= now:
                df.loc[label, "signal"], dipped, seen = -1, 0, True
        return df

    def should_exit(self, position, row, entry_price):
        if position == "long":
            if row.rsi <= 20:
                return True, "RSI SL"
            return row.rsi >= 50, "RSI TP"
        if row.rsi >= 80:
            return True, "RSI SL"
        return row.rsi <= 50, "RSI TP"
