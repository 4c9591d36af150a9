"""Studies of several symbols and of strategies that weigh them: every lane is a backtest."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from core.catalog import Catalog
from core.domain.findings import StudyQuery
from core.domain.metrics import METRICS
from core.domain.run import RunSpec
from core.domain.study import StudySpec
from core.errors import InvalidInput
from core.registry.load import strategy_class
from core.services import Services
from core.services.conduct import conduct
from core.services.execution import load_bars
from core.settings import Settings
from core.store.studies import STUDY
from tests.faults.studies import done, kill_in_the_middle
from tests.laboratory import FIRST_DAY, lay_prices, settings_in, write_strategy

SYMBOLS = ("AAA", "BBB", "LATE")
RANKS = """
    import time

    import numpy as np

    from core.domain.strategy import Param, Strategy, UniverseView, Weights


    class Ranks(Strategy):
        '''Hold what rose most, looked at once a week.'''

        universe = True

        window: int = Param(20, ge=2, le=200, unit="bars")

        def generate_signals(self, view: UniverseView) -> Weights:
            change = view.ind.carried(view.ind.roc(self.window))
            wanted = np.where(view.ind.rank(change) <= 1, 1.0, 0.0)
            return Weights(np.where(view.week_start[:, None], wanted, np.nan))
"""
SLOW = RANKS.replace("change = view", "time.sleep(0.1)\n            change = view").replace(
    "class Ranks", "class Slow"
)


def closes(count: int, seed: int) -> list[float]:
    rng = np.random.default_rng(seed)
    common = np.random.default_rng(99).normal(0.0004, 0.01, count)
    return (100 * np.exp(np.cumsum(common + rng.normal(0.0002, 0.008, count)))).tolist()


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> Settings:
    found = settings_in(tmp_path_factory.mktemp("portfolios"))
    lay_prices(found.lake_dir, "AAA", closes(800, 1))
    lay_prices(found.lake_dir, "BBB", closes(790, 2))
    lay_prices(found.lake_dir, "LATE", closes(600, 3), first=FIRST_DAY + timedelta(days=200))
    for name, body in {"ranks": RANKS, "slow": SLOW, "simple": None}.items():
        write_strategy(found.strategies_dir, name, *([body] if body else []))
    return found


def spec_of(strategy: str = "ranks", *, account: str = "shared", **given) -> StudySpec:
    name = "span" if strategy == "simple" else "window"
    run = {"strategy": strategy, "symbols": list(SYMBOLS), "options": {"account": account}}
    return StudySpec.model_validate(
        {
            "run": run,
            "space": {name: {"min": 4, "max": 40, "step": 4}},
            "requirements": ["trades >= 5"],
            **given,
        }
    )


def curve(services: Services, spec: RunSpec) -> pl.DataFrame:
    """Session returns of a backtest."""
    run = services.backtests.submit(spec)
    equity = services.backtests.equity(run, None)
    ends = equity.group_by("session", maintain_order=True).last()
    before = ends["equity"].shift(1, fill_value=spec.options.initial_cash)
    return ends.select("session", (pl.col("equity") / before - 1.0).alias("return"))


@pytest.mark.usefixtures("worker")
class TestStudies:
    @pytest.mark.parametrize(
        ("strategy", "account"), [("ranks", "shared"), ("simple", "shared"), ("simple", "sleeves")]
    )
    def test_a_trial_is_the_backtest_of_its_parameters(self, services, strategy, account):
        """Nothing held back: every metric of a row is that of the promoted run, bit for bit."""
        study = done(services, spec_of(strategy, account=account, validation={"share": 0.0}))
        trials = services.studies.table(study, "trials")
        returns = services.studies.table(study, "returns")["returns"].to_numpy()

        assert trials.height == 10
        assert trials["trades"].min() > 5
        for number in (0, 9):
            run = services.studies.promote(study, number)
            assert run.spec.symbols == SYMBOLS
            row = trials.row(number, named=True)
            assert {name: row[name] for name in METRICS} == dict(run.metrics.values)
            daily = curve(services, run.spec)["return"].to_numpy()
            assert returns[number] == pytest.approx(daily, abs=1e-7)
        assert study.findings.chosen.metrics == services.studies.promote(study).metrics.values
        assert services.studies.list(StudyQuery(symbol="LATE")).total > 0
        assert services.studies.list(StudyQuery(symbol="ATE")).total == 0

    def test_the_same_by_hand_and_on_any_threads(self, services, settings, tmp_path):
        """Artifacts to the byte: by a worker, here on one thread, here on two."""
        walks = {"train": 12, "test": 4, "step": 4}
        study = done(services, spec_of(null_worlds=2, walk_forward=walks))
        spec = study.spec
        bars = load_bars(spec.run, Catalog(settings.lake_dir))
        code = Path(services.jobs.get(study.job.id).payload["code"])
        for threads in (1, 2):
            with strategy_class(code, spec.run.strategy) as strategy:
                made = conduct(
                    spec,
                    bars,
                    strategy,
                    code=code,
                    code_hash=str(study.code_hash),
                    kept=tmp_path / str(threads),
                    tell=lambda *_: None,
                    threads=threads,
                )
            content = STUDY.encode_all(made.frames)
            found = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
            assert found == dict(study.artifacts)
            assert (made.key, made.findings.sentence) == (study.key, study.findings.sentence)
        assert study.findings.judged["worlds"]["p"] is not None

    def test_what_is_held_back_is_the_end_of_all_symbols(self, services):
        """By the days that any symbol has; validation is that part of the whole backtest."""
        study = done(services, spec_of(validation={"share": 0.25}))
        found = study.findings.validation
        run = services.studies.promote(study)
        daily = curve(services, run.spec)
        test = daily.tail(found.sessions)["return"].to_numpy()

        sessions = len(daily)
        assert sessions == 800  # LATE has days of its own at neither end
        assert (found.sessions, study.findings.sessions) == (200, 600)
        growth = float(np.prod(1.0 + test) - 1.0)
        assert found.total_return == pytest.approx(growth, rel=1e-5)

    def test_walking_forward_is_what_backtests_give_window_by_window(self, services):
        """Chosen by hand from backtests of the whole period, stitched by hand."""
        walks = {"train": 12, "test": 4, "step": 4}
        asked = spec_of(
            walk_forward=walks,
            validation={"share": 0.0},
            requirements=["trades >= 1"],
            objectives=["sharpe"],
        )
        study = done(services, asked)
        windows = services.studies.table(study, "windows")
        stitched = services.studies.table(study, "stitched")
        spec = study.spec.run
        runs = {
            window: curve(services, spec.model_copy(update={"params": {"window": window}}))
            for window in range(4, 41, 4)
        }
        expected = []
        assert windows.height >= 3
        for row in windows.iter_rows(named=True):
            best, ratio = 0, -np.inf
            for window, daily in runs.items():
                day = pl.col("session").cast(pl.Date)
                part = daily.filter(day.is_between(row["train_first"], row["train_last"]))
                values = part["return"].to_numpy()
                found = values.mean() / values.std(ddof=1)
                if found > ratio:
                    best, ratio = window, found
            assert row["param_window"] == best
            day = pl.col("session").cast(pl.Date)
            tested = runs[best].filter(day.is_between(row["test_first"], row["test_last"]))
            assert len(tested) == row["test_sessions"]
            expected += tested["return"].to_list()
        assert stitched["return"].to_list() == pytest.approx(expected, abs=1e-6)

    def test_worlds_are_of_all_symbols(self, services):
        study = done(services, spec_of("simple", null_worlds=3))

        assert services.studies.table(study, "worlds").height == 3
        assert 0.25 <= study.findings.judged["worlds"]["p"] <= 1.0

    def test_a_symbol_that_is_not_there_to_be_searched_is_refused(self, services):
        before = services.studies.list().total
        run = {
            "strategy": "ranks", "symbols": ["AAA", "LATE"], "start": "2020-01-02",
            "end": "2020-11-30",
        }  # fmt: skip
        with pytest.raises(InvalidInput, match="LATE has no bars in the part that is searched"):
            services.studies.submit(
                spec_of(validation={"share": 0.5}, run=run, space={"window": [4, 8]})
            )
        assert services.studies.list().total == before


def test_sleeves_of_a_strategy_that_weighs_are_refused(services):
    before = services.studies.list().total
    with pytest.raises(InvalidInput, match="weighs all symbols together"):
        services.studies.submit(spec_of(account="sleeves"))
    assert services.studies.list().total == before


def test_the_estimate_goes_by_studies_of_several_symbols(services):
    spec = spec_of("simple", null_worlds=1)
    alone = spec.model_copy(update={"run": spec.run.model_copy(update={"symbols": ("AAA",)})})

    assert services.studies.count(alone).measured == 0
    assert services.studies.count(spec).trials == 10


def test_a_study_killed_in_the_middle_goes_on_where_it_was(settings, services):
    spec = spec_of("slow", seed=3, space={"window": {"min": 4, "max": 60, "step": 1}})
    kill_in_the_middle(settings, services, spec)
