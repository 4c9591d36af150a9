"""Optimizations: the list, the form of a study, and the page of one."""

from __future__ import annotations

import ast
import json
import re
import time
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import polars as pl
import pytest
from pydantic import ValidationError

from core.domain.dimension import Dimension
from core.domain.findings import STUDY_SORTS, StudyQuery
from core.domain.job import JobState, Progress
from core.domain.parameters import ParamSpec
from core.domain.ranking import Ranked, Ranking
from core.domain.run import RunQuery
from core.domain.study import StudySpec
from core.domain.tracking import Mirror
from core.errors import InvalidInput, Unavailable
from core.services import Experiments
from core.store import open_store
from tests.laboratory import a_worker, searching_by
from tests.ui.conftest import words
from ui import formats, state, wiring
from ui.components import (
    filters,
    request,
    rules_form,
    space_form,
    study_form,
    trials_table,
    verdict,
)

PATIENCE = 300.0
SPACE = {"fast": {"min": 2, "max": 11, "step": 1}, "slow": {"min": 10, "max": 60, "step": 5}}
WALK = {"train": 9, "test": 3, "step": 3}
RANKING = Ranking(
    30,
    is_whole=False,
    rows=(
        Ranked(17, {"fast": 5, "slow": 40}, (1.2346,)),
        Ranked(3, {"fast": 8, "slow": 50}, (-0.5,)),
    ),
)


def spec_of(**given):
    return StudySpec.model_validate(
        {
            "run": {"strategy": "crossing", "symbols": ["AAPL"]},
            "space": SPACE,
            "requirements": ["trades >= 2"],
            **given,
        }
    )


@pytest.fixture(scope="module")
def studies(services):
    """Studies of every kind and state, made by a real worker."""
    submit = services.studies.submit
    done = submit(spec_of(walk_forward=WALK, null_worlds=2, seed=3), source="ui")
    plain = submit(
        spec_of(
            run={"strategy": "crossing", "symbols": ["MSFT"], "params": {"slow": 30}},
            space={"fast": [4, 8, 12]},
            validation={"share": 0},
        )
    )
    nobody = submit(spec_of(requirements=["trades >= 5000"], space={"fast": [4, 8], "slow": [20]}))
    failed = submit(
        spec_of(run={"strategy": "hopeless", "symbols": ["AAPL"]}, space={"depth": [1, 2]})
    )
    cancelled = submit(spec_of(seed=4))
    services.jobs.cancel(cancelled.job.id)
    with a_worker(services.settings):
        deadline = time.monotonic() + PATIENCE
        for each in (done, plain, nobody, failed):
            while not services.studies.get(each.id).job.state.is_final:
                assert time.monotonic() < deadline, "the worker did not finish"
                time.sleep(0.05)
    waiting = submit(spec_of(seed=5))
    made = {
        "done": done,
        "plain": plain,
        "nobody": nobody,
        "failed": failed,
        "cancelled": cancelled,
        "waiting": waiting,
    }
    return SimpleNamespace(**{name: services.studies.get(study.id) for name, study in made.items()})


@pytest.fixture
def running(services, studies):
    """A study a worker has taken and brought a quarter of the way."""
    with taken(services, spec_of(seed=6)) as study:
        yield study


@contextmanager
def taken(services, spec):
    """A study in the hands of a worker, who ends it afterwards because it was cancelled."""
    study = services.studies.submit(spec)
    with open_store(services.settings.database_url, services.settings.artifacts_dir) as store:
        claim = store.jobs.claim("by hand", lease=600, now=study.created_at, only=study.job.id)
        assert claim is not None
        so_far = Progress(30, 120, "search: trial 30", json.dumps(RANKING.to_data()))
        store.jobs.beat({claim: so_far}, lease=600)
        yield services.studies.get(study.id)
        store.jobs.cancel(study.job.id, now=study.created_at)
        store.jobs.cancelled(claim, now=study.created_at)


def text_of(html):
    return re.sub(r"<[^>]+>", "", html)


def table(page):
    sent = [json.loads(one.proto.json) for one in page.get("bidi_component") if one.proto.json]
    return next(data for data in sent if "rows" in data)


def row(page, study):
    return next(each for each in table(page)["rows"] if each["id"] == study.id)


