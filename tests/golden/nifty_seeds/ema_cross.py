"""EMA of 5 crosses EMA of 20; out at +10, at -10, or when the averages stand the other way."""

from backtester.strategy_base import StrategyBase


class EMACrossDailyTarget(StrategyBase):
    def generate_signals(self, df):
        df = df.copy()
        df["fast"] = df["close"].ewm(span=5, adjust=False).mean()
        df["slow"] = df["close"].ewm(span=20, adjust=False).mean()
        gap = df["fast"] - df["slow"]
        df["signal"] = 0
        df.loc[(gap.shift() <= 0) & (gap > 0), "signal"] = 1
        df.loc[(gap.shift() >= 0) & (gap < 0), "signal"] = -1
        return df

    def should_exit(self, position, row, entry_price):
        side = 1 if position == "long" else -1
        gain = side * (row.close - entry_price)
        if gain >= 10:
            return True, "Target"
        if gain <= -10:
            return True, "Stop Loss"
        if side * (row.fast - row.slow) < 0:
            return True, "Cross Down Exit" if side > 0 else "Cross Up Exit"
        return False, ""
