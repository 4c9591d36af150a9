"""Makes api/assets/examples.json, the examples in the schema, from real answers over the demo.

    python -m tests.api.make_examples

Long lists are cut to two items. Run it again when an answer gains or loses a field; a test says so.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from api.app import create_app
from api.routers.optimization import SUFFIX
from core import bootstrap
from core.settings import Settings
from tests.laboratory import a_worker

TARGET = Path(__file__).resolve().parents[2] / "api" / "assets" / "examples.json"
ITEMS = 2
RUN = {
    "strategy": "momentum_strategy",
    "symbols": ["AAPL"],
    "parameters": {"window": 20, "threshold": 0.02},
    "start_date": "2010-01-01",
    "end_date": "2012-12-31",
}
RUN_V1 = {
    "strategy": "sma_crossover",
    "strategy_params": {"fast": 10, "slow": 30},
    "dataset": "MSFT",
    "start_date": "2011-01-01",
    "end_date": "2012-12-31",
}
RECORD = {
    "name": "My first backtest",
    "strategy": "momentum_strategy",
    "symbol": "IBM",
    "start_date": "2010-01-01",
    "end_date": "2010-12-31",
    "initial_capital": 10000,
}
LABEL = {"name": "Momentum, twenty days", "note": "As in the paper; compare with ten."}
STUDY = {
    "strategy": "ema_crossover",
    "symbols": ["AAPL"],
    "param_ranges": {"fast": [5, 10, 15], "slow": {"min": 30, "max": 60, "step": 10}},
    "walk_forward": {"train": 24, "test": 6, "step": 6},
    "start_date": "2000-01-01",
    "end_date": "2012-12-31",
}
WITHOUT = ("/artifacts/{name}", "/events")
PATIENCE = 120.0
CANDLES = {"symbol": "AAPL", "start_date": "2010-01-04", "end_date": "2010-01-05"}


def cut(value: Any) -> Any:
    if isinstance(value, list):
        return [cut(item) for item in value[:ITEMS]]
    if isinstance(value, dict):
        return {key: cut(item) for key, item in value.items()}
    return value


def collect(client: TestClient) -> dict[str, Any]:
    """Give an example per operation; `run_backtest_v1 201` is that of another status."""
    client.post("/api/backtests/run", json={**RUN, "strategy": "buy_and_hold", "parameters": {}})
    run = client.post("/api/backtests/run", json=RUN).json()
    rows = "\n".join(
        f"{bar['timestamp'][:10]},{bar['open']},{bar['high']},{bar['low']},{bar['close']}"
        for bar in client.post(
            "/api/v1/ohlcv/data", json={**CANDLES, "end_date": "2010-06-30"}
        ).json()["data"]
    )
    form = {"strategy": "sma_crossover", "market": "XNYS"}
    file = {"file": ("sample.csv", f"timestamp,open,high,low,close\n{rows}\n")}
    upload = client.post("/api/v1/backtests/upload", files=file, data=form)
    job = client.post("/api/v1/jobs", json=RUN_V1).json()
    study = client.post("/api/v1/walkforward", json=STUDY).json()
    wait(client, study)
    genetic = {**STUDY, "population": 4, "generations": 2, "seed": 7}
    ref = f"/api/v1/optimization/{study['id']}"
    mirrored(client, ref)
    tracked = mirrored(client, f"/api/backtests/{run['id']}")
    asked = {
        "forget_tracked": client.post("/api/mlflow/cache/invalidate").json(),
        "submit_job": job,
        "upload_and_submit_job": client.post("/api/v1/jobs/upload", files=file, data=form).json(),
        "stop_backtest_v1": stopped(client, "/api/v1/backtests/{backtest_id}/stop"),
        "cancel_job": stopped(client, "/api/v1/jobs/{id}/cancel"),
        "label_backtest_v1": client.put(f"/api/v1/backtests/{run['id']}", json=LABEL).json(),
        "delete_backtest": deleted(client),
        "delete_job": stopped(client, "/api/v1/jobs/{id}", "DELETE"),
        "start_optimization": client.post("/api/v1/optimization", json=STUDY).json(),
        "start_grid_search": client.post("/api/v1/optimization/grid-search", json=STUDY).json(),
        "start_genetic_search": client.post("/api/v1/optimization/genetic", json=genetic).json(),
        "validate_optimization": client.post("/api/v1/optimization/validate", json=STUDY).json(),
        "quick_optimization": client.post("/api/v1/optimization/quick", json=STUDY).json(),
        "quick_optimization 202": study,
        "promote_trial": client.post(f"{ref}/promote", json={}).json(),
        "cancel_optimization": cancelled(client),
        "start_walk_forward": study,
    }
    found = {
        **asked,
        "run_optimization": asked["start_optimization"],
        "run_backtest": run,
        "run_backtest_v1": client.post("/api/v1/backtests", json=RUN_V1).json(),
        "run_backtest_v1 201": client.post("/api/v1/backtests", json=RECORD).json(),
        "upload_and_run_backtest_v1": upload.json(),
        "get_candles": client.get("/api/v1/ohlcv/data", params=CANDLES).json(),
        "post_candles": client.post("/api/v1/ohlcv/data", json=CANDLES).json(),
    }
    for operation, method_path in client.get("/").json()["endpoints"].items():
        method, path = method_path.split(" ")
        if operation.endswith(SUFFIX):
            continue  # shows the example of the operation it is another path of
        if method == "GET" and operation not in found and not path.endswith(WITHOUT):
            names = {"strategies": "momentum_strategy", "jobs": job["id"], "optim": study["id"]}
            names["walkforward"] = study["id"]
            chosen = [str(ref) for word, ref in names.items() if f"/{word}" in path]
            name = chosen[0] if chosen else str(run["id"])
            for word in ("experiment_id", "run_id"):
                path = path.replace(f"{{{word}}}", str(tracked[word]))
            found[operation] = client.get(path.replace("{id}", name)).json()
    found["root"]["endpoints"] = dict(list(found["root"]["endpoints"].items())[:ITEMS])
    return {operation: cut(example) for operation, example in sorted(found.items())}


def wait(client: TestClient, taken: dict[str, Any]) -> None:
    """See a study through."""
    until = time.monotonic() + PATIENCE
    while client.get(taken["links"]["status"]).json()["job"]["status"] != "completed":
        assert time.monotonic() < until, taken
        time.sleep(0.1)


def mirrored(client: TestClient, path: str) -> dict[str, Any]:
    """Wait until a run or study is written to MLflow; give its ids there."""
    until = time.monotonic() + PATIENCE
    while (found := client.get(path).json()["mlflow"])["state"] != "written":
        assert time.monotonic() < until, found
        time.sleep(0.2)
    return dict(found)


def stopped(client: TestClient, path: str, method: str = "POST") -> Any:
    """Submit a run and cancel it."""
    job = client.post("/api/v1/jobs", json=RUN_V1).json()
    return client.request(method, path.format_map(job)).json()


def deleted(client: TestClient) -> Any:
    """Submit a run and delete it."""
    taken = client.post("/api/backtests/run", json=RUN).json()
    return client.delete(f"/api/backtests/{taken['id']}").json()


def cancelled(client: TestClient) -> Any:
    """Submit a study and cancel it."""
    taken = client.post("/api/v1/optimization", json={**STUDY, "seed": 9}).json()
    return client.post(f"/api/v1/optimization/{taken['id']}/cancel").json()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=folder, run_wait_seconds=60)
        with bootstrap.build(settings) as services, a_worker(settings):
            services.market.import_demo()
            app = create_app(services, settings)
            with TestClient(app, base_url="http://127.0.0.1:8000") as client:
                examples = collect(client)
    text = json.dumps(examples, indent=1, ensure_ascii=False).replace(folder, "/data")
    TARGET.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
