"""Row 4 of the panel: a whole session by keyboard alone, desktop and phone; the server is killed in the middle."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.web.panel.making import corpus
from tests.web.panel.rater import CHROMIUM, DESKTOP, PHONE, Rater, browser
from understudy.conversations.writing import write_corpus
from understudy.measures.raters.records import PanelRecord
from understudy.web.panel.export import record_of
from understudy.web.panel.storage import PanelStore

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed; `make test` installs it as root")
COUNTS = ("--pairs", "2", "--catch-trials", "1", "--ratings", "2", "--pool", "8")


class Server:
    """`understudy panel` as a process, on one port for good."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        (folder / "echo.py").write_text("def reply(history):\n    return 'you said: ' + history[-1].text\n")
        for side in ("real", "synthetic"):
            write_corpus(folder / f"{side}.jsonl", corpus(side, 40))
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "understudy", "panel", "synthetic.jsonl", "--real", "real.jsonl", *COUNTS]
        command += ["--partner", "echo:reply", "--port", str(self.port), "--quiet"]
        self.process = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.DEVNULL)
        for _ in range(200):
            time.sleep(0.1)
            try:
                with urlopen(self.url, timeout=5) as answer:
                    assert answer.status == 200
                return
            except OSError:
                assert self.process.poll() is None, "the panel did not start"
        raise AssertionError("the panel did not come up")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def kept(self) -> PanelRecord:
        """What is in the file, seen from another process while the server runs or is dead."""
        with PanelStore.open(self.folder / "panel.db") as store:
            return record_of(store)


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("panel"))
    yield running
    running.kill()


def serious(page) -> list[str]:
    """What axe finds that keeps somebody from using the page."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [f"{page.title()}: {v['id']}" for v in found if v["impact"] in ("serious", "critical")]


def fits(page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(
    ("size", "scheme", "killed"), [(DESKTOP, "light", True), (PHONE, "dark", False)], ids=["desktop-killed", "phone"]
)
def test_a_whole_session_by_keyboard(
    server: Server, tmp_path: Path, size: tuple[int, int], scheme: str, killed: bool
) -> None:
    before = len(server.kept().raters)
    complaints: list[str] = []
    with browser(tmp_path / "profile") as context:
        page = context.pages[0]
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.emulate_media(color_scheme=scheme)
        rater = Rater(page)

        def look() -> None:
            complaints.extend(serious(page))
            assert fits(page), f"{page.title()} is wider than the window"

        page.goto(server.url)
        look()
        rater.begin(server.url)
        look()
        rater.pair(1)
        rater.pair(2)
        code = rater.code
        if killed:
            server.kill()
            assert len(server.kept().raters[before].judgements) == 2
            server.start()
            page.goto(f"{server.url}task")
        assert rater.code == code
        assert "pair 3 of 3" in page.inner_text("header")
        rater.pair(1)
        rater.rate(4)
        rater.choose("natural", 2)
        rater.send("Next")
        look()  # three statements were left out: the page says so, and has the focus on it
        assert "3 lines have no answer" in rater.focus()["text"]
        rater.tab_to(name="leave")
        rater.press("Space")
        rater.send("Next")
        look()
        rater.say("hello")
        if killed:
            server.kill()
            server.start()
            page.goto(f"{server.url}task")
        rater.say("are you there?")
        rater.say("thank you <b>")
        look()
        assert rater.focus()["name"] == "message"
        rater.send("End the conversation and go on")
        look()
        rater.fill_in({"attention": 2, "warm": 7})
        look()
        assert rater.heading == "Thank you. That was all."
    assert complaints == []
    record = server.kept().raters[before]
    assert record.finished
    assert [j.answer for j in record.judgements] == ["a", "b", "a"]
    assert [r.points for r in record.ratings] == [4, 4, 4, 4, 2, None, None, None]
    said = [turn.text for turn in record.chat]
    assert said == [x for t in ("hello", "are you there?", "thank you <b>") for x in (t, f"you said: {t}")]
    assert {line.key: line.point for line in record.questionnaire.lines}["warm"] == 7
    assert len(record.questionnaire.lines) == 19
