"""What endpoints ask for. Coroutines, because plain functions would each wait for a thread."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from api.limits import CandleLimits
from core.services import Services


async def get_services(request: Request) -> Services:
    """The services this server was started with."""
    services: Services = request.app.state.services
    return services


async def get_limits(request: Request) -> CandleLimits:
    """How many bars one answer may hold."""
    limits: CandleLimits = request.app.state.candle_limits
    return limits


ServicesDep = Annotated[Services, Depends(get_services)]
LimitsDep = Annotated[CandleLimits, Depends(get_limits)]
