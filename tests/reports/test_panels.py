"""The pages of training and ranking: every figure with its table, nothing lost, any shape of evidence."""

from __future__ import annotations

import re

import msgspec
import pytest

from tests.reports.constructed import all_measurements, scored, spec
from tests.reports.constructed_transfer import (
    ablation,
    false_progress,
    gap,
    gaps,
    mixture,
    ranking,
    reactions,
    report_of_three,
    train_measurements,
)
from tests.reports.test_html import HOSTILE, checked
from understudy.measures.measurement import Counts, Measurement
from understudy.reports.html import render_html
from understudy.reports.report import make_report
from understudy.reports.transfer_panels import forest


def page(*measurements: Measurement) -> str:
    text = render_html(make_report(measurements))
    checked(text)
    return text


def section(text: str, anchor: str) -> str:
    return text.partition(f'<section id="{anchor}"')[2].partition("</section>")[0]


def test_every_drawing_has_its_numbers_in_a_table() -> None:
    text = render_html(report_of_three())
    checked(text)
    drawn = re.findall(r'<figure class="drawn">(.*?)\n</figure>\n', text, re.S)
    assert len(drawn) > 15
    for one in drawn:
        assert "<svg" in one or "matrix" in one
        assert "<table>" in one


def test_chapters_stand_in_the_order_of_the_questions() -> None:
    text = render_html(report_of_three())
    places = [text.index(f'<p class="chapter">{q}') for q in ("Do they look", "Do they rank", "Do they train")]
    assert places == sorted(places)
    assert 'class="chapter"' not in render_html(make_report(all_measurements()))


def test_the_forest_has_a_row_for_every_task_and_says_what_is_wrong_with_one() -> None:
    text = section(page(*gaps()), "gap-closed")
    for task in ("genre", "acts", "next response", "topic", "intent", "satisfaction"):
        assert f">{task}</b>" in text
    assert "flagged: saturated" in text
    assert "not scored: inverted" in text
    assert text.count('class="beyond"') == 1


def test_s_over_i_stands_only_beside_b_over_i() -> None:
    one = gap("x", "accuracy", 0.3, 0.4, 0.5, 0.1)
    assert forest([one]).lanes[0].numbers[2] == "0.60, 0.80"
    for key in ("b_over_i", "s_over_i"):
        alone = msgspec.structs.replace(one, evidence={k: v for k, v in one.evidence.items() if k != key})
        assert forest([alone]).lanes[0].numbers[2] == "–"


def test_the_alarm_is_first_in_its_chapter_and_on_the_curve() -> None:
    text = page(*train_measurements())
    assert text.index("transfer-false-progress-genre") < text.index('id="gap-closed"')
    own = section(text, "transfer-false-progress-genre")
    assert "Alarm: the slopes part." in own
    assert 'class="moment"' in own
    quiet = page(*gaps(), false_progress(alarm=False))
    assert 'class="moment"' not in quiet
    assert quiet.index("transfer-false-progress-genre") > quiet.index('id="gap-closed"')


def test_a_system_keeps_its_numbers_through_the_order_and_a_tie_is_marked() -> None:
    own = section(page(*ranking()), "ranking")
    slopes = own.partition('<svg class="slope"')[2].partition("</table>")[0]
    assert '<tspan class="rank">3=</tspan> gpt-small' in slopes
    assert slopes.count('class="slope moved"') == 5
    assert '<tspan class="roomy">a system with a v…long name indeed</tspan>' in slopes
    assert '<tspan class="tight">a syste… indeed</tspan>' in slopes
    assert "a system with a very long name indeed" in slopes


def slopes_of(*rows: tuple[str, float, float]) -> str:
    names, real, simulated = zip(*rows, strict=True)
    systems = {"system": names, "real": real, "simulated": simulated}
    return section(page(msgspec.structs.replace(ranking()[0], evidence={"systems": systems})), "ranking")


