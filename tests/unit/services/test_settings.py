"""Settings: read from the environment, documented, refused with the name of the variable."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from core.errors import InvalidInput
from core.settings import PREFIX, Settings

EXAMPLE = Path(__file__).resolve().parents[3] / ".env.example"
MADE_FROM_OTHERS = {"data_dir", "database_url", "strategies_dir"}


def documented() -> dict[str, str]:
    lines = re.findall(rf"^#{PREFIX}(\w+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE)
    return {name.lower(): value for name, value in lines}


def test_every_setting_is_documented_and_nothing_else():
    assert set(documented()) == set(Settings.model_fields)


@pytest.mark.parametrize("name", sorted(set(Settings.model_fields) - MADE_FROM_OTHERS))
def test_the_documented_value_is_the_default(name, monkeypatch):
    monkeypatch.setenv(PREFIX + name.upper(), documented()[name])

    assert getattr(Settings.load(), name) == Settings.model_fields[name].default


def test_paths_do_not_depend_on_a_later_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORKBENCH_DATA_DIR", "here")

    settings = Settings.load()

    assert settings.data_dir == tmp_path / "here"
    assert settings.database_url == f"sqlite:///{tmp_path}/here/workbench.db"


def test_lists_are_separated_by_commas(monkeypatch):
    monkeypatch.setenv("WORKBENCH_ALLOWED_ORIGINS", "http://a:1, http://b:2 ,")

    assert Settings.load().allowed_origins == ("http://a:1", "http://b:2")


def test_every_bad_variable_is_named():
    with pytest.raises(InvalidInput) as caught:
        Settings.load(api_port=99_999, run_slots="many")

    assert {problem.field for problem in caught.value.problems} == {"api_port", "run_slots"}
    assert "WORKBENCH_API_PORT is 99999" in caught.value.message


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError):
        Settings.load().api_port = 1


def test_a_password_is_not_shown():
    settings = Settings.load(database_url="postgresql+psycopg://me:secret@host/db")

    assert "secret" not in repr(settings)
