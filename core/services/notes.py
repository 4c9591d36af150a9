"""What a request says that does nothing, or costs more than its author will have meant."""

from __future__ import annotations

from core.domain.costs import CostModel
from core.domain.options import EngineOptions
from core.domain.run import RunSpec

_DEFAULTS = EngineOptions()
PREMIUM_COSTS = "nse_options"  # charged on what an option costs
_NO_DAY_LIMIT = "there is neither a daily_target nor a daily_loss"
_NO_SHORTS = "nothing is sold short where allow_short is false"
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
        for name, why in _idle(spec.options, spec.costs, weighs=weighs).items()
        if getattr(spec.options, name) != getattr(_DEFAULTS, name)
    ]
    if PREMIUM_COSTS in spec.costs.name and spec.options.option is None:
        said.append(
            f"Costs {spec.costs.name} are percents of an option's premium, and here they are taken "
            "of the value of the symbol itself: of an index that is many times as much. Give "
            "option (with its delta) in place of option_delta or multiplier, or costs in money, "
            "such as fee_per_trade."
        )
    return tuple(said)


def _idle(options: EngineOptions, costs: CostModel, *, weighs: bool) -> dict[str, str]:
    """Options that do nothing beside the others, and why."""
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
    if not (options.allow_short or any(options.shortable.values())):
        idle |= dict.fromkeys(("borrow_rate", "borrow_rates"), _NO_SHORTS)
    if options.initial_margin == 0.0:
        idle["on_insufficient"] = "cash is not looked at where initial_margin is 0"
    if costs.fill_probability == 1.0:
        idle["seed"] = "fill_probability of the costs is 1, so that nothing is drawn"
    return idle


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ",".join(f"{name}:{_shown(each)}" for name, each in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)
