"""`python -m api`: serve the REST API."""

from __future__ import annotations

import sys

import uvicorn
from fastapi import FastAPI

from api.app import create_app, open_services, perimeter_policy
from api.logs import configure
from core.errors import WorkbenchError
from core.perimeter import require_safe_bind
from core.settings import Settings

STOP_SECONDS = 10


def main() -> int:
    """Serve until told to stop; give the exit code."""
    try:
        settings = Settings.load()
        require_safe_bind(settings.api_host, allow=settings.allow_unauthenticated_bind)
        perimeter_policy(settings)  # wrong names are told before anything is opened
        configure(settings.log_level, settings.log_format)
        with open_services(settings) as services:
            serve(create_app(services, settings), settings)
    except WorkbenchError as error:
        sys.stderr.write(f"{error.sentence()}\n")
        return 2
    return 0


def serve(app: FastAPI, settings: Settings) -> None:
    """Answer requests until told to stop."""
    uvicorn.run(
        app,
        host=settings.api_host,
        port=settings.api_port,
        access_log=False,  # api/logs.py writes one line per request
        log_config=None,
        proxy_headers=False,  # nobody may stand in front without a login
        server_header=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )


if __name__ == "__main__":
    raise SystemExit(main())
