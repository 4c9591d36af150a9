"""Runs classes of the earlier systems unchanged: a frame in, a column `signal` out.

Such a class has `generate_signals(df)` and may have a constructor that takes a dictionary
`params`, `get_params_config()`, `should_exit(position, row, entry_price)` and
`_use_fast_vectorized`. Its frame holds timestamp (local to the market), open, high, low, close and
volume. Signals are events: 1 and -1 enter, 0 is no opinion. Positions are left by `should_exit`,
judged at closes from the bar after the entry on; a class without one, or with the fast flag and
without `intraday`, is reversed by the opposite signal. Rows are asked one by one, which is slow.
"""

from __future__ import annotations

import copy
import importlib.util
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import create_model

from core.domain.bars import Bars
from core.domain.parameters import Param, ParamValue
from core.domain.signals import Code, CodeArray, ExitRule, Judge, Signals
from core.domain.strategy import Strategy
from core.domain.view import MarketView
from core.errors import StrategyFailed, Unavailable
from core.registry.blame import blamed

if TYPE_CHECKING:
    import pandas as pd

LONGEST_LABEL = 60
ROWS_AT_ONCE = 1_024
BASE_PACKAGE, BASE_MODULE = "backtester", "backtester.strategy_base"
_SIDES = {1: "long", -1: "short"}


class StrategyBase:
    """What files of the earlier systems import as `backtester.strategy_base.StrategyBase`."""

    def __init__(self, params: dict[str, Any] | None = None) -> None:
        self.params = params or {}

    @staticmethod
    def get_params_config() -> list[dict[str, Any]]:
        """Describe the parameters; none unless a class says so."""
        return []


class LegacyStrategy(Strategy):
    """Adapter around one class of the earlier systems; made by `adapted`."""

    legacy: ClassVar[bool] = True
    wrapped: ClassVar[type] = object
    # Parameter names may be any word there, also one that pydantic keeps for itself.
    keys: ClassVar[Mapping[str, str]] = {}

    def generate_signals(self, view: MarketView) -> Signals:
        """Ask the class for its column of signals and, bar by bar, for its exits."""
        given = {key: getattr(self, name) for name, key in self.keys.items()}
        strategy = _made(self.wrapped, given)
        frame = strategy.generate_signals(_frame_of(view.bars))
        codes = _codes(frame, len(view), self.wrapped.__name__)
        asks = callable(getattr(strategy, "should_exit", None))
        rule = None
        if asks:
            folder = Path(inspect.getfile(self.wrapped)).parent
            rule = ExitRule(
                begin=lambda: _judge(strategy, frame, folder),
                intraday_only=bool(getattr(strategy, "_use_fast_vectorized", False)),
            )
        return Signals(codes=codes, exits=rule)

    @classmethod
    def display_title(cls) -> str:
        """Name for people."""
        name = getattr(cls.wrapped, "NAME", None) or cls.wrapped.__name__.removesuffix("Strategy")
        return str(name)

    @classmethod
    def summary(cls) -> str:
        """First paragraph of the class's docstring, or else of its file's."""
        module = sys.modules.get(cls.wrapped.__module__)
        text = cls.wrapped.__doc__ or (module and module.__doc__) or ""
        return " ".join(inspect.cleandoc(text).split("\n\n")[0].split())


def find_legacy(module: ModuleType) -> list[type]:
    """Find the classes of the earlier shape that a module defines, bases of others left out."""
    own = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and not issubclass(value, Strategy)
        and value.__module__ == module.__name__
        and callable(getattr(value, "generate_signals", None))
    ]
    return [cls for cls in own if not any(cls in other.__mro__[1:] for other in own)]


def adapted(wrapped: type) -> type[LegacyStrategy]:
    """Make a strategy of a class of the earlier shape.

    Raises:
        StrategyFailed: its `get_params_config` makes no sense.
    """
    fields: dict[str, Any] = {}
    keys: dict[str, str] = {}
    for item in _config(wrapped):
        key = str(item.get("param_key") or item.get("name") or "")
        if not key.isidentifier():
            raise StrategyFailed(
                f"get_params_config of {wrapped.__name__} has the entry {item!r:.100}",
                expected="a dictionary with `param_key`, `type` and `default`",
            )
        name = f"{key}_" if hasattr(Strategy, key) else key
        keys[name] = key
        fields[name] = _field(item, key)
    made: type[LegacyStrategy] = create_model(
        wrapped.__name__, __base__=LegacyStrategy, __module__=wrapped.__module__, **fields
    )
    made.wrapped = wrapped
    made.keys = keys
    return made


def lend_base() -> bool:
    """Make `backtester.strategy_base` importable where nothing of that name is installed."""
    if BASE_PACKAGE in sys.modules or importlib.util.find_spec(BASE_PACKAGE) is not None:
        return False
    package, module = ModuleType(BASE_PACKAGE), ModuleType(BASE_MODULE)
    package.__path__ = []
    module.StrategyBase = StrategyBase  # type: ignore[attr-defined]
    package.strategy_base = module  # type: ignore[attr-defined]
    sys.modules[BASE_PACKAGE], sys.modules[BASE_MODULE] = package, module
    return True