def test_both_sides_share_an_axis_unless_their_scales_differ() -> None:
    same = slopes_of(("chatgpt_opendialkg", 0.2, 0.5), ("b", 0.8, 0.9))
    assert "both on one axis" in same
    assert ">chatgpt_opendialkg</tspan>" in same
    assert same.count('text-anchor="start">0.20</text>') == 2
    other = slopes_of(("a", 0.2, 3.5), ("b", 0.8, 4.9))
    assert "each on its own axis, as the scales differ" in other
    assert other.count('text-anchor="start">0.20</text>') == 1


def test_the_page_says_what_it_is() -> None:
    tau = msgspec.structs.replace(ranking()[0], n={"real": Counts(10, 57, 0), "synthetic": Counts(10, 90, 0)})
    ranked = page(tau)
    assert "<title>Ranking by simulated users: " in ranked
    assert "Do simulated users order systems <em>as people do?</em>" in ranked
    assert "<b>57</b> episodes" in ranked
    assert "<b>57</b> conversations" not in ranked
    assert "<title>Training on synthetic users: " in page(*gaps())
    assert "<title>Audit of synthetic users: " in page(*gaps(), *ranking())
    assert "<title>Audit of synthetic users: " in page(*all_measurements())


@pytest.mark.parametrize(
    ("provenance", "shown"),
    [
        ({"real": "logs/people.csv", "simulated": {"one": "a.csv", "two": "b.csv"}}, ("people.csv", "one, two")),
        ({"real": "people.jsonl", "synthetic": ["x/a.jsonl", "b.jsonl"]}, ("people.jsonl", "a.jsonl, b.jsonl")),
        ({"real": 3, "synthetic": None}, ("unnamed", "unnamed")),
    ],
)
def test_a_page_without_cards_names_its_files(provenance: dict[str, object], shown: tuple[str, str]) -> None:
    text = render_html(make_report(ranking(), provenance=provenance))
    checked(text)
    assert re.findall(r'class="source" dir="auto">(.*?)</p>', text) == list(shown)


def test_faint_is_what_was_not_shown() -> None:
    own = section(page(ablation()), "transfer-ablation-genre")
    quiet = re.findall(r'row strips quiet">.*?<b dir="auto">(.*?)</b>', own, re.S)
    assert quiet == ["context", "subtopic x persona"]


def test_reactions_share_an_axis_only_with_their_unit() -> None:
    own = section(page(*reactions()), "reaction")
    assert own.count("Slope of reaction, departures") == 1
    assert own.count("Slope of reaction, words") == 1


def test_the_barred_families_are_told() -> None:
    assert "Fitted on length, punctuation: these are barred from judging." in page(mixture())


def _everything() -> list[Measurement]:
    return [*ranking(), *reactions(), *train_measurements()]


@pytest.mark.parametrize(
    "broken", [None, 3, "x", [], [None], {}, {"size": [1]}, {"system": [1, 2], "real": ["a", None]}]
)
def test_evidence_of_any_shape_renders(broken: object) -> None:
    found = _everything()
    page(*(msgspec.structs.replace(m, evidence=dict.fromkeys(m.evidence, broken)) for m in found))
    for k in range(max(len(m.evidence) for m in found)):
        spoiled = [list(m.evidence)[k : k + 1] for m in found]
        page(
            *(
                msgspec.structs.replace(m, evidence={**m.evidence, **dict.fromkeys(keys, broken)})
                for m, keys in zip(found, spoiled, strict=True)
            )
        )


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_stay_text(text: str) -> None:
    def spoiled(value: object) -> object:
        if isinstance(value, str):
            return text
        if isinstance(value, list):
            return [spoiled(v) for v in value]
        if isinstance(value, dict):
            return {k: spoiled(v) for k, v in value.items()}
        return value

    page(
        *(
            msgspec.structs.replace(
                m, evidence=spoiled(dict(m.evidence)), reason=(text or "?") if m.value is None else ""
            )
            for m in _everything()
        )
    )
    odd = [
        spec(f"{stem}.{text or 'x'}", text, text, question="train")
        for stem in ("transfer.gap_closed", "ranking.prediction_powered")
    ]
    page(*(scored(s, 0.5, 0.1, None) for s in odd))
