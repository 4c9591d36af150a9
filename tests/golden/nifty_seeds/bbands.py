"""Close comes back inside the Bollinger band (20, 2); out across its middle, at +30 or at -20."""

from backtester.strategy_base import StrategyBase


class BBandsScalper(StrategyBase):
    _use_fast_vectorized = False

    def generate_signals(self, df):
        df = df.copy()
        window = df["close"].rolling(20)
        df["mid"] = window.mean()
        width = 2 * window.std(ddof=0)
        upper, lower = df["mid"] + width, df["mid"] - width
        before = df["close"].shift()
        df["signal"] = 0
        df.loc[(before < lower.shift()) & (df["close"] > lower), "signal"] = 1
        df.loc[(before > upper.shift()) & (df["close"] < upper), "signal"] = -1
        return df

    def should_exit(self, position, row, entry_price):
        side = 1 if position == "long" else -1
        if side * (row.close - row.mid) < 0:
            return True, "Mid exit"
        gain = side * (row.close - entry_price)
        if gain >= 30:
            return True, "Target"
        if gain <= -20:
            return True, "Stop Loss"
        return False, ""
