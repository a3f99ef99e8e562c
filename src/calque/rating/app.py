"""The page on which people rate: a start page, a pair at a time, and an end. Every page is made here, from what is kept.

It takes nothing from outside, and says nowhere which system wrote what.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from urllib.parse import parse_qs, quote, unquote

import jinja2
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.middleware.trustedhost import TrustedHostMiddleware

from calque.languages import LANGUAGES
from calque.rating.desk import Desk
from calque.rating.text import direction_of, paragraphs
from calque.reports.page import language_name, visible

COOKIE = "calque-rater"
A_YEAR = 31_536_000  # seconds
LONGEST_FORM = 65_536  # bytes
FOLDED = 700  # characters of a text that a question is about, from which on it is folded
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
SEE_OTHER = 303


def make_app(desk: Desk, hosts: Sequence[str]) -> FastAPI:
    """The application. It answers only to requests that name one of `hosts`, so that no foreign page can reach it."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    templates = _templates()

    def page(template: str, status: int = 200, /, **values: object) -> HTMLResponse:
        return HTMLResponse(templates.get_template(template).render(values), status, HEADERS)

    @app.get("/")
    def start(request: Request, mistake: str = "") -> Response:
        name, reads = _rater(request)
        chosen = [code for code in reads if code in desk.languages] or list(desk.languages)
        return page("start.html", name=name, desk=desk, chosen=chosen, mistake=mistake)

    @app.post("/start")
    async def begin(request: Request) -> Response:
        form = await _form(request)
        name = desk.name_of(form.get("name", [""])[0])
        reads = [code for code in form.get("language", []) if code in desk.languages]
        if not name or not reads:
            return RedirectResponse(f"/?mistake={'name' if not name else 'language'}", SEE_OTHER)
        answer = RedirectResponse("/rate", SEE_OTHER)
        value = quote(json.dumps([name, reads]))
        answer.set_cookie(COOKIE, value, max_age=A_YEAR, httponly=True, samesite="strict")
        return answer

    @app.get("/rate")
    def rate(request: Request) -> Response:
        name, reads = _rater(request)
        if not name:
            return RedirectResponse("/", SEE_OTHER)
        shown = desk.next(name, reads)
        if shown is None:
            return page("done.html", name=name, rated=desk.rated_by(name), desk=desk, reads=reads)
        return page("pair.html", name=name, shown=shown, folded=FOLDED)

    @app.post("/rate")
    async def judge(request: Request) -> Response:
        name, _ = _rater(request)
        if not name:
            return RedirectResponse("/", SEE_OTHER)
        form = await _form(request)
        pair, verdict = (form.get(field, [""])[0] for field in ("pair", "verdict"))
        if not desk.judge(name, pair, verdict):
            return page("unknown.html", 400)
        return RedirectResponse("/rate", SEE_OTHER)

    @app.post("/undo")
    def undo(request: Request) -> Response:
        name, _ = _rater(request)
        if name:
            desk.undo(name)
        return RedirectResponse("/rate", SEE_OTHER)

    @app.get("/style.css")
    def style() -> Response:
        css = [("calque.reports", "page.css"), ("calque.rating", "rate.css")]
        return Response("\n".join(_file(*name) for name in css), media_type="text/css", headers=HEADERS)

    @app.get("/keys.js")
    def keys() -> Response:
        return Response(_file("calque.rating", "keys.js"), media_type="text/javascript", headers=HEADERS)

    return app


def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("calque.rating"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        language_name=language_name, native_name=native_name, paragraphs=paragraphs, direction=direction_of
    )
    return environment


def native_name(code: str) -> str:
    """What a language calls itself."""
    return LANGUAGES[code].native_name if code in LANGUAGES else code


def _file(package: str, name: str) -> str:
    return (resources.files(package) / "templates" / name).read_text(encoding="utf-8")


def _rater(request: Request) -> tuple[str, list[str]]:
    """The rater's name and the languages that the rater reads, by the cookie; empty where there is none that is sound."""
    try:
        name, reads = json.loads(unquote(request.cookies.get(COOKIE, "")))
    except (ValueError, TypeError, RecursionError):
        return "", []
    if not isinstance(name, str) or not isinstance(reads, list):
        return "", []
    return name, [code for code in reads if isinstance(code, str)]


async def _form(request: Request) -> dict[str, list[str]]:
    """The fields of a form; nothing of one that is too long to be ours."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_FORM:
            return {}
    return parse_qs(body.decode("utf-8", errors="replace"), max_num_fields=100)
