"""Close crosses the range of the day's first fifteen bars; out at +30 or at -15."""

from backtester.strategy_base import StrategyBase


class OpeningRangeBreakout(StrategyBase):
    def generate_signals(self, df):
        df = df.copy()
        df["signal"] = 0
        for _, day in df.groupby(df["timestamp"].dt.date):
            top, bottom = day["high"].iloc[:15].max(), day["low"].iloc[:15].min()
            after = day["close"].iloc[15:]
            before = after.shift()
            df.loc[after.index[(before <= top) & (after > top)], "signal"] = 1
            df.loc[after.index[(before >= bottom) & (after < bottom)], "signal"] = -1
        return df

    def should_exit(self, position, row, entry_price):
        gain = (row.close - entry_price) * (1 if position == "long" else -1)
        if gain >= 30:
            return True, "Target"
        return gain <= -15, "Stop Loss"
