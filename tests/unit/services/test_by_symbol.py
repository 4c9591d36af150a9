"""Options that are said of single symbols: by their names in the catalog, and of no others."""

from __future__ import annotations

import pytest

from core.domain.options import EngineOptions
from core.errors import InvalidInput
from core.services.narrative import policy


def options(**given: object) -> EngineOptions:
    return EngineOptions.model_validate(given)


def test_names_become_those_of_the_catalog(lab):
    said = options(borrow_rates={"aaa": 0.4}, shortable={" BBB": False})

    run = lab.submit(symbols=("AAA", "BBB"), options=said)

    assert run.spec.options.borrow_rates == {"AAA": 0.4}
    assert run.spec.options.shortable == {"BBB": False}
    assert "long and short, BBB long only" in policy(run.spec)
    assert "shorts of AAA borrow at 40% a year" in policy(run.spec)


@pytest.mark.parametrize("field", ["borrow_rates", "shortable"])
def test_a_symbol_the_run_does_not_trade_is_refused(lab, field):
    with pytest.raises(InvalidInput, match=f"{field} names 'BBB', which the run does not trade"):
        lab.submit(symbols=("AAA",), options=options(**{field: {"BBB": 0}}))


def test_a_symbol_named_twice_is_refused(lab):
    with pytest.raises(InvalidInput, match="borrow_rates names 'aaa' once more"):
        lab.submit(symbols=("AAA",), options=options(borrow_rates={"AAA": 0.1, "aaa": 0.2}))


def test_one_of_several_may_be_the_only_one_sold_short():
    alone = options(allow_short=False, shortable={"GME": True}, borrow_rates={"KO": 0.1})

    assert alone.of_symbol("GME").allow_short
    assert not alone.of_symbol("KO").allow_short
    assert (alone.of_symbol("KO").borrow_rate, alone.of_symbol("GME").borrow_rate) == (0.1, 0.0)
