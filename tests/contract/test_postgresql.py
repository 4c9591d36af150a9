"""What only a server can do to us: end our connections, refuse them, or not be there."""

from __future__ import annotations

import contextlib

import psycopg
import pytest
from sqlalchemy import make_url

from core.errors import Unavailable
from core.store import open_store
from tests.contract.conftest import a_database
from tests.contract.samples import NOW, a_spec

pytestmark = pytest.mark.postgres


@pytest.fixture
def server_url(postgres, migrated_postgres):
    with a_database(postgres, migrated_postgres) as url:
        yield url


def end_connections(server: str, url: str) -> None:
    ending = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
    with contextlib.closing(psycopg.connect(server, autocommit=True)) as connection:
        connection.execute(ending, [make_url(url).database])


def test_a_server_that_ended_our_connections_is_used_again(postgres, server_url, tmp_path):
    with open_store(server_url, tmp_path) as store:
        run = store.runs.create(a_spec(), title="t", source="cli", owner="o", now=NOW)
        end_connections(postgres, server_url)

        assert store.runs.get(run.id) == run


def test_a_connection_ended_in_the_middle_of_a_write_leaves_nothing(postgres, server_url, tmp_path):
    with open_store(server_url, tmp_path) as store:
        run = store.runs.create(a_spec(), title="t", source="cli", owner="o", now=NOW)

        def write_and_be_ended():
            with store._database.write() as connection:
                connection.exec_driver_sql("UPDATE runs SET title = 'half'")
                end_connections(postgres, server_url)
                connection.exec_driver_sql("UPDATE runs SET title = 'whole'")

        with pytest.raises(Unavailable, match="does not answer"):
            write_and_be_ended()

        assert store.runs.get(run.id) == run


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"database": "nobody_made_this"}, 'database "nobody_made_this" does not exist'),
        ({"username": "stranger", "password": "s3cret"}, 'role "stranger" does not exist'),
        ({"host": "127.0.0.1", "port": 1, "query": {}}, "refused"),
    ],
)
def test_a_server_that_cannot_be_reached_is_named_without_its_password(
    server_url, tmp_path, change, message
):
    url = make_url(server_url).set(**change).render_as_string(hide_password=False)

    with open_store(url, tmp_path) as store, pytest.raises(Unavailable, match=message) as caught:
        store.ping()

    assert "s3cret" not in caught.value.sentence()
    assert "\n" not in caught.value.sentence()
