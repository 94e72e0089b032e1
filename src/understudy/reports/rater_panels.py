"""What human raters said, in figures: whether they can tell, how they rate, what they take the partner for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from understudy.measures.measurement import Measurement
from understudy.measures.pmq import POINTS
from understudy.measures.raters.records import RATING_ITEMS, RATING_POINTS
from understudy.reports.evidence import Table
from understudy.reports.findings import differs, p_of
from understudy.reports.lanes import Entry, Mark, axis_for, lanes_of
from understudy.reports.panels import Figure, Panel, family, lanes_table
from understudy.reports.plots import Scale
from understudy.reports.rater_findings import TOLD, told_sentence
from understudy.reports.wording import evidence_number, interval, number, p_text

RATED, PARTNER = "panel.rating", "panel.pmq"
RATERS = (TOLD, RATED, PARTNER)
CHAPTER = "What human raters say"


def rater_panels(heads: Sequence[Measurement], parts: Mapping[str, Sequence[Measurement]]) -> list[Panel]:
    """Every panel of a raters' panel among `heads`."""
    panels = [told_panel(m, parts.get(m.name, ())) for m in heads if m.name == TOLD and m.value is not None]
    for name, make in ((RATED, rated_panel), (PARTNER, partner_panel)):
        found = [m for m in family(heads, name) if m.value is not None]
        panels += [make(found, parts)] if found else []
    return panels


def told_panel(m: Measurement, parts: Sequence[Measurement]) -> Panel:
    """d' beside guessing, the share of pairs, and who was left out."""
    by_name = {p.name.removeprefix(f"{TOLD}."): p for p in parts}
    everybody, share = by_name.get("all_raters"), by_name.get("percent_correct")
    entries = [Entry("attentive raters", *_marked(m))]
    if everybody is not None and everybody.value is not None:
        entries.append(Entry("with inattentive ones", *_marked(everybody), quiet=True))
    figure = lanes_of(
        entries,
        ("d′", "95 % interval", "p"),
        axis=axis_for(entries, always=(0.0, 2.0)),
        rules=((0.0, "guessing"),),
        key=(("synthetic", "how well people tell synthetic users from real ones"),),
    )
    return Panel(
        anchor="told-by-people",
        title="Told apart by people",
        asks=m.spec.asks,
        reading=told_sentence(m, share),
        figures=(Figure("Sensitivity", lanes_table("sensitivity", figure), figure),),
        asides=(_who(m.evidence), "d′ takes a liking for one side out: 0 is guessing, at 1 people find the real user"
                " in 76 of 100 pairs, at 2 in 92."),
        tables=tuple(_agreements([p for p in parts if p.name.endswith(".agreement")], {TOLD: "which user is real"})),
    )  # fmt: skip


def _who(e: Mapping[str, Any]) -> str:
    """Who judged, and who was left out."""
    told = f"{e.get('raters', 0)} raters judged {e.get('pairs', 0)} pairs, {e.get('judgements', 0)} times in all."
    told += f" Of {e.get('catch_trials', 0)} catch trials {e.get('catch_trials_right', 0)} were answered rightly;"
    told += f" {e.get('excluded_raters', 0)} raters who missed one were left out. {e.get('withdrawn', 0)} withdrew."
    return told


def rated_panel(found: Sequence[Measurement], parts: Mapping[str, Sequence[Measurement]]) -> Panel:
    """Each statement with the mean rating of real and synthetic users."""
    texts = {f"{RATED}.{item.key}": item.text for item in RATING_ITEMS}
    entries = []
    for m in found:
        ends = [_pair(m.evidence.get(f"{side}_interval")) for side in ("real", "synthetic")]
        means = [evidence_number(m, side) for side in ("real", "synthetic")]
        marks = tuple(
            Mark(side, mean, end)
            for side, mean, end in zip(("real", "synthetic"), means, ends, strict=True)
            if mean is not None
        )
        numbers = (*(number(mean, 2) for mean in means), p_text(p_of(m)))
        entries.append(Entry(texts.get(m.name, m.name), marks, numbers, quiet=not differs(m)))
    figure = lanes_of(
        entries,
        ("people", "synthetic", "adjusted p"),
        axis=axis_for(entries, always=(1.0, float(RATING_POINTS)), within=(1.0, float(RATING_POINTS))),
        layout="rates",
        key=(("real", "real users, with 95 % interval"), ("synthetic", "synthetic users")),
    )
    off = [texts.get(m.name, m.name) for m in found if differs(m)]
    reading = (
        f"Rated otherwise than real users on {len(off)} of {len(found)} statements."
        if off
        else f"No difference was shown on any of {len(found)} statements. That does not show that there is none."
    )
    agreements = [p for m in found for p in parts.get(m.name, ()) if p.name.endswith(".agreement")]
    return Panel(
        anchor="rated-by-people",
        title="Rated by people",
        asks="How do people rate the users of conversations, not knowing which are synthetic?",
        reading=reading,
        figures=(Figure(f"Mean ratings, 1 to {RATING_POINTS}", lanes_table("mean ratings", figure), figure),),
        asides=("Intervals take raters and conversations for samples, both.",),
        tables=(_gaps(found, texts), *_agreements(agreements, texts)),
    )


