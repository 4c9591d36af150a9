"""Close crosses its EMA of 10 while the ATR is at least 5; fast where nothing ends the day."""

from strategies._ema10 import EMA10


class EMA10V6(EMA10):
    _use_fast_vectorized = True

    def generate_signals(self, df):
        df = self.with_indicators(df)
        df.loc[df["up"] & (df["atr"] >= 5), "signal"] = 1
        df.loc[df["down"] & (df["atr"] >= 5), "signal"] = -1
        return df
