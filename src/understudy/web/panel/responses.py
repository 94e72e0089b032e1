"""Answers of the site: pages and redirects with their headers, the rater's cookie, and failures as pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from understudy.web.panel.pages import page
from understudy.web.refusals import RefusedError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

DAYS = 30
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    # Not `no-referrer`: with it a browser sends `Origin: null`, and the origin of a form could not be checked.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def html(text: str, status: int = 200) -> Response:
    """A page."""
    from starlette.responses import HTMLResponse

    return HTMLResponse(text.encode("utf-8", "replace"), status, HEADERS)


def to(path: str) -> Response:
    """Go and get another page."""
    from starlette.responses import RedirectResponse

    return RedirectResponse(path, 303, HEADERS)


def with_cookie(response: Response, name: str, code: str, request: Request) -> Response:
    """The rater's code, out of reach of scripts and of forms elsewhere."""
    secure = request.headers.get("origin", "").startswith("https://")
    response.set_cookie(name, code, max_age=DAYS * 86400, httponly=True, samesite="lax", secure=secure)
    return response


def without_cookie(response: Response, name: str) -> Response:
    """Forget the rater in this browser."""
    response.delete_cookie(name, httponly=True, samesite="lax")
    return response


async def refused(request: Request, error: Exception) -> Response:
    """A request that cannot be answered."""
    assert isinstance(error, RefusedError)
    return _problem(error.what, error.fix, error.status)


async def http_error(request: Request, error: Exception) -> Response:
    """No such page."""
    status = int(getattr(error, "status_code", 404))
    what = "This page takes no such request" if status == 405 else "There is no such page here"
    return _problem(what, "go back to the panel's start page", status)


async def not_kept(request: Request, error: Exception) -> Response:
    """The disk refused: said before anybody believes that the answer is kept."""
    return _problem(
        "Your last answer could not be kept",
        "everything before it is; tell whoever runs the panel, and try again later",
        503,
    )


async def broken(request: Request, error: Exception) -> Response:
    """A bug."""
    return _problem("Something went wrong on this page", "what you answered before is kept; try again", 500)


def _problem(what: str, fix: str, status: int) -> Response:
    return html(page("problem", what=what, fix=fix[:1].upper() + fix[1:]), status)
