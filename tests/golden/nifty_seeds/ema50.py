"""Long only: close crosses above its EMA of 50; out below it or when the high is 20 points up."""

from backtester.strategy_base import StrategyBase


class EMA50Scalper(StrategyBase):
    _use_fast_vectorized = True

    def __init__(self, params=None):
        super().__init__(params)
        self.period = self.params.get("ema_period", 50)
        self.target = self.params.get("profit_target_points", 20)

    @staticmethod
    def get_params_config():
        number = {"type": "number_input", "min": 1, "max": 400, "step": 1}
        return [
            {**number, "name": "a", "param_key": "ema_period", "label": "Period", "default": 50},
            {**number, "param_key": "profit_target_points", "label": "Target", "default": 20},
        ]

    def generate_signals(self, df):
        df = df.copy()
        df["ema"] = df["close"].ewm(span=self.period, adjust=False).mean()
        was_below = df["close"].shift() < df["ema"].shift()
        df["signal"] = (was_below & (df["close"] > df["ema"])).astype(int)
        return df

    def should_exit(self, position, row, entry_price):
        if row["close"] < row["ema"]:
            return True, "close_below_ema"
        if row["high"] >= entry_price + self.target:
            return True, "profit_target"
        return False, ""
