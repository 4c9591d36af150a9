"""What a request says that does nothing, or costs more than its author will have meant."""

from __future__ import annotations

from core.domain.costs import CostModel
from core.domain.options import EngineOptions
from core.domain.run import RunSpec

_DEFAULTS = EngineOptions()
PREMIUM_COSTS = "nse_options"  # charged on what an option costs
_NO_DAY_LIMIT = "there is neither a daily_target nor a daily_loss"
_NO_SHORTS = "none of the symbols may be sold short"
_NO_RANGE = "slippage_atr and slippage_volatility of the costs are 0"
_NO_ROUNDING = (
    "the costs charge nothing on only buying or only selling, which is all that is rounded"
)
_NO_WEIGHTS = "it is for strategies that weigh a universe, and this one says long or short"
_BY_WEIGHT = "the strategy's weights say how much of equity each symbol gets"


def notes_of(spec: RunSpec, *, weighs: bool) -> tuple[str, ...]:
    """Say in a sentence each what was asked for in vain, and why.

    Args:
        spec: The request, completed or not.
        weighs: Whether the strategy itself says how much of equity each symbol gets.

    Returns:
        Sentences; empty where everything that was said counts.
    """
    said = [
        f"{name}={_shown(getattr(spec.options, name))} does nothing: {why}."
        for name, why in _idle(spec, weighs=weighs).items()
        if getattr(spec.options, name) != getattr(_DEFAULTS, name)
    ]
    said += [
        f"{name}={getattr(spec.costs, name)} of the costs does nothing: {why}."
        for name, why in _idle_costs(spec.costs).items()
        if getattr(spec.costs, name) != CostModel.model_fields[name].default
    ]
    if PREMIUM_COSTS in spec.costs.name and spec.options.option is None:
        said.append(
            f"Costs {spec.costs.name} are percents of an option's premium, and here they are taken "
            "of the value of the symbol itself: of an index that is many times as much. Give "
            "option (with its delta) in place of option_delta or multiplier, or costs in money, "
            "such as fee_per_trade."
        )
    return tuple(said)


def _idle(spec: RunSpec, *, weighs: bool) -> dict[str, str]:
    """Options that do nothing beside the others, and why."""
    options, costs = spec.options, spec.costs
    idle: dict[str, str] = {}
    if options.daily_target is None and options.daily_loss is None:
        idle |= dict.fromkeys(("daily_unit", "daily_action"), _NO_DAY_LIMIT)
    if options.cooldown_bars == 0:
        idle["cooldown_losses"] = "cooldown_bars is 0, so that no rest follows"
    if options.sizing != "vol_target":
        idle["volatility_bars"] = f"sizing is {options.sizing}, which looks at no volatility"
    if weighs:
        idle |= dict.fromkeys(("sizing", "size", "volatility_bars", "pyramid"), _BY_WEIGHT)
    else:
        idle["rebalance_band"] = _NO_WEIGHTS
    leave = [options.shortable.get(name, options.allow_short) for name in spec.symbols]
    if not any(leave):
        idle |= dict.fromkeys(("borrow_rate", "borrow_rates"), _NO_SHORTS)
    if all(may == options.allow_short for may in leave):
        words = "true" if options.allow_short else "false"
        idle["shortable"] = f"allow_short={words} says the same of these symbols"
    if options.initial_margin == 0.0:
        idle["on_insufficient"] = "cash is not looked at where initial_margin is 0"
    if costs.fill_probability == 1.0:
        idle["seed"] = "fill_probability of the costs is 1, so that nothing is drawn"
    return idle


def _idle_costs(costs: CostModel) -> dict[str, str]:
    """Figures of the costs that do nothing beside the others, and why."""
    idle: dict[str, str] = {}
    if not costs.slips_by_range:
        idle["slippage_bars"] = _NO_RANGE
    periods = [fees for _, fees in costs.schedule()]
    if not any(
        fees.buy_charge_bps or fees.sell_charge_bps or fees.sell_charge_per_unit for fees in periods
    ):
        idle["rounding"] = _NO_ROUNDING
    return idle


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return ",".join(f"{name}:{_shown(each)}" for name, each in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)
