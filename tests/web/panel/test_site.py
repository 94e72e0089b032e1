"""The site over real HTTP: sessions, what is refused, what must not show."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.web.panel.client import HttpRater, whole_session
from tests.web.panel.making import ECHO, FEW, HOSTILE, design, real_side, store
from understudy.conversations import Conversation, Corpus, Turn
from understudy.measures.pmq import score
from understudy.measures.raters.partner import as_printed
from understudy.rollouts.partners import function_partner
from understudy.web.panel.app import build_panel
from understudy.web.panel.export import record_of
from understudy.web.running import in_background

TALK = re.compile(r'<section class="talk".*?</section>', re.S)


@pytest.fixture
def panel(tmp_path: Path):
    with store(tmp_path) as kept, in_background(build_panel(kept, ECHO)) as url:
        yield kept, url


def test_a_session_is_recorded_as_it_was_answered(panel) -> None:
    kept, url = panel
    ended = whole_session(
        HttpRater(url),
        real_side,
        rate=lambda talk, item: 5 if talk[0].startswith("person") else 1,
        fill=lambda key, left, right: {"Warm": 1, "Incompetent": 1}.get(
            left, {"Warm": 7, "Incompetent": 7}.get(right, 4)
        ),
    )
    assert ended.heading == "Thank you. That was all."
    rater = record_of(kept).raters[0]
    assert rater.finished
    assert all(j.right and j.seconds is not None for j in rater.judgements)
    assert len(rater.judgements) == FEW.pairs + FEW.catches
    assert {(r.origin, r.points) for r in rater.ratings} == {("real", 5), ("synthetic", 1)}
    assert [t.text for t in rater.chat[:2]] == ["message 0", "you said: message 0"]
    # Whichever way round it was shown: warm counts for the partner, incompetent against it.
    found = score(as_printed(rater.questionnaire))
    assert found.human_likeness == pytest.approx((5 * 4 + 7) / 6)
    assert found.competence == pytest.approx((8 * 4 + 1) / 9)


def test_nothing_on_the_pages_tells_the_sides_apart(panel) -> None:
    rater = HttpRater(panel[1])
    page = rater.begin()
    while "real person" in page.heading:
        bare = re.sub(r'<p dir="auto">.*?</p>', "", page.text, flags=re.S)
        assert not re.search(r"synthetic|machine|scrambled|catch|real[:-]|pair-\d", bare)
        shapes = {
            re.sub(r"talk-[ab]|Conversation [AB]|<li.*</li>|\s", "", talk, flags=re.S)
            for talk in TALK.findall(page.text)
        }
        assert len(shapes) == 1
        page = rater.post("/task", {**page.form("/task"), "side": "a"})


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    talks = [
        Conversation(
            f'r{k}"><script>', (Turn("user", f"{HOSTILE} {k}"), Turn("assistant", HOSTILE)), f"u{k}\ud800", HOSTILE
        )
        for k in range(40)
    ]
    made = design(real=Corpus(talks))
    with store(tmp_path, made) as kept, in_background(build_panel(kept, function_partner(lambda h: HOSTILE))) as url:
        rater = HttpRater(url)
        page = rater.begin()
        while True:
            assert "<script" not in page.text
            assert "\u202e" not in page.text
            if "Talk with" in page.heading:
                break
            points = dict.fromkeys(page.groups, "3") or {"side": "a"}
            page = rater.post("/task", {**page.form("/task"), **points})
        page = rater.post("/chat", {**page.form("/chat"), "message": HOSTILE.replace("\ud800", "")})
        assert "<script" not in page.text
        assert "script-src" not in page.headers["content-security-policy"]
        assert "default-src 'none'" in page.headers["content-security-policy"]


def test_the_first_answer_stands(panel) -> None:
    kept, url = panel
    rater = HttpRater(url)
    page = rater.begin()
    first = {**page.form("/task"), "side": "a"}
    after = rater.post("/task", first)
    again = rater.post("/task", {**first, "side": "b"})
    assert again.form("/task")["step"] == after.form("/task")["step"]
    assert record_of(kept).raters[0].judgements[0].answer == "a"
    skipped = rater.post("/task", {**after.form("/task"), "step": "9", "side": "b"})
    assert skipped.form("/task")["step"] == after.form("/task")["step"]


@pytest.mark.parametrize("side", ["", "c", "real", "a\x00"])
def test_an_answer_off_the_form_is_asked_for_again(panel, side: str) -> None:
    kept, url = panel
    rater = HttpRater(url)
    page = rater.begin()
    again = rater.ask("POST", "/task", {**page.form("/task"), "side": side})
    assert (again.status, again.problem[:6]) == (422, "Choose")
    assert not record_of(kept).raters[0].judgements


def test_a_session_goes_on_with_its_code_in_another_browser(panel) -> None:
    kept, url = panel
    first = HttpRater(url)
    page = first.begin()
    page = first.post("/task", {**page.form("/task"), "side": "b"})
    code = re.search(r'class="code">([\w-]+)<', page.text)[1]
    other = HttpRater(url)
    went_on = other.post("/resume", {**other.get("/").form("/resume"), "code": code.upper().replace("-", " ")})
    assert went_on.form("/task")["step"] == page.form("/task")["step"]
    wrong = other.ask("POST", "/resume", {**other.get("/").form("/resume"), "code": "0000-0000-0000-0000"})
    assert (wrong.status, wrong.problem[:28]) == (422, "There is no session under th")
    assert len(kept.raters()) == 1


def test_withdrawing_deletes(panel) -> None:
    kept, url = panel
    rater = HttpRater(url)
    page = rater.begin()
    rater.post("/task", {**page.form("/task"), "side": "b"})
    asked = rater.get("/withdraw")
    assert "Withdraw from the panel?" in asked.heading
    done = rater.post("/withdraw", asked.form("/withdraw"))
    assert done.heading == "You have withdrawn."
    assert (record_of(kept).withdrawn, record_of(kept).raters) == (1, ())
    assert rater.get("/task").status == 303


def test_leaving_lets_somebody_else_begin(panel) -> None:
    _, url = panel
    rater = HttpRater(url)
    page = rater.begin()
    assert rater.post("/leave", page.form("/leave")).heading.startswith("Can you tell")
    assert rater.get("/task").headers["location"] == "/"


def test_nobody_begins_without_agreeing(panel) -> None:
    kept, url = panel
    rater = HttpRater(url)
    answer = rater.ask("POST", "/begin", rater.get("/").form("/begin"))
    assert (answer.status, kept.raters()) == (422, {})
    assert "tick the box" in answer.problem


def test_requests_from_elsewhere_are_refused(panel) -> None:
    kept, url = panel
    rater = HttpRater(url)
    page = rater.begin()
    fields = {**page.form("/task"), "side": "a"}
    assert rater.ask("POST", "/task", fields, Origin="http://evil.example").status == 403
    assert rater.ask("POST", "/task", fields, Sec_Fetch_Site="cross-site").status == 403
    assert rater.ask("GET", "/", Host="evil.example").status == 403
    assert rater.ask("POST", "/task", {**fields, "token": "0" * 32}).status == 403
    assert (
        rater.ask("POST", "/task", {**fields, "token": HttpRater(url).get("/").form("/begin")["token"]}).status == 403
    )
    assert not record_of(kept).raters[0].judgements
    # A link in a letter or on another page may lead here; a script of that page may not look.
    assert rater.ask("GET", "/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate").status == 200
    assert rater.ask("GET", "/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="cors").status == 403
    assert rater.ask("POST", "/begin", {}, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate").status == 403


def test_what_is_too_large_or_no_form_is_refused(panel) -> None:
    _, url = panel
    rater = HttpRater(url)
    page = rater.begin()
    assert rater.ask("POST", "/task", {**page.form("/task"), "side": "a" * 100_000}).status == 413
    assert rater.ask("POST", "/task", {f"x{k}": "1" for k in range(100)}).status == 403
    assert rater.ask("GET", "/nowhere").status == 404
    assert rater.ask("DELETE", "/task").status == 405
    assert rater.ask("GET", "/healthz").text == "ok"


def test_an_invitation_is_asked_for(tmp_path: Path) -> None:
    with store(tmp_path) as kept, in_background(build_panel(kept, ECHO, invite="plum")) as url:
        rater = HttpRater(url)
        fields = {**rater.get("/").form("/begin"), "consent": "yes", "invite": "pear"}
        assert rater.ask("POST", "/begin", fields).status == 422
        assert kept.raters() == {}
        assert rater.begin(invite="plum").heading.startswith("In which")
        assert 'value="plum"' in HttpRater(url).get("/?invite=plum").text


def test_a_partner_that_breaks_loses_nothing(tmp_path: Path) -> None:
    calls = []

    def moody(history):
        calls.append(len(history))
        if len(calls) == 1:
            raise RuntimeError("out of order")
        if len(calls) == 2:
            return None
        return f"answer to {history[-1].text}"

    with store(tmp_path) as kept, in_background(build_panel(kept, function_partner(moody))) as url:
        rater = HttpRater(url)
        page = rater.begin()
        while "Talk with" not in page.heading:
            page = rater.post("/task", {**page.form("/task"), **(dict.fromkeys(page.groups, "3") or {"side": "a"})})
        assert "Write something" in rater.ask("POST", "/chat", {**page.form("/chat"), "message": " "}).problem
        broke = rater.post("/chat", {**page.form("/chat"), "message": "hello"})
        assert "gave no answer (RuntimeError)" in broke.problem
        assert broke.form("/chat")["do"] == "again"
        broke = rater.post("/chat", broke.form("/chat"))
        assert "gave no answer" in broke.problem
        page = rater.post("/chat", broke.form("/chat"))
        assert "answer to hello" in page.text
        early = rater.ask("POST", "/chat", {**page.form("/chat"), "do": "end"})
        assert (early.status, early.problem[:7]) == (422, "Say at ")
        stale = rater.post("/chat", {**page.form("/chat"), "position": "0", "message": "twice"})
        assert "twice" not in stale.text
        assert len(kept.chat(0).turns) == 2


def test_a_full_disk_is_told_and_nothing_is_taken_for_kept(panel, monkeypatch) -> None:
    import sqlite3

    kept, url = panel
    rater = HttpRater(url)
    page = rater.begin()

    def full(*_):
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(kept, "answer", full)
        answer = rater.ask("POST", "/task", {**page.form("/task"), "side": "a"})
    assert (answer.status, answer.heading) == (503, "Your last answer could not be kept.")
    assert rater.post("/task", {**page.form("/task"), "side": "a"}).status == 200


def test_many_raters_at_a_time_each_have_their_own(panel) -> None:
    kept, url = panel
    with ThreadPoolExecutor(8) as pool:
        sides = [k % 2 for k in range(12)]
        list(pool.map(lambda side: whole_session(HttpRater(url), lambda talks: side), sides))
    record = record_of(kept)
    assert all(r.finished and len({j.answer for j in r.judgements}) == 1 for r in record.raters)
    assert sorted(r.judgements[0].answer for r in record.raters) == ["a"] * 6 + ["b"] * 6


def test_two_panels_in_one_browser_do_not_take_each_others_raters(tmp_path: Path) -> None:
    names = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        with store(tmp_path / name) as kept, in_background(build_panel(kept, ECHO)) as url:
            rater = HttpRater(url)
            rater.begin()
            names.add(rater.cookie.partition("=")[0])
    assert len(names) == 2
