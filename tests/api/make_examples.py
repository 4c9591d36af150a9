"""Makes api/assets/examples.json, the examples in the schema, from real answers over the demo.

    python -m tests.api.make_examples

Long lists are cut to two items. Run it again when an answer gains or loses a field; a test says so.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from api.app import create_app
from core import bootstrap
from core.bootstrap.worker import work
from core.settings import Settings

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
    upload = client.post(
        "/api/v1/backtests/upload",
        files={"file": ("sample.csv", f"timestamp,open,high,low,close\n{rows}\n")},
        data={"strategy": "sma_crossover", "market": "XNYS"},
    )
    mirrored(client, run["id"])
    tracked = client.get(f"/api/backtests/{run['id']}").json()["mlflow"]
    names = {
        "{id}": str(run["id"]),
        "{experiment_id}": tracked["experiment_id"],
        "{run_id}": tracked["run_id"],
    }
    found = {
        "forget_tracked": client.post("/api/mlflow/cache/invalidate").json(),
        "run_backtest": run,
        "run_backtest_v1": client.post("/api/v1/backtests", json=RUN_V1).json(),
        "run_backtest_v1 201": client.post("/api/v1/backtests", json=RECORD).json(),
        "upload_and_run_backtest_v1": upload.json(),
        "get_candles": client.get("/api/v1/ohlcv/data", params=CANDLES).json(),
        "post_candles": client.post("/api/v1/ohlcv/data", json=CANDLES).json(),
    }
    for operation, method_path in client.get("/").json()["endpoints"].items():
        method, path = method_path.split(" ")
        if method == "GET" and operation not in found and "artifacts" not in path:
            if "strategies" in path:
                path = path.replace("{id}", "momentum_strategy")
            for word, name in names.items():
                path = path.replace(word, name)
            found[operation] = client.get(path).json()
    found["root"]["endpoints"] = dict(list(found["root"]["endpoints"].items())[:ITEMS])
    return {operation: cut(example) for operation, example in sorted(found.items())}


def mirrored(client: TestClient, run: int) -> None:
    """Have a worker write everything to MLflow."""
    stop = threading.Event()
    settings = client.app.state.services.settings
    worker = threading.Thread(target=work, args=(stop,), kwargs={"settings": settings})
    worker.start()
    while client.get(f"/api/backtests/{run}").json()["mlflow"]["state"] != "written":
        time.sleep(0.2)
    stop.set()
    worker.join()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=folder, mlflow_ui_url="http://127.0.0.1:5000")
        with bootstrap.build(settings) as services:
            services.market.import_demo()
            app = create_app(services, settings)
            with TestClient(app, base_url="http://127.0.0.1:8000") as client:
                examples = collect(client)
    text = json.dumps(examples, indent=1, ensure_ascii=False).replace(folder, "/data")
    TARGET.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
