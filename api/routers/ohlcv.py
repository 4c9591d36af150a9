"""Prices of the lake."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.bodies import CandlesBody
from api.deps import LimitsDep, ServicesDep
from api.errors import problems
from api.limits import CandleLimits
from api.schemas.candles import Candles
from api.strict import StrictRoute
from api.words import SourceResolution, Symbol, SymbolExact, TimeframeIn, read_day
from core.domain.timeframe import Timeframe
from core.services import Services

router = APIRouter(prefix="/api/v1/ohlcv", tags=["market data"], route_class=StrictRoute)

DateText = Annotated[
    str,
    Query(
        max_length=40, description="Session date, inclusive.", json_schema_extra={"format": "date"}
    ),
]


@router.get("/data", operation_id="get_candles", responses=problems(404, 409))
def get_data(
    *,
    services: ServicesDep,
    limits: LimitsDep,
    symbol: Annotated[Symbol, Query(examples=["AAPL"])],
    start_date: DateText,
    end_date: DateText,
    timeframe: TimeframeIn = Timeframe.D1,
    source_resolution: SourceResolution = "1Y",
) -> Candles:
    """Give bars of a symbol at any timeframe that can be made from what is stored."""
    asked = CandlesBody(
        symbol=symbol,
        start_date=start_date,
        end_date=end_date,
        timeframe=timeframe,
        source_resolution=source_resolution,
    )
    return candles(services, limits, asked)


@router.post("/data", operation_id="post_candles", responses=problems(404, 409))
def post_data(body: CandlesBody, services: ServicesDep, limits: LimitsDep) -> Candles:
    """Give bars of a symbol, asked for in a body."""
    return candles(services, limits, body)


@router.get("/symbols", operation_id="list_symbols")
def symbols(services: ServicesDep) -> list[str]:
    """List the symbols there are prices of."""
    return services.market.symbols()


@router.get("/timeframes", operation_id="list_timeframes", responses=problems(404))
def timeframes(
    services: ServicesDep,
    symbol: Annotated[SymbolExact | None, Query(description="Only those it can give.")] = None,
) -> list[Timeframe]:
    """List timeframes: all that can be asked for, or those of one symbol."""
    return services.market.timeframes(symbol)


def candles(services: Services, limits: CandleLimits, asked: CandlesBody) -> Candles:
    """Read bars within the limits of one answer."""
    start = read_day(asked.start_date, "start_date")
    end = read_day(asked.end_date, "end_date")
    limits.check_days(asked.timeframe, start, end)
    frame = services.market.bars_frame(asked.symbol, asked.timeframe, start, end)
    limits.check_rows(frame.height)
    return Candles.of(
        frame,
        symbol=asked.symbol.upper(),
        timeframe=asked.timeframe,
        source_resolution=asked.source_resolution,
        start=start,
        end=end,
    )
