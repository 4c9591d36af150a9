"""Settings: read from the environment, documented, refused with the name of the variable."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy import make_url

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


def test_a_password_comes_from_a_file(tmp_path, monkeypatch):
    file = tmp_path / "password"
    file.write_text("p@ss/w:rd é\n", "utf-8")
    monkeypatch.setenv("WORKBENCH_DATABASE_PASSWORD_FILE", str(file))

    def url_of(text):
        return make_url(Settings.load(database_url=text).database_url)

    found = url_of("postgresql+psycopg://me@host:5433/db?sslmode=require")
    assert (found.username, found.password) == ("me", "p@ss/w:rd é")
    assert (found.host, found.port, found.database) == ("host", 5433, "db")
    assert dict(found.query) == {"sslmode": "require"}
    own = "postgresql+psycopg://me:own@host/db"
    assert url_of(own) == make_url(own)
    assert url_of("postgresql+psycopg://host/db").password is None
    assert url_of("").drivername == "sqlite"
    assert "p%40ss" not in repr(Settings.load(database_url="postgresql+psycopg://me@host/db"))


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe"])
def test_a_password_that_cannot_be_read_is_said(tmp_path, content):
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(InvalidInput) as caught:
        Settings.load(database_url="postgresql+psycopg://me@host/db", database_password_file=file)

    assert caught.value.field == "database_url"
    assert str(file) in caught.value.sentence()
