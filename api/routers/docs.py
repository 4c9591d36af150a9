"""Pages that show the OpenAPI schema, self-contained.

The stock pages load scripts from another host. A script here may run backtests without a login, so
nothing from elsewhere is let in, and the pages work offline.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from fastapi import APIRouter, Request, Response

ASSETS = files("api") / "assets"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)

router = APIRouter(include_in_schema=False)


@router.get("/docs")
def docs(request: Request) -> Response:
    """Show the schema with a form to try each operation."""
    return _page("try", request.app.title)


@router.get("/redoc")
def redoc(request: Request) -> Response:
    """Show the schema for reading."""
    return _page("read", request.app.title)


@router.get("/docs/docs.js")
def script() -> Response:
    """Give the page's script."""
    return Response(_asset("docs.js"), media_type="text/javascript")


@router.get("/docs/docs.css")
def style() -> Response:
    """Give the page's style."""
    return Response(_asset("docs.css"), media_type="text/css")


def _page(mode: str, title: str) -> Response:
    html = _asset("docs.html").replace("{mode}", mode).replace("{title}", title)
    return Response(html, media_type="text/html", headers={"Content-Security-Policy": POLICY})


@cache
def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")
