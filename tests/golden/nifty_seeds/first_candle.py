"""One entry a day beyond the day's first bar; out at +20 inside a bar or beyond one stop.

The stop is the far end of the last signal bar of the whole data, until the first exit forgets it:
a defect of the original that its published numbers contain.
"""

from backtester.strategy_base import StrategyBase


class FirstCandleBreakout(StrategyBase):
    stop = None

    def generate_signals(self, df):
        df = df.copy()
        df["signal"] = 0
        for _, day in df.groupby(df["timestamp"].dt.date):
            first = day.iloc[0]
            for label, row in day.iloc[1:].iterrows():
                if row.close > first.high:
                    df.loc[label, "signal"], self.stop = 1, row.low
                    break
                if row.close < first.low:
                    df.loc[label, "signal"], self.stop = -1, row.high
                    break
        return df

    def should_exit(self, position, row, entry_price):
        if position == "long":
            is_target = row.high >= entry_price + 20
            is_stop = self.stop is not None and row.low <= self.stop
        else:
            is_target = row.low <= entry_price - 20
            is_stop = self.stop is not None and row.high >= self.stop
        if is_target or is_stop:
            self.stop = None
        return is_target or is_stop, "Target" if is_target else "Stop Loss"
