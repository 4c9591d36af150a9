from __future__ import annotations

import subprocess
import sys

import pytest

from core.settings import Settings
from ui import server


def start(monkeypatch, **environment):
    for name, value in environment.items():
        monkeypatch.setenv(f"WORKBENCH_{name}", value)
    started = []
    monkeypatch.setattr(server.uvicorn, "run", lambda _app, **options: started.append(options))
    server.main()
    return started[0]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.test"])  # noqa: S104
def test_an_address_others_could_reach_is_refused_with_a_reason(monkeypatch, host):
    with pytest.raises(SystemExit) as refusal:
        start(monkeypatch, UI_HOST=host)

    assert host in str(refusal.value)
    assert refusal.value.code != 0


def test_it_can_be_said_explicitly(monkeypatch):
    options = start(monkeypatch, UI_HOST="0.0.0.0", ALLOW_UNAUTHENTICATED_BIND="true")  # noqa: S104

    assert options["host"] == "0.0.0.0"  # noqa: S104


def test_host_and_port_come_from_the_settings(monkeypatch):
    options = start(monkeypatch, UI_PORT="8765")

    assert (options["host"], options["port"]) == ("127.0.0.1", 8765)
    assert options["proxy_headers"] is False


def test_a_wrong_setting_ends_in_one_sentence(monkeypatch):
    with pytest.raises(SystemExit) as refusal:
        start(monkeypatch, UI_PORT="many")

    assert "WORKBENCH_UI_PORT" in str(refusal.value)


def test_the_guard_stands_in_front_of_streamlit(tmp_path):
    app = server.create_app(Settings(data_dir=tmp_path, max_upload_mb=3))

    assert type(app).__name__ == "Perimeter"
    assert app.policy.max_body == 3 << 20


def test_command_line_help_does_not_pay_for_streamlit():
    seen = subprocess.run(
        [sys.executable, "-c", "import core.cli, sys; print('streamlit' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert seen.stdout.strip() == "False"
