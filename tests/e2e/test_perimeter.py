"""The guard before the pages: other sites and rebound names get nothing, people the app."""

from __future__ import annotations

import base64
import http.client
import os
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.e2e import steps
from tests.e2e.conftest import Workbench

pytestmark = pytest.mark.e2e


def ask(workbench: Workbench, path: str, **headers: str) -> int:
    address = urlsplit(workbench.ui)
    server = http.client.HTTPConnection("127.0.0.1", address.port, timeout=10)
    given = {"host": f"127.0.0.1:{address.port}"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    with closing(server) as connection:
        connection.putrequest("GET", path, skip_host=True)
        for name, value in given.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        answer.read()
        return answer.status


def shake_hands(workbench: Workbench, **headers: str) -> int:
    return ask(
        workbench,
        "/_stcore/stream",
        connection="Upgrade",
        upgrade="websocket",
        sec_websocket_version="13",
        sec_websocket_key=base64.b64encode(os.urandom(16)).decode(),
        **headers,
    )


@pytest.mark.parametrize(
    "host",
    ["evil.test", "localhost.evil.test", "10.0.0.1", "127.1", "2130706433", "[::ffff:7f00:1]"],
)
def test_a_rebound_name_gets_neither_page_nor_socket(workbench: Workbench, host: str) -> None:
    assert ask(workbench, "/", host=host) in {400, 403}
    assert shake_hands(workbench, host=host) in {400, 403}


@pytest.mark.parametrize("origin", ["http://evil.test", "null", "http://127.0.0.1:1"])
def test_another_origin_gets_no_socket(workbench: Workbench, origin: str) -> None:
    assert shake_hands(workbench, origin=origin) == 403


def test_another_site_may_link_to_a_page_but_not_read_from_it(workbench: Workbench) -> None:
    followed = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}

    assert ask(workbench, "/", **followed, sec_fetch_dest="document") == 200
    assert ask(workbench, "/_stcore/host-config", sec_fetch_site="cross-site") == 403


def test_after_every_refusal_the_app_still_works(page: Page, workbench: Workbench) -> None:
    shake_hands(workbench, host="evil.test")

    steps.visit(page, workbench.ui)

    expect(page.get_by_role("heading", name="Backtests")).to_be_visible()