def take_base_back() -> None:
    """Undo `lend_base`."""
    for name in (BASE_MODULE, BASE_PACKAGE):
        sys.modules.pop(name, None)


def _config(wrapped: type) -> list[dict[str, Any]]:
    ask = getattr(wrapped, "get_params_config", None)
    if ask is None:
        return []
    try:
        items = ask()
    except TypeError:  # an ordinary method of an instance
        items = _made(wrapped, {}).get_params_config()
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise StrategyFailed(
            f"get_params_config of {wrapped.__name__} gave {type(items).__name__}",
            expected="a list of dictionaries",
        )
    return items


def _field(item: dict[str, Any], key: str) -> tuple[type, Any]:
    default = item.get("default")
    note = str(item.get("description") or item.get("label") or "")
    choices = item.get("choices") or item.get("options")
    if choices:
        return type(default), Param(
            choices[0] if default is None else default, choices=list(choices), help=note
        )
    if isinstance(default, bool | str):
        return type(default), Param(default, help=note)
    if not isinstance(default, int | float):
        raise StrategyFailed(
            f"parameter {key!r} has the default {default!r}", expected="a number, text or bool"
        )
    numbers = (default, item.get("min"), item.get("max"), item.get("step"))
    whole = all(each is None or float(each).is_integer() for each in numbers)
    whole = whole and not any(isinstance(each, float) for each in (default, item.get("step")))
    kind = int if whole else float
    low, high, step = (None if each is None else float(each) for each in numbers[1:])
    return kind, Param(kind(default), ge=low, le=high, step=step, help=note)


def _made(wrapped: type, given: dict[str, ParamValue]) -> Any:
    takes = [name for name in inspect.signature(wrapped).parameters if name != "self"]
    return wrapped(given or None) if takes else wrapped()


def _frame_of(bars: Bars) -> pd.DataFrame:
    try:
        import pandas as pd  # noqa: PLC0415 - slow to import, and only these classes ask for it
    except ImportError as error:
        raise Unavailable(
            "strategies of the earlier systems need pandas, which is not installed",
            hint="make setup installs it",
        ) from error
    times = pd.to_datetime(bars.ts, unit="us", utc=True)
    if bars.timeframe.is_intraday:  # a daily bar is labelled by its date, which no zone may move
        times = times.tz_convert(bars.market.zone)
    columns = {name: getattr(bars, name).copy() for name in ("open", "high", "low", "close")}
    return pd.DataFrame({"timestamp": times, **columns, "volume": bars.volume.copy()})


def _codes(frame: Any, total: int, name: str) -> CodeArray:
    """Read the column `signal`; NaN and 0 are no opinion."""
    if "signal" not in getattr(frame, "columns", ()):
        raise StrategyFailed(
            f"generate_signals of {name} gave {type(frame).__name__} without a column `signal`",
            expected="the frame it was given, with a column `signal`",
        )
    if len(frame) != total:
        raise StrategyFailed(
            f"generate_signals of {name} gave {len(frame)} rows", expected=f"{total}, one per bar"
        )
    try:
        values = np.nan_to_num(frame["signal"].to_numpy(dtype=np.float64))
    except (TypeError, ValueError):
        raise StrategyFailed(
            f"the column `signal` of {name} has values that are no numbers", expected="1, -1 or 0"
        ) from None
    odd = ~np.isin(values, (-1.0, 0.0, 1.0))
    if odd.any():
        row = int(np.argmax(odd))
        raise StrategyFailed(
            f"the signal of {name} at bar {row} is {values[row]:g}", expected="1, -1 or 0"
        )
    return np.where(values == 0, float(Code.HOLD), values).astype(np.int8)


def _judge(strategy: Any, frame: pd.DataFrame, folder: Path) -> Judge:
    """Give the class's own `should_exit`, with a copy of what it remembers."""
    own = copy.deepcopy(strategy)
    rows = _Rows(frame)

    def judge(row: int, side: int, entry: float) -> str | None:
        with blamed(folder):
            answer = own.should_exit(_SIDES[side], rows[row], entry)
            if not isinstance(answer, tuple) or len(answer) != 2:  # noqa: PLR2004 - a pair
                raise StrategyFailed(
                    f"should_exit gave {answer!r:.80}", expected="a pair such as (True, 'Target')"
                )
        leave, why = answer
        return " ".join(str(why or "Exit rule").split())[:LONGEST_LABEL] if leave else None

    return judge


class _Rows:
    """Rows of a frame as pandas gives them in `iterrows`, made in blocks when asked for."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame
        self._kind = frame.iloc[0].__class__
        self._block: Any = None
        self._first = -1

    def __getitem__(self, row: int) -> pd.Series:
        first = row - row % ROWS_AT_ONCE
        if first != self._first:
            self._block = self._frame.iloc[first : first + ROWS_AT_ONCE].to_numpy()
            self._first = first
        return self._kind(
            self._block[row - first], index=self._frame.columns, name=self._frame.index[row]
        )
