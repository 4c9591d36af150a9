"""Names of columns: what sources call the time, prices, volume and actions of a bar."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from core.catalog.columns import ACTIONS
from core.errors import DataProblem, InvalidInput

PRICES: Final = ("open", "high", "low", "close")
ROLES: Final = ("timestamp", "date", "time", *PRICES, "volume", *ACTIONS)
"""What a column can be. `timestamp` alone, or `date` together with `time`."""

NUMBER: Final = re.compile(r"[+-]?[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?", re.ASCII)

ALIASES: Final[dict[str, tuple[str, ...]]] = {
    # in order of preference, should a file have several
    "timestamp": (
        *("timestamp", "datetime", "date time", "date/time", "open time", "opentime"),
        *("gmt time", "utc time", "local time", "time (utc)", "date (utc)", "date", "time"),
        *("unix time", "unix timestamp", "unix", "epoch", "ts", "t"),
    ),
    "date": ("date", "day"),
    "time": ("time",),
    "open": ("open", "o", "open price", "opening price"),
    "high": ("high", "h", "high price"),
    "low": ("low", "l", "low price"),
    "close": ("close", "c", "close price", "closing price", "close/last", "last", "price"),
    "volume": ("volume", "vol", "vol.", "v", "tickvol", "tick volume"),
    "dividend": ("dividend", "dividends", "dividend amount", "ex-dividend", "div cash", "divcash"),
    "split": (
        *("split", "splits", "split ratio", "split factor", "splitfactor", "split coefficient"),
        *("stock splits", "stock split"),
    ),
    "funding": ("funding", "funding rate", "fundingrate", "last funding rate", "lastfundingrate"),
}
ZERO_IS_NO_SPLIT: Final = ("stock splits", "stock split")
"""Columns of Yahoo Finance, which has 0 where others have 1."""
SYMBOL_NAMES: Final = ("symbol", "ticker", "instrument", "sym", "code", "pair")
TRADE_NAMES: Final = {"amount", "size", "qty", "quantity", "trade id", "side"}

_STAMP_NAMES: Final = ALIASES["timestamp"][: ALIASES["timestamp"].index("date")]


def normal_name(name: str) -> str:
    """Give the plain form in which names of columns are compared: `<OPEN>`, `1. open` are open."""
    plain = re.sub(r"[\s_]+", " ", name.strip().strip("<>").strip().lower())
    return re.sub(r"^[0-9]+\. ", "", plain)


def check_roles(columns: Mapping[str, str]) -> None:
    """Check what the caller says before any file is looked at.

    Raises:
        InvalidInput: a role is not known, or time is said twice.
    """
    for role in columns:
        if role not in ROLES:
            raise InvalidInput(
                f"columns cannot say which column is {role!r}",
                expected=f"any of {', '.join(ROLES)}",
                field="columns",
            )
    if "timestamp" in columns and {"date", "time"} & columns.keys():
        raise InvalidInput(
            "columns names a timestamp and also a date or time",
            expected="timestamp, or date and time",
            field="columns",
        )


def find_roles(
    cells: Sequence[str], given: Mapping[str, str]
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Find which cells of a line name which role, and what there is to note about the choice.

    Args:
        cells: Of a line that may be a header.
        given: Role to name as the caller says it; goes before the names known here.

    Raises:
        DataProblem: the line is a header that names a role twice.
    """
    names = [normal_name(cell) for cell in cells]
    roles: dict[str, int] = {}
    for role, name in given.items():
        if names.count(normal_name(name)) == 1:
            roles[role] = names.index(normal_name(name))
    for role in (*PRICES, *ACTIONS):
        if role not in given and (index := _find(names, ALIASES[role], role, cells)) is not None:
            roles[role] = index
    notes: list[str] = []
    if "volume" not in given and (index := _volume(names, cells, notes)) is not None:
        roles["volume"] = index
    if not {"timestamp", "date"} & given.keys():
        roles |= _time_roles(names, cells, given)
    elif "date" in roles and "time" not in roles:
        time = None if "time" in given else _find(names, ALIASES["time"], "time", cells)
        roles |= {"timestamp": roles.pop("date")} if time is None else {"time": time}
    return roles, tuple(notes)


def _time_roles(names: list[str], cells: Sequence[str], given: Mapping[str, str]) -> dict[str, int]:
    stamp = _find(names, _STAMP_NAMES, "timestamp", cells)
    if stamp is not None and "time" not in given:
        return {"timestamp": stamp}
    date = _find(names, ALIASES["date"], "date", cells)
    time = _find(names, ALIASES["time"], "time", cells)
    if date is not None and (time is not None or "time" in given):
        return {"date": date} | ({} if time is None or "time" in given else {"time": time})
    alone = _find(names, ALIASES["timestamp"], "timestamp", cells)
    return {} if alone is None else {"timestamp": alone}


def _find(names: list[str], aliases: Sequence[str], role: str, cells: Sequence[str]) -> int | None:
    for alias in aliases:
        if names.count(alias) > 1:
            if looks_like_header(cells):
                raise DataProblem(
                    f"{names.count(alias)} columns are called {alias!r}",
                    expected=f"one column for {role}",
                    hint="rename one of them in the file",
                )
            return None
        if alias in names:
            return names.index(alias)
    return None


def _volume(names: list[str], cells: Sequence[str], notes: list[str]) -> int | None:
    """Choose the leftmost volume: of `volume_btc, volume` the first is counted in the asset."""
    found = [
        index
        for index, name in enumerate(names)
        if name in ALIASES["volume"][:3] or re.match(r"volume[ (]", name)
    ]
    if not found:
        found = [index for index, name in enumerate(names) if name in ALIASES["volume"][3:]]
    if len(found) > 1:
        others = ", ".join(cells[index] for index in found[1:])
        notes.append(f"of several volume columns {cells[found[0]]} is stored, {others} is not")
    return found[0] if found else None


def is_complete(roles: Mapping[str, int]) -> bool:
    """Whether a time and the four prices have their columns."""
    timed = "timestamp" in roles or {"date", "time"} <= roles.keys()
    return timed and all(role in roles for role in PRICES)


def looks_like_header(cells: Sequence[str]) -> bool:
    """Whether a line is made of words."""
    # A line of data has numbers; a header has at most a stray one.
    return sum(bool(NUMBER.fullmatch(cell)) for cell in cells) <= 1


def refuse_unknown(cells: Sequence[str], columns: Mapping[str, str]) -> None:
    """Refuse names the caller gave that are not among the cells of the header, once each.

    Raises:
        InvalidInput: there is such a name.
    """
    names = [normal_name(cell) for cell in cells]
    for role, name in columns.items():
        if names.count(normal_name(name)) != 1:
            raise InvalidInput(
                f"columns says that {role} is {name!r}, which "
                f"{names.count(normal_name(name))} columns are called",
                expected=f"one of {', '.join(cells[:12])}",
                field="columns",
            )
