"""A rater in headless Chromium who has a keyboard and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
DESKTOP, PHONE = (1280, 800), (390, 844)
MOST_TABS = 200


@contextmanager
def browser(profile: Path) -> Iterator[Any]:
    """Headless Chromium with a profile of its own; yields the context, whose cookies outlive the server."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(profile), executable_path=CHROMIUM, headless=True, args=list(FLAGS), java_script_enabled=True
        )
        try:
            yield context
        finally:
            context.close()


class Rater:
    """Presses keys on one page. `shots`: where pictures of every kind of page go, if they are wanted."""

    def __init__(self, page: Any, shots: Path | None = None) -> None:
        self.page = page
        self.shots = shots
        self._seen: set[str] = set()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def focus(self) -> dict[str, Any]:
        """What has the focus: tag, name, value, text, and whether the focus can be seen."""
        return self.page.evaluate(
            """() => { const e = document.activeElement;
            const ring = x => x && getComputedStyle(x).outlineStyle !== 'none';
            return {tag: e.tagName, name: e.name || '', value: e.value || '', text: (e.innerText || '').trim(),
                    ring: ring(e) || ring(e.closest('label'))}; }"""
        )

    def tab_to(self, **wanted: str) -> dict[str, Any]:
        """Tab until the focus is on what is wanted; everything on the way must show its focus."""
        for _ in range(MOST_TABS):
            at = self.focus()
            if at["tag"] != "BODY":
                assert at["ring"] or at["tag"] == "P", f"no visible focus on {at}"
            if all(at[key] == value for key, value in wanted.items()):
                return at
            self.press("Tab")
        raise AssertionError(f"nothing with {wanted} is reached by Tab on {self.page.url}")

    def choose(self, name: str, value: int) -> None:
        """The radio number `value` of the group `name`, from its first one."""
        self.tab_to(name=name)
        self.press("Space", *["ArrowRight"] * (value - 1))

    def send(self, button: str) -> None:
        """Go to the button and press Enter."""
        self.tab_to(tag="BUTTON", text=button)
        with self.page.expect_navigation():
            self.press("Enter")

    def picture(self, name: str) -> None:
        """One full-page picture of each name."""
        if self.shots is not None and name not in self._seen:
            self._seen.add(name)
            self.page.screenshot(path=str(self.shots / f"{name}.png"), full_page=True)

    @property
    def heading(self) -> str:
        return self.page.inner_text("h1")

    @property
    def code(self) -> str:
        return self.page.inner_text("footer .code")

    def begin(self, url: str) -> None:
        """Agree and start."""
        self.page.goto(url)
        self.picture("1-start")
        self.tab_to(name="consent")
        self.press("Space")
        self.send("Begin")
        self.picture("2-intro")
        self.send("Start")

    def pair(self, side: int) -> None:
        """Take the user of conversation A (1) or B (2) for real."""
        self.picture("3-pair")
        self.choose("side", side)
        self.picture("3b-pair-chosen")
        self.send("Next")

    def rate(self, points: int) -> None:
        """The same points for every statement."""
        self.picture("4-rating")
        for key in ("natural", "responsive", "consistent", "purposeful"):
            self.choose(key, points)
        self.send("Next")

    def say(self, text: str) -> None:
        """One message to the assistant."""
        self.tab_to(name="message")
        self.page.keyboard.type(text)
        with self.page.expect_navigation():
            self.press("Enter")

    def fill_in(self, points: dict[str, int]) -> None:
        """The questionnaire: points as they stand on the page, by item."""
        self.picture("6-pmq")
        for name in self.page.eval_on_selector_all("input[id$='-1']", "found => found.map(e => e.name)"):
            self.choose(name, points.get(name, 4))
        self.send("Finish")