def partner_panel(found: Sequence[Measurement], parts: Mapping[str, Sequence[Measurement]]) -> Panel:
    """The three scores of the partner questionnaire."""
    entries = [Entry(m.spec.asks.partition(":")[0], *_marked(m)) for m in found]
    figure = lanes_of(
        [e._replace(numbers=e.numbers[:2]) for e in entries],
        ("mean", "95 % interval"),
        axis=Scale(1.0, float(POINTS), 1.0),
        rules=(((1 + POINTS) / 2, "middle"),),
        key=(("synthetic", "mean over people, with 95 % interval"),),
    )
    first = found[0].evidence
    partner = first.get("partner") or "the partner"
    out = first.get("not_scored")
    left = "; ".join(f"{count} {why}" for why, count in out.items()) if isinstance(out, Mapping) and out else "none"
    rows = []
    for m in found:
        for p in parts.get(m.name, ()):
            value = number(p.value, 2) if p.value is not None else f"not scored: {p.reason}"
            rows.append((m.spec.asks.partition(":")[0], p.spec.unit, value, interval(p.interval, 2)))
    table = Table(
        "do the items hang together", ("scale", "", "value", "95 % interval"), tuple(rows), (False, False, True, True)
    )
    return Panel(
        anchor="partner-by-people",
        title="What people take the partner for",
        asks=f"After talking with {partner}: how competent, how human-like, how flexible?",
        reading="",
        figures=(Figure(f"Partner questionnaire, 1 to {POINTS}", lanes_table("scores", figure), figure),),
        asides=(
            f"{first.get('filled_in', 0)} questionnaires; not scored: {left}. It was made for speech partners;"
            " no validation in text chat is known.",
        ),
        tables=(table,) if rows else (),
    )


def _marked(m: Measurement) -> tuple[tuple[Mark, ...], tuple[str, ...]]:
    assert m.value is not None
    numbers = (number(m.value, 2), interval(m.interval, 2), p_text(p_of(m)))
    return (Mark("synthetic", m.value, m.interval),), numbers


def _pair(bounds: object) -> tuple[float, float] | None:
    whole = isinstance(bounds, (list, tuple)) and len(bounds) == 2
    return (float(bounds[0]), float(bounds[1])) if whole else None  # type: ignore[index]


def _gaps(found: Sequence[Measurement], texts: Mapping[str, str]) -> Table:
    rows = tuple(
        (texts.get(m.name, m.name), number(m.value, 2, signed=True), interval(m.interval, 2), p_text(p_of(m)))
        for m in found
    )
    heads = ("statement", "synthetic − real", "95 % interval", "adjusted p")
    return Table("gaps", heads, rows, (False, True, True, True))


def _agreements(found: Sequence[Measurement], texts: Mapping[str, str]) -> list[Table]:
    rows = []
    for m in found:
        label = texts.get(m.name.removesuffix(".agreement"), m.name)
        if m.value is None:
            rows.append((label, f"not scored: {m.reason}", "–", "–", "–"))
            continue
        gwet, kappa = (evidence_number(m, key) for key in ("gwet", "kappa"))
        rows.append((label, number(m.value, 2), interval(m.interval, 2), number(gwet, 2), number(kappa, 2)))
    heads = ("", "Krippendorff’s α", "95 % interval", "Gwet’s AC", "Fleiss’ κ")
    return [Table("agreement of raters", heads, tuple(rows), (False, True, True, True, True))] if rows else []
