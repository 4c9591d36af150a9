"""Studies in the queue: the same findings on any threads, through any door, after any death."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from core.catalog import Catalog
from core.domain.findings import StudyQuery
from core.domain.job import JobState
from core.domain.metrics import METRICS
from core.domain.study import StudySpec
from core.errors import Conflict, InvalidInput, NotFound
from core.registry.load import strategy_class
from core.services.conduct import conduct
from core.services.execution import load_bars
from core.settings import Settings
from core.store.studies import STUDY
from tests.faults.studies import closes, done, kill_in_the_middle, over, slowly, wait
from tests.laboratory import lay_prices, settings_in, vanishes, write_strategy

SPAN = {"span": {"min": 2, "max": 40, "step": 1}}
SLOWLY = slowly(0.1)


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> Settings:
    found = settings_in(tmp_path_factory.mktemp("studies"))
    lay_prices(found.lake_dir, "AAA", closes(900))
    for name, body in {
        "simple": None,
        "slowly": SLOWLY,
        "broken": SLOWLY.replace("time.sleep(0.1)", "raise ValueError('no idea')"),
    }.items():
        write_strategy(found.strategies_dir, name, *([body] if body else []))
    return found


def spec_of(strategy: str = "simple", space: dict | None = None, **given) -> StudySpec:
    return StudySpec.model_validate(
        {
            "run": {"strategy": strategy, "symbols": ["AAA"]},
            "space": SPAN if space is None else space,
            "requirements": ["trades >= 5"],
            **given,
        }
    )


@pytest.mark.usefixtures("worker")
class TestStudies:
    def test_it_finds_what_every_run_alone_finds(self, services):
        """Nothing held back: the row of a trial is the run of its parameters, bit for bit."""
        study = done(services, spec_of(validation={"share": 0.0}))
        trials = services.studies.table(study, "trials")

        assert trials["param_span"].to_list() == list(range(2, 41))
        for number in (0, 17, 38):
            run = services.studies.promote(study, number)
            assert run.spec.params == {"span": number + 2}
            assert run.trial == services.backtests.get(run.id).trial == (study.id, number)
            (caution,) = services.backtests.notes(run)
            assert f"Trial {number} of study {study.id}, one of 39 that were tried" in caution
            assert caution.endswith(study.findings.sentence)
            row = trials.row(number, named=True)
            assert {name: row[name] for name in METRICS} == dict(run.metrics.values)
        chosen = services.studies.promote(study)
        assert chosen.spec.params == study.findings.chosen.params
        assert study.findings.chosen.metrics == chosen.metrics.values

    def test_no_trial_sees_what_is_held_back(self, services, settings):
        """Other prices there change nothing of the search, and everything of the validation."""
        other = closes(900)
        other[700:] = closes(900, seed=9)[700:]
        lay_prices(settings.lake_dir, "BBB", other)
        spec = spec_of(validation={"share": 0.25})
        first = done(services, spec)
        run = spec.run.model_copy(update={"symbols": ("BBB",)})
        second = done(services, spec.model_copy(update={"run": run}))

        own = ["number", "param_span", "score", "smoothed", *METRICS]
        one, two = (services.studies.table(each, "trials").select(own) for each in (first, second))
        assert one.equals(two)
        assert first.findings.sentence == second.findings.sentence
        assert first.findings.validation != second.findings.validation

    def test_validation_is_that_of_the_whole_run(self, services):
        """The sessions held back of a run of the chosen parameters over everything."""
        study = done(services, spec_of(validation={"share": 0.25}))
        found = study.findings.validation
        run = services.studies.promote(study)
        equity = services.backtests.equity(run, None)
        values = equity["equity"].to_numpy()
        daily = values[1:] / values[:-1] - 1.0
        test = daily[-found.sessions :]

        assert (found.sessions, study.findings.sessions) == (225, 675)
        assert found.last == equity["timestamp"][-1].date()
        whole = np.append(values[0] / 100_000.0 - 1.0, daily)
        root_of_year = run.metrics.values["volatility"] / whole.std(ddof=1)
        expected = test.mean() / test.std(ddof=1) * root_of_year
        assert found.sharpe == pytest.approx(expected, rel=1e-5)
        assert found.total_return == pytest.approx(values[-1] / values[-226] - 1, rel=1e-5)

    def test_the_same_by_hand_and_on_any_threads(self, services, settings, tmp_path):
        """Artifacts to the byte: by a worker, here on one thread, here on four."""
        walks = {"train": 12, "test": 4, "step": 4}
        study = done(services, spec_of(null_worlds=2, walk_forward=walks))
        spec = study.spec
        bars = load_bars(spec.run, Catalog(settings.lake_dir))[0]
        code = Path(services.jobs.get(study.job.id).payload["code"])
        made = []
        for threads in (1, 4):
            with strategy_class(code, spec.run.strategy) as strategy:
                made.append(
                    conduct(
                        spec,
                        bars,
                        strategy,
                        code=code,
                        code_hash=str(study.code_hash),
                        kept=tmp_path / str(threads),
                        tell=lambda *_: None,
                        threads=threads,
                    )
                )
        assert made[0].key == made[1].key == study.key
        for each in made:
            content = STUDY.encode_all(each.frames)
            assert {name: _sha(data) for name, data in content.items()} == dict(study.artifacts)
            assert each.findings.sentence == study.findings.sentence

    def test_a_failure_of_every_trial_is_that_of_the_study(self, services):
        study = over(services, services.studies.submit(spec_of("broken")))

        assert (study.job.state, study.job.error.code) == (JobState.FAILED, "strategy_failed")
        assert "every trial failed; the first: ValueError: no idea" in study.job.error.message

    def test_nothing_eligible_is_said(self, services):
        study = done(services, spec_of(requirements=["trades >= 100000"]))

        assert (study.findings.eligible, study.findings.chosen) == (0, None)
        assert study.findings.light != "green"
        with pytest.raises(Conflict, match="chose no trial"):
            services.studies.promote(study)

    def test_one_wish_under_one_key_is_one_study(self, services):
        first = services.studies.submit(spec_of(seed=5), key="k")
        assert services.studies.submit(spec_of(seed=5), key="k").id == first.id
        with pytest.raises(Conflict, match="used for another request"):
            services.studies.submit(spec_of(seed=6), key="k")
        over(services, first)

    def test_a_cancelled_one_leaves_nothing(self, services, settings):
        study = services.studies.submit(spec_of("slowly", {"span": {"min": 2, "max": 100}}))
        wait(services, study, lambda each: each.job.done > 2)
        services.jobs.cancel(study.job.id)
        study = over(services, study)

        assert (study.job.state, study.findings, study.key) == (JobState.CANCELLED, None, None)
        assert vanishes(settings.scratch_dir / f"job-{study.job.id}")

    def test_lists_pages_and_filters(self, services):
        study = done(services, spec_of(seed=77))
        page = services.studies.list(StudyQuery(strategy="simple", limit=1))
        assert [each.id for each in page.studies] == [study.id]
        assert page.total > 1
        assert services.studies.list(StudyQuery(strategy="nobody")).total == 0
        assert services.studies.list(StudyQuery(state="completed", symbol="AAA")).total > 0
        with pytest.raises(NotFound, match="no table 'windows'"):
            services.studies.table(study, "windows")
        with pytest.raises(NotFound, match="no trial 99"):
            services.studies.promote(study, 99)


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_study_killed_in_the_middle_goes_on_where_it_was(settings, services):
    spec = spec_of("slowly", {"span": {"min": 2, "max": 81}}, seed=3)
    kill_in_the_middle(settings, services, spec)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"space": {"nothing": [1, 2]}}, "nothing"),
        ({"space": {"span": {"min": 1, "max": 500}}}, "span"),
        ({"run": {"strategy": "simple", "symbols": ["AAA", "NOSUCH"]}}, "NOSUCH"),
    ],
)
def test_what_cannot_be_searched_is_not_recorded(services, given, said):
    before = services.studies.list().total
    with pytest.raises((InvalidInput, NotFound), match=said):
        services.studies.submit(spec_of().model_copy(update=_checked(given)))
    assert services.studies.list().total == before


def _checked(given: dict) -> dict:
    whole = StudySpec.model_validate(
        {"run": {"strategy": "simple", "symbols": ["AAA"]}, "space": SPAN, **given}
    )
    return {name: getattr(whole, name) for name in given}
