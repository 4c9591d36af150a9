"""Times as they are written: each notation, its edges, and what must be asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from core.catalog.timestamps import Times, read_times
from core.catalog.zones import check_zone, to_utc
from core.errors import DataProblem, InvalidInput


def moments(times: Times) -> list[str]:
    start = datetime(1970, 1, 1, tzinfo=UTC)
    found = zip(times.written.tolist(), times.offset.tolist(), strict=True)
    return [
        (start + timedelta(microseconds=written - offset)).isoformat().removesuffix("+00:00")
        for written, offset in found
    ]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2020-02-29", "2020-02-29T00:00:00"),
        ("2020/2/9", "2020-02-09T00:00:00"),
        ("2020.02.09 23:59", "2020-02-09T23:59:00"),
        ("2020-02-09T23:59:58", "2020-02-09T23:59:58"),
        ("2020-02-09 23:59:58.5", "2020-02-09T23:59:58.500000"),
        ("2020-02-09 23:59:58,123456", "2020-02-09T23:59:58.123456"),
        ("2020-02-09T23:59:58.1234560Z", "2020-02-09T23:59:58.123456"),
        ("2024-12-23T09:15:00+05:30", "2024-12-23T03:45:00"),
        ("2024-12-23T09:15:00-0500", "2024-12-23T14:15:00"),
        ("2024-12-23 09:15 +05", "2024-12-23T04:15:00"),
        ("2024-12-23 09:15 UTC", "2024-12-23T09:15:00"),
        ("23.12.2024 09:15:00.000 GMT+0100", "2024-12-23T08:15:00"),
        ("20200209", "2020-02-09T00:00:00"),
        ("20200209 235958", "2020-02-09T23:59:58"),
        ("20200209 2359", "2020-02-09T23:59:00"),
        ("20200209235958", "2020-02-09T23:59:58"),
        ("202002092359", "2020-02-09T23:59:00"),
        ("23.02.2020 1:05", "2020-02-23T01:05:00"),
        ("02/23/2020 13:05", "2020-02-23T13:05:00"),
        ("31-Dec-10", "2010-12-31T00:00:00"),
        ("1-jan-69", "1969-01-01T00:00:00"),
        ("1-JAN-68", "2068-01-01T00:00:00"),
        ("31 December 2010", "2010-12-31T00:00:00"),
        ("Aug 17, 2023", "2023-08-17T00:00:00"),
        ("September 7 2023", "2023-09-07T00:00:00"),
        ("Sept 7, 2023", "2023-09-07T00:00:00"),
        ("2019-10-17 12-AM", "2019-10-17T00:00:00"),
        ("2019-10-17 12-PM", "2019-10-17T12:00:00"),
        ("2019-10-17 09-AM", "2019-10-17T09:00:00"),
        ("2019-10-17 12:30 am", "2019-10-17T00:30:00"),
        ("2019-10-17 12:30:15 p.m.", "2019-10-17T12:30:15"),
        ("1315922016", "2011-09-13T13:53:36"),
        ("999999999", "2001-09-09T01:46:39"),
        ("1637971200000", "2021-11-27T00:00:00"),
        ("1637971200000.0", "2021-11-27T00:00:00"),
        ("1637971200000001", "2021-11-27T00:00:00.000001"),
        ("1637971200000001000", "2021-11-27T00:00:00.000001"),
    ],
)
def test_a_notation_is_read_to_the_microsecond(text: str, moment: str) -> None:
    times = read_times(pl.Series([text]))

    assert times.problems == {}
    assert moments(times) == [moment]


@pytest.mark.parametrize(
    "text",
    [
        *("2020-02-30", "2021-02-29", "2020-00-10", "2020-13-10", "2020-01-00", "1899-12-31"),
        *("2101-01-01", "2020-1/2", "2020-01-02 24:00", "2020-01-02 23:60", "2020-01-02 23:59:60"),
        *("31-Foo-10", "Feb 29, 2023", "2020-01-02 13 PM", "2020-01-02 0 AM", "2020-01-02 09"),
        *("2020-01-02 09:15:00+15:00", "2020-01-02 09:15:00.1234567", "x", "2020", "01-02"),
        *("\uff12020-01-02", "2020-01-02 9:5", "12345678901", "-1637971200000", "1.6e12", "44197"),
        *("2020-01-02 0915 AM", "2020-01-02T", "tomorrow", "1637971200000000001"),
    ],
)
def test_what_is_no_time_is_none(text: str) -> None:
    good = ["2020-01-02", "2020-01-03", "2020-01-04"]
    try:
        alone = read_times(pl.Series([text])).problems
    except DataProblem:
        alone = {0: ""}

    among = read_times(pl.Series([*good, text])).problems

    assert set(alone) == {0}
    assert set(among) == {3}


def test_days_and_months_are_told_apart_by_a_row_that_can_only_be_one() -> None:
    day_first = read_times(pl.Series(["03/04/2020", "13/04/2020"]))
    month_first = read_times(pl.Series(["03/04/2020", "04/13/2020"]))

    assert moments(day_first)[0] == "2020-04-03T00:00:00"
    assert moments(month_first)[0] == "2020-03-04T00:00:00"
    assert (day_first.notation, month_first.notation) == ("DD/MM/YYYY", "MM/DD/YYYY")


def test_without_such_a_row_the_caller_is_asked_and_believed() -> None:
    dates = pl.Series(["03/04/2020", "05/06/2020"])

    with pytest.raises(DataProblem, match="no row decides it") as asked:
        read_times(dates)

    assert asked.value.field == "date_order"
    assert "dmy or mdy" in (asked.value.hint or "")
    assert moments(read_times(dates, "dmy"))[0] == "2020-04-03T00:00:00"
    assert moments(read_times(dates, "mdy"))[0] == "2020-03-04T00:00:00"


def test_rows_of_both_orders_are_refused_and_one_slip_is_a_problem_once_the_order_is_said() -> None:
    dates = pl.Series(["03/14/2020", "05/16/2020", "17/01/2020"])

    with pytest.raises(DataProblem, match="its month first"):
        read_times(dates)

    assert set(read_times(dates, "mdy").problems) == {2}


@pytest.mark.parametrize("order", ["dmy", "ymd"])
def test_an_order_the_file_contradicts_is_refused(order: str) -> None:
    with pytest.raises(InvalidInput, match="date_order"):
        read_times(pl.Series(["03/14/2020", "05/16/2020", "05/17/2020"]), order)  # type: ignore[arg-type]


def test_years_of_two_digits_need_to_be_told_their_order() -> None:
    dates = pl.Series(["03/04/05", "04/05/06"])

    with pytest.raises(DataProblem, match="several ways"):
        read_times(dates)

    assert moments(read_times(dates, "dmy"))[0] == "2005-04-03T00:00:00"
    assert moments(read_times(dates, "mdy"))[0] == "2005-03-04T00:00:00"
    assert moments(read_times(dates, "ymd"))[0] == "2003-04-05T00:00:00"


def test_year_day_month_is_not_taken_for_year_month_day() -> None:
    with pytest.raises(DataProblem, match="year, day, month"):
        read_times(pl.Series([f"2020-{day}-03" for day in range(10, 20)]))


def test_the_notation_of_most_rows_holds_for_all() -> None:
    times = read_times(
        pl.Series(
            [
                "2020-01-02",
                "2020-01-03",
                "2020/01/04",
                "2020-01-05 10:00",
                "5 Jan 2020",
                "2020-01-06",
            ]
        )
    )

    assert set(times.problems) == {2, 3, 4}


def test_two_notations_of_equal_weight_are_refused() -> None:
    with pytest.raises(DataProblem, match="several ways"):
        read_times(pl.Series(["2020-01-02", "2020/01/03"]))


def test_an_epoch_that_lost_a_digit_is_not_taken_for_the_seventies() -> None:
    times = read_times(pl.Series(["1315922016", "131592202", "1315922136"]))

    assert set(times.problems) == {1}


def test_epochs_may_run_across_the_day_they_grew_a_digit() -> None:
    times = read_times(pl.Series(["999999000", "999999600", "1000000200", "1000000800"]))

    assert times.problems == {}


def test_local_times_that_are_skipped_or_repeated_are_no_moments() -> None:
    wall = [
        datetime(2015, 3, 8, 1, 59),  # noqa: DTZ001 - the zone is what is tested
        datetime(2015, 3, 8, 2, 0),  # noqa: DTZ001
        datetime(2015, 3, 8, 2, 59),  # noqa: DTZ001
        datetime(2015, 3, 8, 3, 0),  # noqa: DTZ001
        datetime(2015, 11, 1, 0, 59),  # noqa: DTZ001
        datetime(2015, 11, 1, 1, 0),  # noqa: DTZ001
        datetime(2015, 11, 1, 1, 59),  # noqa: DTZ001
        datetime(2015, 11, 1, 2, 0),  # noqa: DTZ001
    ]
    written = pl.Series(wall).cast(pl.Datetime("us")).to_physical().to_numpy()

    _, ambiguous, nonexistent = to_utc(written, "America/New_York")

    assert nonexistent.tolist() == [False, True, True, False, False, False, False, False]
    assert ambiguous.tolist() == [False, False, False, False, False, True, True, False]


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/London", "Asia/Kolkata", "Etc/GMT+5"])
@pytest.mark.parametrize("month", [1, 3, 6, 10, 11])
def test_every_other_local_time_is_the_moment_zoneinfo_says(zone: str, month: int) -> None:
    from tests.reference.csv_reader import local_problem, micros

    start = datetime(2015, month, 1, 0, 17)  # noqa: DTZ001
    wall = [start + timedelta(minutes=37 * at) for at in range(1_200)]
    written = pl.Series(wall).cast(pl.Datetime("us")).to_physical().to_numpy()

    ts, ambiguous, nonexistent = to_utc(written, zone)

    from zoneinfo import ZoneInfo

    for at, local in enumerate(wall):
        problem = local_problem(local, zone)
        assert ambiguous[at] == (problem == "ambiguous_time")
        assert nonexistent[at] == (problem == "nonexistent_time")
        if problem is None:
            assert ts[at] == micros(local.replace(tzinfo=ZoneInfo(zone)))


@pytest.mark.parametrize("zone", ["", "Mars/Base", "../../etc/passwd", "/etc/localtime", "EST+5\n"])
def test_a_zone_that_is_none_is_refused(zone: str) -> None:
    with pytest.raises(InvalidInput, match="zone"):
        check_zone(zone)