def figures(page):
    """Titles of axes and names of traces of every chart on the page."""
    charts = [json.loads(one.proto.spec) for one in page.get("plotly_chart")]
    return [[trace.get("name", "") for trace in chart["data"]] for chart in charts]


@pytest.mark.usefixtures("studies")
class TestList:
    def test_every_study_is_listed_the_newest_first(self, open_page, studies):
        numbers = [each["id"] for each in table(open_page("optimizations"))["rows"]]

        assert numbers == sorted(numbers, reverse=True)
        assert {each.id for each in vars(studies).values()} <= set(numbers)

    def test_a_row_says_what_was_found(self, open_page, studies):
        found = studies.done.findings

        cells = row(open_page("optimizations"), studies.done)["cells"]

        assert cells["light"]["kind"] == found.light
        assert cells["light"]["text"].lower() == found.light  # a word and not a colour alone
        assert cells["trials"]["text"] == f"{found.trials:,}"
        assert cells["pbo"]["text"].startswith(f"{found.judged['overfitting']['pbo']:.0%}")
        assert cells["best"]["text"] == f"{found.chosen.value:.3f}".replace("-", "\N{MINUS SIGN}")

    def test_what_is_not_over_has_a_bar_and_can_be_cancelled(self, open_page, studies, running):
        page = open_page("optimizations")

        waiting, moving = row(page, studies.waiting), row(page, running)
        assert waiting["progress"]["text"] == "waiting for a worker"
        assert moving["progress"]["share"] == pytest.approx(0.25)
        assert "search: trial 30" in moving["progress"]["text"]
        assert moving["progress"]["left"].endswith(" left")
        assert "left" not in waiting["progress"]
        assert "cancel" in waiting["cells"]
        assert "cancel" in moving["cells"]
        assert "cancel" not in row(page, studies.done)["cells"]

    def test_what_is_being_ended_has_no_time_left_and_no_button(self, open_page, services, running):
        services.jobs.cancel(running.job.id)

        line = row(open_page("optimizations"), running)

        assert line["progress"]["text"] == "being cancelled"
        assert "left" not in line["progress"]
        assert line["cells"]["status"][0]["text"] == "Cancelling"
        assert "cancel" not in line["cells"]

    def test_a_failed_study_says_why(self, open_page, studies):
        chip = row(open_page("optimizations"), studies.failed)["cells"]["status"][0]

        assert chip["kind"] == "failed"
        assert studies.failed.job.error.message in chip["title"]

    @pytest.mark.parametrize(
        ("query", "kept"),
        [
            ({"status": "Failed"}, ["failed"]),
            ({"status": "Cancelled"}, ["cancelled"]),
            ({"symbol": "MSFT"}, ["plain"]),
            ({"strategy": "every_kind"}, []),
        ],
    )
    def test_filters_come_from_the_url(self, open_page, studies, query, kept):
        page = open_page("optimizations", **query)

        known = {each.id: name for name, each in vars(studies).items()}
        if not kept:
            assert "No study matches these filters" in words(page)
            page.button("filters_clear").click().run()
            assert table(page)["rows"]
            return
        found = [known[each["id"]] for each in table(page)["rows"] if each["id"] in known]
        assert found == kept

    @pytest.mark.parametrize(
        "nonsense",
        [
            {"page": "-3"},
            {"page": "9" * 30},
            {"status": "<b>"},
            {"page": "999"},
            {"study_sort": "'; DROP TABLE studies; --"},
            {"study_sort": "pbo", "study_order": "sideways"},
        ],
    )
    def test_nonsense_in_the_url_is_ignored(self, open_page, nonsense):
        page = open_page("optimizations", **nonsense)

        assert not page.exception
        assert table(page)["rows"]

    @pytest.mark.parametrize(
        "given", [{"study_sort": "pbo", "study_order": "asc"}, {"study_sort": "trials"}]
    )
    def test_order_comes_from_the_url(self, open_page, services, given):
        sent = table(open_page("optimizations", **given))

        sort, order = given["study_sort"], given.get("study_order", "desc")
        expected = services.studies.list(StudyQuery(limit=25, sort=sort, order=order))
        assert [each["id"] for each in sent["rows"]] == [each.id for each in expected.studies]
        assert sent["sort"] == {"by": sort, "order": order}

    def test_every_column_with_figures_or_words_is_sorted_by(self, open_page):
        columns = table(open_page("optimizations"))["columns"]

        assert {each["sort"] for each in columns if "sort" in each} == set(STUDY_SORTS)
        assert [each["key"] for each in columns if "sort" not in each] == ["when", "cancel"]

    def test_a_field_is_sorted_best_first_and_then_the_other_way_round(self, monkeypatch):
        kept = {}
        monkeypatch.setattr(state, "remember", kept.__setitem__)
        keys = (state.STUDY_SORT, state.STUDY_ORDER)

        filters.sort("pbo", best="asc", now=("id", "desc"), keys=keys)
        assert kept == {"study_sort": "pbo", "study_order": "asc"}
        filters.sort("pbo", best="asc", now=("pbo", "asc"), keys=keys)
        assert kept == {"study_sort": "pbo", "study_order": "desc"}

    def test_a_list_that_did_not_change_is_not_asked_for_again(
        self, open_page, services, monkeypatch
    ):
        page = open_page("optimizations")
        shown = table(page)["rows"]
        monkeypatch.setattr(type(services.studies), "list", None)
        monkeypatch.setattr(type(services.studies), "count", lambda *_: None)

        page.run()

        assert not page.exception
        assert [each["id"] for each in table(page)["rows"]] == [each["id"] for each in shown]

    def test_the_list_looks_for_news_as_often_as_the_settings_say(self, open_page):
        page = open_page("optimizations")
        sent = [json.loads(one.proto.json) for one in page.get("bidi_component") if one.proto.json]

        (pulse,) = (data for data in sent if "rows" not in data)
        assert pulse == {"seconds": 10.0}

    def test_a_new_study_changes_the_list(self, services):
        before = wiring.study_page(services, StudyQuery())

        newest = services.studies.submit(spec_of(seed=7))

        after = wiring.study_page(services, StudyQuery())
        assert after.studies[0].id == newest.id
        assert after.total == before.total + 1
        services.jobs.cancel(newest.job.id)
        ended = wiring.study_page(services, StudyQuery()).studies[0]
        assert ended.job.state is JobState.CANCELLED


