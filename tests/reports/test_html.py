"""The page: pure, offline, escaped, tolerant, bounded."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reports.constructed import PROVENANCE, all_measurements, messiness, missing, scored, spec, whole_report
from understudy.conversations import Conversation, Turn
from understudy.reports.html import render_html
from understudy.reports.report import Example, Report, make_report

HOSTILE = [
    "</script><img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    '" onmouseover="alert(1)',
    "'><style>*{display:none}</style>",
    "{{ 7 * 7 }}{% raw %}",
    "\u202egnp.exe\u202c and \u2066isolated",
    "nul\x00 bell\x07 esc\x1b[31m",
    "w" * 5000,
    "👩‍👩‍👧‍👦 🏳️‍🌈 ok",
    "lone \ud83d surrogate",
    "]]><!-- --> &lt; &amp;",
    "line\u2028separator\u2029",
    "",
]
VOID = {"meta", "link", "img", "br", "hr", "input"}
PERMITTED = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "a",
    "header",
    "p",
    "span",
    "h1",
    "h2",
    "h3",
    "h5",
    "em",
    "div",
    "main",
    "section",
    "article",
    "ul",
    "ol",
    "li",
    "b",
    "i",
    "svg",
    "circle",
    "path",
    "line",
    "rect",
    "text",
    "tspan",
    "polyline",
    "polygon",
    "details",
    "summary",
    "figure",
    "figcaption",
    "table",
    "caption",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "small",
    "dl",
    "dt",
    "dd",
    "code",
    "blockquote",
    "footer",
    "button",
    "script",
}


class Page(HTMLParser):
    """Tags and attributes of a page, and whether every tag is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.stack: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack, f"</{tag}> closes nothing"
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def checked(text: str) -> Page:
    """Well-formed, with no tag, attribute or address that the template did not write."""
    page = Page(text)
    assert not page.stack
    assert {tag for tag, _ in page.tags} <= PERMITTED
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert sum(tag == "style" for tag, _ in page.tags) == 1
    for _, attributes in page.tags:
        assert not any(name.startswith("on") or name in ("style", "src", "srcset", "srcdoc") for name in attributes)
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069]", text)
    text.encode("utf-8")
    return page


def hostile_report(text: str) -> Report:
    """The same text in every place that comes from outside."""
    talk = Conversation(text, (Turn("user", text, text, (text,)), Turn("assistant", text)), user_id=text, topic=text)
    evidence = {
        text: [{"label": text, "real": 1, text: text}],
        "real": 0.1,
        "synthetic": 0.2,
        "behaviour": text,
        "unit": text,
        "tells": [{"feature": text, "real_rate": 0.1, "synthetic_rate": 0.4, "unit": text, "real_examples": [text]}],
        "examples": {"real": [text, {"before": text, "text": text}], "synthetic": [[text, text]]},
    }
    odd = spec("realism.messiness", text, text, source=text)
    part = scored(odd, 0.1, 0.1, name="realism.messiness.part", evidence=evidence)
    provenance = {
        "corpora": {"real": {"source": text}, "synthetic": {"source": text}},
        "matching": text,
        text: text,
    }
    measurements = [
        scored(odd, 0.1, 0.1, evidence=evidence, parts=(part,)),
        missing(spec(f"a.{text or 'x'}", text, text), text or "?"),
        scored(spec(f"b.{text}", text, text), 0.5, 0.1, evidence=evidence),
    ]
    examples = [Example("real", talk), Example("synthetic", talk)]
    return make_report(measurements, examples=examples, provenance=provenance)


def test_the_same_report_gives_the_same_bytes() -> None:
    report = whole_report()
    again = msgspec.json.decode(msgspec.json.encode(report), type=Report)
    assert render_html(report) == render_html(whole_report()) == render_html(again)


