"""Cross of the EMA of 10, confirmed by ATR, RSI and the bar before, from ten to one o'clock."""

from strategies._ema10 import EMA10


class EMA10V1(EMA10):
    def generate_signals(self, df):
        df = self.with_indicators(df)
        change = df["close"].diff()
        gain = change.clip(lower=0).rolling(14).mean()
        loss = (-change.clip(upper=0)).rolling(14).mean()
        rsi = (100 - 100 / (1 + gain / loss)).shift()
        typical = df["atr"].rolling(50, min_periods=1).median()
        date = df["timestamp"].dt.date
        day = df.groupby(date)
        spread = day["high"].transform("max") - day["low"].transform("min")
        calm = (df["atr"] > 5) & (df["atr"] < 40) & (df["atr"] <= 1.5 * typical)
        calm &= (spread <= 600) & df["timestamp"].dt.hour.between(10, 12)
        up = df["up"] & calm & (rsi > 40) & (rsi < 70) & (df["close"] > df["high"].shift())
        down = df["down"] & calm & (rsi > 30) & (rsi < 60) & (df["close"] < df["low"].shift())
        down &= df["atr"] > typical
        df.loc[up, "signal"], df.loc[down, "signal"] = 1, -1
        first = (df["signal"] != 0).groupby(date).cumsum() <= 8
        df["signal"] = df["signal"].where(first, 0)
        return df