@pytest.mark.usefixtures("studies")
class TestForm:
    @pytest.fixture
    def form(self, open_page):
        page = open_page("optimizations")
        return page.selectbox(state.FORM_STRATEGY).select("crossing").run()

    def widget(self, page, name, part, strategy="crossing"):
        return page.number_input(state.varied(strategy, name, part))

    def vary(self, page, name, low, high, step):
        for part, value in (("low", low), ("high", high), ("step", step)):
            self.widget(page, name, part).set_value(value)
        return page.run()

    def count(self, form):
        return text_of(
            next(block for block in re.findall(r"<p .*?</p>", words(form)) if "count-line" in block)
        )

    def test_ranges_begin_with_what_the_strategy_declares(self, form):
        fast, slow = (
            [self.widget(form, name, part).value for part in ("low", "high", "step")]
            for name in ("fast", "slow")
        )

        assert fast == [2, 60, 5]
        assert slow == [3, 240, 20]

    def test_what_is_held_back_is_said_by_one_file(self, form, open_page, tmp_path):
        key = state.search("validation")
        with searching_by(tmp_path, 0.85):
            other = open_page("optimizations")
            other.selectbox(state.FORM_STRATEGY).select("crossing").run()

        assert (form.number_input(key).value, other.number_input(key).value) == (30, 15)

    def test_sets_are_counted_with_the_constraints_applied(self, form):
        form = self.vary(form, "fast", 2, 11, 1)
        form = self.vary(form, "slow", 10, 60, 5)

        expected = sum(f < s for f in range(2, 12) for s in range(10, 61, 5))
        assert expected == 108
        assert self.count(form).startswith("108 sets · 98% meet the constraints")

    def test_the_time_comes_from_studies_of_the_strategy(self, form):
        form = self.vary(form, "fast", 2, 11, 1)
        form = self.vary(form, "slow", 10, 60, 5)
        assert "about" in self.count(form)

        form = form.selectbox(state.FORM_STRATEGY).select("every_kind").run()

        assert "no study to tell the time from yet" in self.count(form)

    def test_everything_that_is_wrong_is_said_at_once(self, form):
        self.widget(form, "fast", "low").set_value(50)
        self.widget(form, "fast", "high").set_value(5)
        form.text_area(state.search("requirements")).set_value("trades\nnonsense >= 1")
        form = form.run()

        said = words(form)
        assert "Fast: it goes from 50 to 5" in said
        assert "&#x27;trades&#x27; is a number" in said
        assert "metric &#x27;nonsense&#x27; is not known" in said
        assert form.button("form_run").disabled
        assert "study-count" not in said

    def test_a_grid_that_is_too_large_is_refused_with_its_size(self, form):
        form = self.vary(form, "fast", 2, 60, 1)
        form = self.vary(form, "slow", 3, 240, 1)

        expected = sum(f < s for f in range(2, 61) for s in range(3, 241))
        assert f"The grid has {expected:,} sets" in words(form)
        assert form.button("form_run").disabled

        form = form.selectbox(state.search("method")).select("sobol").run()

        assert f"{expected:,} sets" in self.count(form)
        assert "500 of them tried" in self.count(form)
        assert not form.button("form_run").disabled

    def test_nothing_varied_cannot_be_searched(self, form):
        for name in ("fast", "slow"):
            form.segmented_control(state.varied("crossing", name, "how")).set_value("Fixed")
        form = form.run()

        assert "No parameter is varied" in words(form)
        assert form.button("form_run").disabled

    def test_every_kind_of_parameter_can_be_varied(self, form):
        form = form.selectbox(state.FORM_STRATEGY).select("every_kind").run()
        for name, how in (("patient", "Both"), ("mode", "List"), ("band", "List")):
            form.segmented_control(state.varied("every_kind", name, "how")).set_value(how)
        form = form.run()
        form.text_input(state.varied("every_kind", "band", "list")).set_value("1, 1.5, 2")
        form.number_input(state.varied("every_kind", "length", "low")).set_value(10)
        form.number_input(state.varied("every_kind", "length", "high")).set_value(14)
        form.number_input(state.varied("every_kind", "length", "step")).set_value(2)
        form = form.run()

        assert self.count(form).startswith("36 sets")  # 3 lengths, 3 bands, 2, 2

    def test_a_word_among_numbers_is_named(self, form):
        form.segmented_control(state.varied("crossing", "fast", "how")).set_value("List")
        form = form.run()
        form = form.text_input(state.varied("crossing", "fast", "list")).set_value("5, ten").run()

        assert "Fast has &#x27;ten&#x27;" in words(form)

    def test_starting_records_the_study_and_opens_its_page(self, form, services):
        form = self.vary(form, "fast", 2, 4, 1)
        form = self.vary(form, "slow", 10, 20, 5)
        form.number_input(state.search("seed")).set_value(11)
        form.number_input(state.search("worlds")).set_value(3)
        form.segmented_control(state.search("walk")).set_value("anchored")
        form = form.run()
        # 600 weekdays have no room for the usual 24 months and 6.
        assert "hold no window of 24 + 6 months" in words(form)
        assert form.button("form_run").disabled
        form.number_input(state.search("train")).set_value(12).run()

        form.button("form_run").click().run()

        study = services.studies.list(StudyQuery(limit=1)).studies[0]
        services.jobs.cancel(study.job.id)
        assert study.source == "ui"
        assert study.spec.space == {
            "fast": Dimension.model_validate({"low": 2, "high": 4, "step": 1}),
            "slow": Dimension.model_validate({"low": 10, "high": 20, "step": 5}),
        }
        assert (study.spec.seed, study.spec.null_worlds) == (11, 3)
        assert study.spec.walk_forward.mode == "anchored"
        assert (study.spec.walk_forward.train, study.spec.walk_forward.test) == (12, 6)
        assert study.spec.validation.share == 0.3

    def test_a_period_without_room_is_refused_before_it_is_sent(self, form):
        form = form.multiselect(state.STUDY_DATA.symbols).set_value(["YOUNG"]).run()

        # 100 weekdays: 70 to search in.
        assert "The part to search in has 70 sessions" in words(form)
        assert "study-count" not in words(form)
        assert form.button("form_run").disabled

    def test_a_refusal_at_the_last_moment_stands_above_the_button(
        self, form, services, monkeypatch
    ):
        form = self.vary(form, "fast", 2, 4, 1)

        def refuse(*_, **__):
            raise Unavailable("the queue is full", hint="Wait for others to end")

        monkeypatch.setattr(type(services.studies), "submit", refuse)
        form = form.button("form_run").click().run()

        said = words(form)
        assert said.index("The queue is full") < said.index("study-count")
        assert not form.button("form_run").disabled

    def test_several_symbols_are_searched_on_one_account(self, form, services):
        form = form.multiselect(state.STUDY_DATA.symbols).set_value(["AAPL", "MSFT"]).run()
        form = form.segmented_control(state.option("account")).set_value("shared").run()
        form.button("form_run").click().run()

        study = services.studies.list(StudyQuery(limit=1)).studies[0]
        services.jobs.cancel(study.job.id)
        assert study.spec.run.symbols == ("AAPL", "MSFT")
        assert study.spec.run.options.account == "shared"

    def test_without_a_symbol_there_is_nothing_to_search(self, form):
        form = form.multiselect(state.STUDY_DATA.symbols).set_value([]).run()

        assert "No symbol is chosen" in words(form)
        assert form.button("form_run").disabled

    def test_the_form_names_its_wish_until_it_is_granted_or_changes(self, monkeypatch):
        kept = {}
        monkeypatch.setattr(study_form.st, "session_state", kept)
        one, other = spec_of(), spec_of(seed=9)

        first = study_form.key_of(one)

        assert study_form.key_of(one) == first
        assert study_form.key_of(other) != first
        again = study_form.key_of(one)
        assert again != first
        study_form.granted()
        assert study_form.key_of(one) != again

    def test_searching_again_fills_the_form(self, open_page, studies):
        page = open_page("study", id=str(studies.plain.id))

        page.button("study_again").click().run()

        kept = page.session_state
        assert kept[state.FORM_STRATEGY] == "crossing"
        assert kept[state.STUDY_DATA.symbols] == ["MSFT"]
        assert kept[state.varied("crossing", "slow", "how")] == "Fixed"
        assert kept[state.param("crossing", "slow")] == 30
        assert kept[state.search("validation")] == 0
        fast = studies.plain.spec.space["fast"]
        assert [
            kept[state.varied("crossing", "fast", part)] for part in ("low", "high", "step")
        ] == [
            fast.low,
            fast.high,
            fast.step,
        ]