def test_nothing_is_fetched_and_the_policy_allows_only_what_is_there() -> None:
    text = render_html(whole_report())
    checked(text)
    assert "://" not in text
    assert "url(" not in text
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    allowed = policy[1].replace("&#39;", "'")
    assert allowed.startswith("default-src 'none'")
    assert "unsafe" not in allowed
    for tag in ("style", "script"):
        body = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.S)
        assert body is not None
        digest = base64.b64encode(hashlib.sha256(body[1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in allowed


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    page = checked(render_html(hostile_report(text)))
    if text.startswith("<"):
        assert any(text in data for data in page.text)


@settings(max_examples=25, deadline=None)
@given(st.text(alphabet=st.characters(), max_size=40))
def test_any_text_stays_text(text: str) -> None:
    checked(render_html(hostile_report(text)))


def test_every_measurement_is_on_the_page_and_every_figure_has_its_table() -> None:
    report = whole_report()
    text = render_html(report)
    for headline in report.headlines:
        if headline.status == "scored":
            section = text.partition(f'id="{headline.name.replace(".", "-")}"')[2].partition("</section>")[0]
            assert "<svg" in section
            assert "<table>" in section
            for part in report.parts_of(headline):
                assert part.status == "unscored" or section.count("<tr>") > len(report.parts_of(headline)) / 2
    assert "hazard" in text
    assert "polyline" in text


def test_unscored_is_shown_with_its_reason_and_never_as_a_number() -> None:
    text = render_html(make_report([missing(spec("realism.coverage", "?", "share"), "the real side has 3 unit(s)")]))
    assert "the real side has 3 unit(s)" in text
    assert "<code>realism.coverage</code>" in text
    assert 'class="strip"' not in text


def test_examples_stand_side_by_side() -> None:
    text = render_html(make_report([messiness()]))
    assert "maybe something with a heist? not sure tbh" in text
    assert "I might enjoy a thriller." in text


def test_floor_and_ceiling_are_drawn_only_where_they_are() -> None:
    bare = scored(spec("realism.coverage", "?", "share", 0.0, 1.0), 0.6, 0.1)
    assert 'class="ceiling"' not in render_html(make_report([bare]))
    assert 'rect class="floor"' not in render_html(make_report([bare]))
    full = render_html(make_report(all_measurements()))
    assert 'class="ceiling"' in full
    assert 'rect class="floor"' in full


@pytest.mark.parametrize(
    "evidence",
    [
        {"tells": None},
        {"tells": ["x", 3]},
        {"tells": [{}]},
        {"examples": 7},
        {"features": "no"},
        {"hazard": {"real": [1]}},
        {"hazard": {"turn": [1, 2], "real": [0, None], "synthetic": [0, 1]}},
        {"real": "x", "synthetic": None},
        {"hazard": [{"turn": 1, "real": 0.1, "synthetic": 0.2}, {"turn": 2, "real": None, "synthetic": 0.2}]},
        {"real_interval": [1]},
        {"a": {"b": {"c": {"d": [1, {"e": 2}]}}}},
        {"real_examples": "one"},
        {"curve": {"real": [], "synthetic": []}},
        {"real": True, "synthetic": False},
        {"nested": [[1, 2], [3, 4]]},
        {"rows": [{"x": [1, [2]]}]},
    ],
)
@pytest.mark.parametrize(
    "name", ["realism.discriminator", "realism.messiness", "separability.icc", "realism.conditional", "new"]
)
def test_evidence_of_any_shape_renders(name: str, evidence: dict[str, object]) -> None:
    declared = spec(name, "?", "unit", None, None)
    part = scored(declared, 0.0, 0.0, name=f"{name}.part", evidence=evidence)
    checked(render_html(make_report([scored(declared, -3.0, 0.5, evidence=evidence, parts=(part,))])))


@pytest.mark.parametrize("value", [0.0, 1e-9, -1e-9, 1e12, -123456.789, 1.0])
def test_numbers_of_any_size_render(value: float) -> None:
    checked(render_html(make_report([scored(spec("realism.x", "?", "u", None), value, abs(value) / 10)])))


def test_a_thousand_conversations_stay_under_ten_megabytes() -> None:
    long = tuple(Turn("user" if i % 2 == 0 else "assistant", "so many words here & there <b> " * 12) for i in range(40))
    many = [Example("real" if i % 2 else "synthetic", Conversation(f"c{i}", long)) for i in range(1000)]
    text = render_html(make_report(all_measurements(), examples=many, provenance=PROVENANCE))
    assert len(text.encode("utf-8")) < 10_000_000
    assert "the others are in report.json" in text


def test_long_transcripts_say_what_they_leave_out() -> None:
    talk = Conversation("c", tuple(Turn("user", "x" * 3000) for _ in range(100)))
    text = render_html(make_report([], examples=[Example("real", talk)]))
    assert "1000 more characters" in text
    assert "20 more turns are not shown" in text
