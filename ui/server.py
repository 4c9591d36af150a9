"""The UI's server: Streamlit behind the perimeter guard, warm before it answers."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import streamlit as st
import uvicorn
from streamlit import config

from core.errors import InvalidInput, WorkbenchError
from core.perimeter import ANY_PAGE, MEGABYTE, Perimeter, Policy, require_safe_bind
from core.settings import Settings
from ui import logs

SCRIPT = Path(__file__).parent / "app.py"
STOP_SECONDS = 3

log = logging.getLogger("workbench.ui")


def create_app(settings: Settings) -> Perimeter:
    """Give the guarded ASGI application.

    The services are built while the server starts, so that the first reader finds the kernels
    warm; leaving ends the child process that runs strategies.
    """
    for name, value in _options(settings).items():
        config.set_option(name, value)
    app = st.App(SCRIPT, lifespan=_lifespan, on_script_error=_on_script_error)
    return Perimeter(
        app,
        Policy.of(
            hosts=settings.allowed_hosts,
            origins=(),
            pages=ANY_PAGE,
            max_body=settings.max_upload_mb * MEGABYTE,
        ),
    )


def _options(settings: Settings) -> dict[str, Any]:
    """What holds wherever the server is started from, `.streamlit/config.toml` found or not."""
    names = settings.allowed_hosts
    return {
        "browser.gatherUsageStats": False,
        "client.showErrorDetails": "none",
        "client.disableDataExport": True,
        "server.allowedHosts": ["*"],  # the perimeter judges Host, once
        "server.corsAllowedOrigins": [
            origin
            for name in names
            for origin in (
                f"http://{name}",
                f"https://{name}",
                f"http://{name}:{settings.ui_port}",
            )
        ],
    }


@asynccontextmanager
async def _lifespan(_: st.App) -> AsyncIterator[None]:
    from ui import wiring  # noqa: PLC0415 - Streamlit's caches want a running server

    try:
        await asyncio.to_thread(wiring.services)
    except WorkbenchError as error:  # every page says so, and tries again
        log.error("the services cannot be built: %s", error.sentence())  # noqa: TRY400
    try:
        yield
    finally:
        wiring.services.clear()


def _on_script_error(error: Exception) -> bool:
    """Say in words what went wrong outside a page's own run: in a fragment or a callback."""
    from ui.components import problem  # noqa: PLC0415 - as above

    if isinstance(error, WorkbenchError):
        problem.show(error)
    else:
        log.error("a page failed", exc_info=error)
        problem.show_unexpected()
    return True


def main() -> None:
    """Serve until told to stop; refuse an address other machines could reach."""
    try:
        settings = Settings.load()
        require_safe_bind(settings.ui_host, allow=settings.allow_unauthenticated_bind)
        logs.configure(settings)
        app = create_app(settings)
    except InvalidInput as refusal:
        sys.exit(refusal.sentence())
    log.info("serving the pages at http://%s:%d", settings.ui_host, settings.ui_port)
    uvicorn.run(
        app,
        host=settings.ui_host,
        port=settings.ui_port,
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
