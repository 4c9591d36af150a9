"""Close crosses its EMA of 44; out on the other side of it, at +30 or at -20 points."""

from backtester.strategy_base import StrategyBase


class EMA44Scalper(StrategyBase):
    def generate_signals(self, df):
        df = df.copy()
        df["ema"] = df["close"].ewm(span=44, adjust=False).mean()
        was_below = df["close"].shift() < df["ema"].shift()
        was_above = df["close"].shift() > df["ema"].shift()
        df["signal"] = 0
        df.loc[was_below & (df["close"] > df["ema"]), "signal"] = 1
        df.loc[was_above & (df["close"] < df["ema"]), "signal"] = -1
        return df

    def should_exit(self, position, row, entry_price):
        side = 1 if position == "long" else -1
        if side * (row.close - row.ema) < 0:
            return True, "EMA exit"
        gain = side * (row.close - entry_price)
        if gain >= 30:
            return True, "Target"
        if gain <= -20:
            return True, "Stop Loss"
        return False, ""
