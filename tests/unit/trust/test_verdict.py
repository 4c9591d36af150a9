from dataclasses import replace

import pytest

from core.trust.verdict import Evidence, verdict

GOOD = Evidence(
    trials=2500,
    deflated=0.97,
    deflated_upper=0.99,
    pbo=0.08,
    pbo_error=0.11,
    snooping=0.03,
    efficiency=0.62,
    plateau=0.86,
    breakeven=2.3,
)


def lights(evidence):
    return {gate.name: gate.light for gate in verdict(evidence).gates}


def test_what_passes_every_gate_is_green():
    found = verdict(GOOD)

    assert found.light == "green"
    assert found.sentence == (
        "The best of 2,500 trials is probably more than luck: Deflated Sharpe 0.97 to 0.99, "
        "PBO 8% ± 11%, plateau 0.86."
    )


# (gate, the last green value, the first amber one, the last amber one, the first red one)
EDGES = [
    ("deflated", 0.95, 0.9499, 0.5, 0.4999),
    ("pbo", 0.2, 0.2001, 0.5, 0.5001),
    ("snooping", 0.05, 0.0501, 1.0, None),
    ("efficiency", 0.5, 0.4999, 0.0, -0.0001),
    ("plateau", 0.8, 0.7999, -5.0, None),
    ("breakeven", 1.5, 1.4999, 1.0, 0.9999),
]


@pytest.mark.parametrize(("name", "green", "below", "amber", "red"), EDGES)
def test_a_gate_changes_colour_where_the_page_says(name, green, below, amber, red):
    assert lights(replace(GOOD, **{name: green}))[name] == "green"
    for value in (below, amber):
        found = verdict(replace(GOOD, **{name: value}))
        assert (found.light, lights(replace(GOOD, **{name: value}))[name]) == ("amber", "amber")
    if red is not None:
        assert verdict(replace(GOOD, **{name: red})).light == "red"


@pytest.mark.parametrize("name", [edge[0] for edge in EDGES])
def test_what_is_not_known_is_never_green(name):
    found = verdict(replace(GOOD, **{name: None}, reasons={name: "nobody looked"}))

    (gate,) = [gate for gate in found.gates if gate.name == name]
    assert (found.light, gate.light, gate.value, gate.reason) == (
        "amber",
        "amber",
        None,
        "nobody looked",
    )


def test_one_red_gate_is_enough_and_says_why():
    found = verdict(replace(GOOD, deflated=0.31, deflated_upper=0.31, pbo=0.64, plateau=None))

    assert found.light == "red"
    assert found.sentence == (
        "Do not believe the best of 2,500 trials, because luck explains its Sharpe ratio and the "
        "best of one half of history is not better than others in the other half: Deflated Sharpe "
        "0.31, PBO 64% ± 11%, no plateau (it was not measured)."
    )


def test_amber_says_what_is_missing():
    found = verdict(replace(GOOD, plateau=0.5, snooping=0.2, efficiency=None))

    assert found.sentence.startswith(
        "Not proved that the best of 2,500 trials is more than luck, not convincing by Chance "
        "result p and Plateau, not known by Kept out of sample: Deflated Sharpe"
    )


def test_where_nothing_is_known_every_figure_says_why():
    found = verdict(Evidence(trials=1, reasons={"deflated": "the history is too short"}))

    assert found.light == "amber"
    assert found.sentence.endswith(
        ": no Deflated Sharpe (the history is too short), no PBO (it was not measured), "
        "no plateau (it was not measured)."
    )
    assert "the only trial" in found.sentence


def test_gates_say_their_rule_and_are_in_the_order_of_reading():
    gates = verdict(GOOD).gates

    assert [gate.name for gate in gates] == [edge[0] for edge in EDGES]
    assert all("green" in gate.rule for gate in gates)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"deflated": 0.9961, "deflated_upper": 0.9999}, "Deflated Sharpe > 0.99, "),
        ({"deflated": 0.97, "deflated_upper": 0.9951}, "Deflated Sharpe 0.97 to > 0.99, "),
        ({"deflated": 1.0, "deflated_upper": 1.0}, "Deflated Sharpe 1.00, "),
        ({"deflated": 0.004, "deflated_upper": 0.21}, "Deflated Sharpe < 0.01 to 0.21, "),
        ({"deflated": 0.0, "deflated_upper": 0.0}, "Deflated Sharpe 0.00, "),
        ({"deflated": 0.994, "deflated_upper": 0.9949}, "Deflated Sharpe 0.99, "),
        ({"pbo": 0.996}, "PBO > 99% ± 11%, "),
        ({"pbo": 0.004}, "PBO < 1% ± 11%, "),
        ({"pbo": 0.0}, "PBO 0% ± 11%, "),
        ({"pbo": 1.0, "pbo_error": None}, "PBO 100%, "),
        ({"plateau": -1.79}, "plateau below 0 (the objective of trials around it is below 0)."),
        ({"plateau": 0.0}, "plateau 0.00."),
    ],
)
def test_a_probability_that_is_not_certain_does_not_look_certain(given, said):
    assert said in verdict(replace(GOOD, **given)).sentence


def test_what_never_was_above_0_is_not_said_to_be_taken_by_luck_or_costs():
    losing = replace(GOOD, ratio=-0.02, deflated=0.1, deflated_upper=0.2, breakeven=0.0)

    assert verdict(losing).sentence.startswith(
        "Do not believe the best of 2,500 trials, because its Sharpe ratio is not above 0 even "
        "where it was searched and it loses before costs: Deflated Sharpe 0.10 to 0.20"
    )
    assert "luck explains" in verdict(replace(losing, ratio=0.02)).sentence
    assert "costs take its profit" in verdict(replace(losing, breakeven=0.1)).sentence
    three = verdict(replace(losing, pbo=0.9)).sentence
    assert "searched, the best of one half of history is not better than others in" in three


@pytest.mark.parametrize(
    ("trials", "said"), [(7, "None of 7 trials may be chosen: "), (1, "The only trial may not be ")]
)
def test_where_nothing_may_be_chosen_nothing_is_called_the_best(trials, said):
    found = verdict(Evidence(trials=trials, eligible=0, pbo=0.1, snooping=0.01))

    assert found.light == "amber"
    assert found.sentence.startswith(said)
    assert "best" not in found.sentence