@pytest.mark.parametrize(
    ("dimension", "said"),
    [
        ([False, True], "off, on"),
        (["sma", "ema"], "sma, ema"),
        ({"low": 10, "high": 30, "step": 10}, "10 to 30 by 10"),
    ],
)
def test_what_is_varied_is_said_as_values_are(dimension, said):
    assert formats.varied(Dimension.model_validate(dimension)) == said


@pytest.mark.parametrize(
    ("declared", "usual"),
    [
        ({"ge": 2, "le": 200}, (2, 200, 10)),
        ({"ge": 2, "le": 50, "step": 2}, (2, 50, 2)),
        ({"ge": 1, "le": 4}, (1, 4, 1)),
        ({}, (7, 28, 2)),
    ],
)
def test_a_range_nobody_has_changed_has_about_twenty_values(declared, usual):
    spec = ParamSpec("length", "int", 14, **declared)

    found = space_form.usual(spec)

    assert found == usual
    assert len(Dimension.model_validate(found._asdict()).bound(spec)) <= 26


def test_a_range_of_fractions_keeps_round_steps():
    spec = ParamSpec("band", "float", 1.5, ge=0.5, le=5.0)

    assert space_form.usual(spec) == (0.5, 5.0, 0.25)


@pytest.mark.usefixtures("studies")
class TestCount:
    def test_a_study_of_several_faults_names_each(self, services):
        with pytest.raises(InvalidInput) as caught:
            services.studies.count(
                spec_of(
                    run={"strategy": "crossing", "symbols": ["AAPL", "MSFT"]},
                    space={"fast": [1, 2], "sloow": [3]},
                )
            )

        said = [each.sentence() for each in caught.value.problems]
        assert len(said) == 2
        assert any("sloow" in each for each in said)
        assert any("1" in each and "fast" in each for each in said)

    def test_a_wrong_line_is_one_fault_and_is_counted_from_one(self):
        """Pydantic also says that the list with the fault in it is too short."""
        with pytest.raises(ValidationError) as refused:
            spec_of(objectives=["nonsense"], requirements=["trades >= 5", "sharpe >"])

        one, other = (each.message for each in rules_form.readable(refused.value))
        assert one.startswith("objective 1: metric 'nonsense' is not known; expected the name of")
        assert other.startswith("requirement 2: ")

    def test_each_trial_takes_as_long_as_the_others(self, services):
        whole = services.studies.count(spec_of())
        half = services.studies.count(spec_of(method="random", max_trials=54))

        assert whole.trials == 108
        assert half.trials == 54
        trial = (whole.seconds - half.seconds) / 54
        assert trial > 0
        worlds = services.studies.count(spec_of(null_worlds=4))
        assert worlds.seconds - whole.seconds == pytest.approx(4 * 108 * trial)


