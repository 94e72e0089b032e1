"""A rater over plain HTTP, without a browser: reads the page, fills in its form, follows where it leads."""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable, Mapping
from contextlib import closing
from html import unescape
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

_HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')
_FORM = re.compile(r'<form method="post" action="(/\w+)"[^>]*>(.*?)</form>', re.S)
_TALK = re.compile(r'<section class="talk".*?</section>', re.S)
_TEXT = re.compile(r'<p dir="auto">(.*?)</p>', re.S)
_RADIO = re.compile(r'<input type="radio" id="[\w-]+-1" name="(\w+)"')


class Page(NamedTuple):
    """What came back, where from."""

    status: int
    headers: Mapping[str, str]
    text: str
    path: str

    @property
    def heading(self) -> str:
        return unescape(re.sub("<[^>]+>", "", re.search("<h1[^>]*>(.*?)</h1>", self.text, re.S)[1]))

    @property
    def problem(self) -> str:
        found = re.search('role="alert"[^>]*>(.*?)<', self.text, re.S)
        return unescape(found[1]).strip() if found else ""

    def form(self, action: str, number: int = 0) -> dict[str, str]:
        """The hidden fields of a form."""
        return dict(_HIDDEN.findall([body for where, body in _FORM.findall(self.text) if where == action][number]))

    @property
    def talks(self) -> list[list[str]]:
        """The turns of each conversation on the page."""
        return [[unescape(text) for text in _TEXT.findall(talk)] for talk in _TALK.findall(self.text)]

    @property
    def groups(self) -> list[str]:
        """The names of the scales, in order."""
        return _RADIO.findall(self.text)


class HttpRater:
    """One session with its cookie."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host = f"{parts.hostname}:{parts.port}"
        self.cookie = ""

    def ask(self, method: str, path: str, fields: Mapping[str, str] | None = None, **headers: str) -> Page:
        """One request, no redirect followed."""
        sent = {"Host": self.host, **({"Cookie": self.cookie} if self.cookie else {})}
        if fields is not None:
            sent |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://{self.host}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(http.client.HTTPConnection(self.host, timeout=30)) as connection:
            connection.request(method, path, None if fields is None else urlencode(fields), sent)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8")
        found = {name.lower(): value for name, value in answer.getheaders()}
        if "set-cookie" in found:
            self.cookie = found["set-cookie"].partition(";")[0]
        return Page(answer.status, found, text, path)

    def get(self, path: str) -> Page:
        return self.ask("GET", path)

    def post(self, path: str, fields: Mapping[str, str]) -> Page:
        """Send a form and go where it leads."""
        answer = self.ask("POST", path, fields)
        return self.get(answer.headers["location"]) if answer.status == 303 else answer

    def begin(self, **more: str) -> Page:
        """Agree, and start the first task."""
        intro = self.post("/begin", {**self.get("/").form("/begin"), "consent": "yes", **more})
        return self.post("/task", intro.form("/task"))

    @property
    def code(self) -> str:
        return self.cookie.partition("=")[2]


def whole_session(
    rater: HttpRater,
    judge: Callable[[list[list[str]]], int],
    *,
    rate: Callable[[list[str], str], int] = lambda talk, item: 3,
    fill: Callable[[str, str, str], int] = lambda key, left, right: 4,
    messages: int = 3,
) -> Page:
    """Everything from consent to thanks. `judge` returns 0 or 1, the conversation taken for real."""
    page = rater.begin()
    while "Thank you" not in page.heading:
        if "real person" in page.heading:
            page = rater.post("/task", {**page.form("/task"), "side": "ab"[judge(page.talks)]})
        elif "strike you" in page.heading:
            points = {item: str(rate(page.talks[0], item)) for item in page.groups}
            page = rater.post("/task", {**page.form("/task"), **points})
        elif "Talk with" in page.heading:
            for k in range(messages):
                page = rater.post("/chat", {**page.form("/chat"), "message": f"message {k}"})
            page = rater.post("/chat", page.form("/chat", -1))
        else:
            poles = re.findall(r'name="(\w+)" value="1".*?1 of 7: ([^<]*)<.*?7 of 7: ([^<]*)<', page.text, re.S)
            points = {key: str(2 if key == "attention" else fill(key, left, right)) for key, left, right in poles}
            page = rater.post("/task", {**page.form("/task"), **points})
    return page
