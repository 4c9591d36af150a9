"""What the EMA10 scalpers share."""

import pandas as pd
from backtester.strategy_base import StrategyBase


class EMA10(StrategyBase):
    def __init__(self, params=None):
        super().__init__(params)
        self.period = self.params.get("ema_period", 10)
        self.target = self.params.get("atr_mult_target", 1.5)
        self.stop = self.params.get("atr_mult_stop", 1.0)

    @staticmethod
    def get_params_config():
        number = {"type": "number_input"}
        return [
            {**number, "param_key": "ema_period", "default": 10, "min": 5, "max": 200, "step": 1},
            {**number, "param_key": "atr_mult_target", "default": 1.5, "min": 0.5, "step": 0.1},
            {**number, "param_key": "atr_mult_stop", "default": 1.0, "min": 0.5, "step": 0.1},
            {"type": "text_input", "param_key": "trade_start_time", "default": "09:30"},
        ]

    def with_indicators(self, df):
        df = df.copy()
        df["ema"] = df["close"].ewm(span=self.period, adjust=False).mean()
        before = df["close"].shift()
        ranges = [df["high"] - df["low"], (df["high"] - before).abs(), (df["low"] - before).abs()]
        df["atr"] = pd.concat(ranges, axis=1).max(axis=1).rolling(14).mean()
        df["up"] = (before < df["ema"].shift()) & (df["close"] > df["ema"])
        df["down"] = (before > df["ema"].shift()) & (df["close"] < df["ema"])
        df["signal"] = 0
        return df

    def should_exit(self, position, row, entry_price):
        side = 1 if position == "long" else -1
        if side * (row.close - row.ema) < 0:
            return True, "EMA exit"
        gain = side * (row.close - entry_price)
        if gain >= self.target * row.atr:
            return True, "Target"
        if gain <= -self.stop * row.atr:
            return True, "Stop Loss"
        return False, ""