@pytest.mark.usefixtures("studies")
class TestStudy:
    @pytest.fixture
    def shown(self, open_page, studies):
        return open_page("study", id=str(studies.done.id))

    def test_the_verdict_stands_above_everything_else(self, shown, studies):
        said = words(shown)

        assert studies.done.findings.sentence in text_of(said)
        assert said.index('data-testid="verdict"') < said.index('data-testid="study-tiles"')
        assert verdict.WORDS[studies.done.findings.light] in said

    def test_every_gate_has_its_value_light_and_rule_or_reason(self, shown, studies):
        said = words(shown)

        for gate in studies.done.findings.gates:
            line = re.search(rf'<tr data-gate="{gate["name"]}">.*?</tr>', said, re.DOTALL)
            assert line
            shown = text_of(line.group()).replace("&#x27;", "'")
            assert verdict.WORDS[gate["light"]] in shown
            assert (gate["reason"] if gate["value"] is None else gate["rule"]) in shown

    def test_the_tiles_show_the_judgement(self, shown, studies):
        found = studies.done.findings
        tiles = dict(
            re.findall(
                r'data-metric="(\w+)">(.*?)</div>', words(shown).split("study-tiles")[1], re.DOTALL
            )
        )

        judged = found.judged
        assert verdict.probability(judged["deflated"]["value"]) in text_of(
            tiles["deflated"]
        ).replace("&gt;", ">").replace("&lt;", "<")
        assert f"{judged['overfitting']['pbo']:.0%}" in tiles["pbo"]
        assert f"± {judged['overfitting']['error']:.0%}" in tiles["pbo"]
        assert f"{judged['stability']['ratio']:.2f}" in tiles["plateau"]
        assert f"{found.trials:,}" in tiles["trials"]
        assert (
            f"{found.validation.sharpe:.2f}".replace("-", "\N{MINUS SIGN}") in tiles["validation"]
        )
        assert f"{judged['worlds']['p']:.2f}" in tiles["worlds"]

    def test_every_chart_with_data_is_drawn(self, open_page, studies):
        drawn = {
            tab: figures(open_page("study", id=str(studies.done.id), tab=tab))
            for tab in ("Trials", "Parameters", "Overfitting", "Walk-forward")
        }

        surface, luck = drawn["Trials"][:2]
        assert "The trial to take" in surface
        assert any(name.startswith("Best by luck") for name in luck)
        assert "Best so far" in drawn["Trials"][2]
        assert len(drawn["Parameters"]) == 2 + 3
        assert len(drawn["Overfitting"]) == 2 + 3
        assert drawn["Walk-forward"][2][0] == "Tests, one after the other"
        assert drawn["Walk-forward"][3] == ["Training", "Test"]

    def test_the_windows_are_listed_with_what_moved(self, open_page, studies, services):
        page = open_page("study", id=str(studies.done.id), tab="Walk-forward")
        rows = services.studies.table(studies.done, "windows")

        body = words(page).split('data-testid="windows"')[1].split("</table>")[0]
        assert body.count("<tr>") == len(rows) + 1
        moved = [each for each in rows["alerts"].to_list() if each]
        assert body.count("wb-badge") == len(moved)

    def test_a_chart_without_data_is_a_sentence(self, open_page, studies):
        said = {
            tab: text_of(words(open_page("study", id=str(studies.plain.id), tab=tab)))
            for tab in ("Trials", "Overfitting", "Walk-forward")
        }

        assert "Two parameters that vary are needed" in said["Trials"]
        assert "Nothing was held back" in said["Overfitting"]
        assert "It was not run on worlds without edge" in said["Overfitting"]
        assert "This study did not walk forward" in said["Walk-forward"]

    @pytest.mark.parametrize(
        "tab", ["Trials", "Parameters", "Overfitting", "Walk-forward", "Request"]
    )
    def test_a_study_in_which_nobody_was_eligible_can_be_read(self, open_page, studies, tab):
        page = open_page("study", id=str(studies.nobody.id), tab=tab)

        assert not page.exception
        assert "Something went wrong" not in words(page)
        assert "No trial met the requirements" in words(page)
        assert "No trial was eligible, so there is nothing to draw" in words(page)
        assert not [button for button in page.button if button.key == "study_promote"]

    def test_promoting_makes_the_run_and_opens_it(self, shown, studies, services):
        found = studies.done.findings

        shown.button("study_promote").click().run()

        run = services.backtests.list(RunQuery(page_size=1)).runs[0]
        assert run.spec.params == {**studies.done.spec.run.params, **found.chosen.params}
        assert run.source == "ui"
        assert not shown.exception

    def test_the_trial_table_has_the_best_first_and_the_rest_behind(self, studies, services):
        trials = services.studies.table(studies.done, "trials")

        shown = trials_table.table(studies.done, trials, ["trades", "total_return"], only=False)

        scores = [each for each in shown["value_0"].to_list() if each is not None]
        assert len(shown) == len(trials)
        assert shown["number"][0] == studies.done.findings.peak.number
        eligible = scores[: studies.done.findings.eligible]
        assert eligible == sorted(eligible, reverse=True)
        first = trials.filter(trials["number"] == shown["number"][0])
        assert shown["total_return"][0] == pytest.approx(100 * first["total_return"].item())
        only = trials_table.table(studies.done, trials, ["trades"], only=True)
        assert len(only) == studies.done.findings.eligible

    def test_a_metric_that_is_an_objective_is_shown_once_in_its_unit(self, studies, services):
        trials = services.studies.table(studies.done, "trials").with_columns(
            value_0=pl.col("sharpe"), value_1=pl.col("max_drawdown")
        )
        aims = spec_of(method="genetic", objectives=["sharpe", "max_drawdown"])

        shown = trials_table.table(
            replace(studies.done, spec=aims), trials, ["sharpe", "max_drawdown"], only=False
        )

        assert {"sharpe", "max_drawdown"}.isdisjoint(shown.columns)
        first = trials.filter(trials["number"] == shown["number"][0])
        assert shown["value_0"][0] == first["sharpe"].item()
        assert shown["value_1"][0] == pytest.approx(100 * first["max_drawdown"].item())

    @pytest.mark.parametrize(
        ("found", "said"), [(0.001, "&lt; 0.01"), (0.999, "&gt; 0.99"), (0.5, "0.50")]
    )
    def test_no_probability_is_certain_anywhere(self, found, said):
        gate = {"name": "deflated", "label": "Deflated Sharpe", "value": found, "light": "red",
                "reason": None, "rule": "green from 0.95"}  # fmt: skip

        assert f"<td>{said}</td>" in verdict._gate(gate)

    def test_a_failed_study_shows_its_cause_and_what_to_do(self, open_page, studies):
        page = open_page("study", id=str(studies.failed.id))
        error = studies.failed.job.error

        said = text_of(words(page))
        assert error.message[1:] in said
        assert error.hint is None or error.hint in said
        assert "What was asked" in said

    def test_a_cancelled_study_says_so(self, open_page, studies):
        said = text_of(words(open_page("study", id=str(studies.cancelled.id))))

        assert "This study was cancelledIt had not begun." in said

    def test_a_waiting_study_can_be_cancelled(self, open_page, services):
        study = services.studies.submit(spec_of(seed=8))
        page = open_page("study", id=str(study.id))
        assert "Waiting for a worker" in page.get("progress")[0].proto.text

        page.button("study_cancel").click().run()

        assert services.studies.get(study.id).job.state is JobState.CANCELLED
        assert "This study was cancelled" in words(page)

    def test_a_study_that_is_being_ended_is_not_asked_again(self, open_page, services, running):
        services.jobs.cancel(running.job.id)

        page = open_page("study", id=str(running.id))

        assert page.button("study_cancelling").disabled
        said = page.get("progress")[0].proto.text
        assert "Being cancelled" in said
        assert "left" not in said
        assert '<span class="wb-chip wb-running">Cancelling</span>' in words(page)
        assert not any("goes on" in caption.value for caption in page.caption)
        assert not [button for button in page.button if button.key == "study_cancel"]

    def test_the_way_of_a_job_is_told_once_it_is_over(self, open_page, studies, running):
        failed = words(open_page("study", id=str(studies.failed.id)))
        way = text_of(failed.split("What became of its job")[1])

        assert "Pending: submitted" in way
        assert studies.failed.job.error.message in way
        assert f"{studies.failed.job.error.code}:" not in way
        assert "What became of its job" not in words(open_page("study", id=str(running.id)))

    def test_a_study_says_where_it_is_in_mlflow(self, open_page, studies, monkeypatch):
        found = Mirror("written", "7", "c3d4", "http://mlflow.test/#/experiments/7/runs/c3d4")
        monkeypatch.setattr(Experiments, "mirror_of", lambda *_: found)

        html = words(open_page("study", id=str(studies.done.id), tab="Request"))

        assert f'href="{found.url}"' in html
        assert "c3d4" in html

    def test_where_nobody_asked_for_a_mirror_nothing_is_said(self, open_page, studies):
        assert "MLflow" not in words(open_page("study", id=str(studies.done.id), tab="Request"))

    def test_a_running_study_shows_how_far_it_is(self, open_page, running):
        page = open_page("study", id=str(running.id))

        (bar,) = page.get("progress")
        assert bar.proto.value == 25
        assert "Search: trial 30" in bar.proto.text
        assert "30 of 120 trials" in bar.proto.text
        assert "left" in bar.proto.text

    def test_a_running_study_shows_its_best_so_far(self, open_page, running):
        html = words(open_page("study", id=str(running.id)))
        ranking = html.split('data-testid="ranking"')[1].split("</table>")[0]
        rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in ranking.split("<tr>")[1:]]

        assert "Best of 30 trials so far" in html
        assert rows[1:] == [
            ["17", "5", "40", "1.235"],
            ["3", "8", "50", "\N{MINUS SIGN}0.500"],
        ]
        assert "not judged" in text_of(html)

    def test_an_ended_study_keeps_its_best_until_then(self, open_page, services):
        with taken(services, spec_of(seed=7)) as study:
            pass
        html = words(open_page("study", id=str(study.id)))

        assert "This study was cancelled" in html
        assert "was not judged" in html
        assert "Best of 30 trials until then" in html
        assert 'data-testid="ranking"' in html

    @pytest.mark.parametrize("query", [{}, {"id": "0"}, {"id": "<script>"}, {"id": "9" * 40}])
    def test_a_study_that_does_not_exist_is_a_sentence(self, open_page, query):
        page = open_page("study", **query)

        assert not page.exception
        assert "Not found" in words(page)

    def test_a_damaged_table_leaves_the_verdict(self, open_page, studies, services):
        folder = services.settings.artifacts_dir
        (file,) = (p for p in folder.rglob("trials.parquet") if studies.done.key in str(p))
        whole = file.read_bytes()
        file.chmod(0o644)
        file.write_bytes(whole[:-100])
        try:
            page = open_page("study", id=str(studies.done.id))
        finally:
            file.write_bytes(whole)

        assert not page.exception
        assert studies.done.findings.sentence in text_of(words(page))
        assert 'role="alert"' in words(page)


def test_the_lines_of_python_ask_for_the_same_study(studies):
    found = request.python_call(studies.done.spec)

    body = found.split("model_validate(\n")[1].split("\n)\nwith")[0]
    assert StudySpec.model_validate(ast.literal_eval(body.strip())) == studies.done.spec
