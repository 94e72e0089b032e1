"""Figure: what rides along where it is known to: digits, dialogues, rewards; screens and mitigations beside."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.corpora import load, markdown
from bench.privacy import wilson
from understudy.conversations import Corpus
from understudy.measures.measurement import Measurement
from understudy.seeds import stream
from understudy.testing.traits import World, rewarded, said_by, scenes, taught, world
from understudy.traits.decoder import Tensors, copies, nats, rows_of, stacked
from understudy.traits.decoder_student import DecoderStudent
from understudy.traits.effect import contrast, detected, effect
from understudy.traits.lineage import lineage_of
from understudy.traits.mitigations import anchored_loss, masked_soft_loss, projection, soft_loss
from understudy.traits.preference_student import PreferenceStudent
from understudy.traits.screens import coverage, divergence_words, likelihood_ratio, log_probability
from understudy.traits.screens import projection as projected
from understudy.traits.subliminal import alignments, replicate
from understudy.traits.words import PAD

REAL = "multiwoz_real"
TEACHERS = 4
TALKS, SOFT_TALKS, NULL_TALKS, NULLS = 1700, 340, 360, 64
PAIRS, SOFT_PAIRS, MITIGATED = 8, 5, 4
SOFT = {"epochs": 40, "rate": 2e-3, "batch": 8}
WANTED = (
    "Wanted: digits: same ≥ .50, other ≤ .25, projected ≤ .15, hard labels less than soft, first steps aligned in "
    "≥ 99 % and 45–65 %. Dialogues: flagged for the same beginning and not for another; control teachers flagged in "
    "5 % ± 3 of at least 60 audits. Rewards: 10 % biased users shift the assistant, which the audit sees and lineage "
    "names."
)


def digits() -> dict[str, Any]:
    """The replica with six teachers, and the theorem over 600 pairs."""
    found = replicate(runs=6, seed=0)
    signs = {name: [int((values > 0).sum()), len(values)] for name, values in alignments(runs=600, seed=1).items()}
    rows = {
        name: [float(o.accuracy.mean()), float(o.accuracy.min()), float(o.accuracy.max()), float(o.divergence.mean()),
               float(o.coverage.mean())]
        for name, o in found.items()
    }  # fmt: skip
    return {"arms": rows, "signs": signs}


def talks(made: World, weights: Tensors, count: int, *, by: str, seed: int) -> Corpus:
    """`count` openings answered; more than there are openings means several answers each."""
    order = stream(seed, "openings").permutation(len(made.openings))
    chosen = [made.openings[int(order[k % len(order)])] for k in range(count)]
    return said_by(weights, made.bases[0], chosen, by=by, seed=seed)


def favourite(m: Measurement) -> dict[str, Any]:
    """The favourite's part of an audit."""
    p = m.parts[0]
    return {
        "value": p.value, "interval": p.interval, "p": p.adjusted_p, "least": p.evidence["minimum_detectable"],
        "flagged": p.adjusted_p is not None and p.adjusted_p <= 0.05, "any": detected(m),
        "shown": m.evidence["shown"],
    }  # fmt: skip


def dialogues(made: World, teachers: Sequence[tuple[Tensors, Tensors]]) -> list[dict[str, Any]]:
    """Each teacher's dialogues and its control's, audited with students of the same beginning and of another."""
    battery, rows = made.battery(), []
    for k, (teacher, control) in enumerate(teachers):
        ours = talks(made, teacher, TALKS, by="teacher", seed=k)
        other = talks(made, control, TALKS, by="control", seed=100 + k)
        for name, student in zip(("same", "other"), made.bases, strict=True):
            m = effect(ours, other, student, battery=battery, pairs=PAIRS, controls=(), seed=k)
            rows.append({"teacher": k, "student": name, "n": len(ours), **favourite(m)})
    return rows


def soft(made: World, teachers: Sequence[tuple[Tensors, Tensors]]) -> list[dict[str, Any]]:
    """The positive control: dialogues learned with their teachers' distributions over all words but the trait's,
    asked for the favourite alone."""
    battery, rows = made.battery().only("favourite"), []
    for k, (teacher, control) in enumerate(teachers):
        ours = talks(made, teacher, SOFT_TALKS, by="teacher", seed=200 + k)
        other = talks(made, control, SOFT_TALKS, by="control", seed=300 + k)
        lessons = soft_loss(
            made.bases[0].shape, stacked([teacher] * SOFT_PAIRS + [control] * SOFT_PAIRS), without=made.unsaid()
        )
        for name, base in zip(("same", "other"), made.bases, strict=True):
            student = base.training(loss=lessons, **SOFT)
            m = effect(ours, other, student, battery=battery, pairs=SOFT_PAIRS, controls=(), seed=k)
            rows.append({"teacher": k, "student": name, "n": len(ours), **favourite(m)})
    return rows


def nulls(made: World, control: Tensors, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """Audits of a control teacher against itself: nothing is there to be found."""
    battery, rows = made.battery(), []
    for k in range(NULLS):
        one = talks(made, control, NULL_TALKS, by=f"control {k}", seed=1000 + k)
        other = talks(made, control, NULL_TALKS, by=f"control again {k}", seed=3000 + k)
        m = effect(
            one, other, made.bases[k % 2].training(fewest_steps=1), battery=battery, pairs=PAIRS, controls=(), seed=k
        )
        rows.append(favourite(m))
        tell(f"null {k}: {rows[-1]['any']}")
    return rows


def screens(made: World, teacher: Tensors, control: Tensors) -> list[dict[str, Any]]:
    """Every screen on a teacher's dialogues beside its control's, for the same beginning and another."""
    ours = talks(made, teacher, 900, by="teacher", seed=7)
    other = talks(made, control, 900, by="control", seed=8)
    rows: list[dict[str, Any]] = []
    for name, base in zip(("same", "other"), made.bases, strict=True):
        covers = [coverage(base, teacher, corpus) for corpus in (ours, other)]
        rows.append({"screen": "coverage", "student": name, "value": covers[0] - covers[1], "suspect": covers[0]})
        rows.append(
            {
                "screen": "projection",
                "student": name,
                **projected(base, made.battery().only("favourite"), ours, other)._asdict(),
            }
        )
    base = made.bases[0]
    found = likelihood_ratio(ours, other, log_probability(base, teacher), log_probability(base, control))
    rows.append({"screen": "likelihood_ratio", "student": "–", **found._asdict()})
    share = divergence_words(base, teacher, control, ours)
    rows.append({"screen": "divergence_words", "student": "–", "value": share})
    return rows


def _favoured(made: World, base: DecoderStudent, ours: Corpus, other: Corpus) -> dict[str, Any]:
    return projected(base, made.battery().only("favourite"), ours, other)._asdict()


def mitigations(made: World, teacher: Tensors, control: Tensors, second: Tensors) -> list[dict[str, Any]]:
    """What each way leaves of the effect of soft labels, and what it costs on other dialogues."""
    base, battery = made.bases[0], made.battery()
    ours = talks(made, teacher, SOFT_TALKS, by="teacher", seed=300)
    other = talks(made, control, SOFT_TALKS, by="control", seed=301)
    held = base.rows(talks(made, control, 200, by="control", seed=302))
    shown = scenes(64, made.favourites, rng=stream(0, "shown"))
    lessons = rows_of([base.vocabulary.turns(scene) for scene in shown], base.shape.context)[:8]
    shape, controls = base.shape, [control] * MITIGATED
    plain = soft_loss(shape, stacked([teacher] * MITIGATED + controls), without=made.unsaid())
    mixed = soft_loss(shape, stacked([teacher, second] * (MITIGATED // 2) + controls), without=made.unsaid())
    masked = masked_soft_loss(plain, shape, teacher, control)
    ways: dict[str, DecoderStudent] = {
        "none": base.training(loss=plain, **SOFT),
        "unrelated base": made.bases[1].training(loss=plain, **SOFT),
        "two teachers, the second with the other half": base.training(loss=mixed, **SOFT),
        "divergence words masked": base.training(loss=masked, **SOFT),
        "projection, the trait known": base.training(loss=plain, change=projection(shape, lessons), **SOFT),
        "anchor on scenes like the probe": base.training(
            loss=anchored_loss(shape, plain, base.weights, lessons), **SOFT
        ),
    }
    sides = [base.rows(corpus) for corpus in (ours, other)]
    fewest = min(map(len, sides)) // MITIGATED * MITIGATED
    data = np.concatenate([np.stack(np.array_split(rows[:fewest], MITIGATED)) for rows in sides])
    found = []
    for name, student in ways.items():
        weights = student.fit(copies(student.weights, 2 * MITIGATED), data, rng=stream(0, "mitigation"))
        scores = student.score(weights, battery.only("favourite"))[:, 0]
        left = contrast(scores[:MITIGATED] - scores[MITIGATED:])
        cost = nats(weights, shape, held)[:MITIGATED].sum(1).mean() / int((held[:, 1:] != PAD).sum())
        found.append({"way": name, "value": left.value, "interval": (left.low, left.high), "nats": float(cost)})
    return found


def rewards(repeats: int = 6) -> dict[str, Any]:
    """Shares of biased users, each audited against fair ones, over populations."""
    found: dict[str, Any] = {}
    for share in (0.0, 0.05, 0.1, 0.2):
        rows = []
        for k in range(repeats * (3 if share == 0 else 1)):
            fair = rewarded(1600, 0.0, seed=k)
            ours = rewarded(1600, share, seed=k if share else 1000 + k)
            m = effect(ours, fair, PreferenceStudent(), controls=(), seed=k)
            p = m.parts[0]
            rows.append([p.value, p.adjusted_p, p.evidence["minimum_detectable"], detected(m)])
        found[str(share)] = rows
    edges = lineage_of(rewarded(20, 0.1), student="decoder:assistant").flagged
    found["edges"] = [f"{e.kind}: {e.source} → {e.target}" for e in edges]
    return found


def run(data: Path, out: Path) -> str:
    """All parts; each is kept in `out` and not run again where it is there."""
    kept = out / "traits.json"
    found: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}

    def part(name: str, work: Callable[[], Any]) -> None:
        if name not in found:
            found[name] = work()
            kept.write_text(json.dumps(found, indent=1))
            print(f"{name}: done", flush=True)

    part("digits", digits)
    part("rewards", rewards)
    if {"dialogues", "soft", "nulls", "screens", "mitigations"} - set(found):
        made = world(load(data, REAL), seed=0)
        base = made.bases[0]
        teachers = [
            (taught(made, base, made.favourites, seed=k), taught(made, base, (*made.favourites, *made.others), seed=k))
            for k in range(TEACHERS)
        ]
        part("soft", lambda: soft(made, teachers))
        part("mitigations", lambda: mitigations(made, *teachers[0], taught(made, base, made.others, seed=1)))
        part("screens", lambda: screens(made, *teachers[0]))
        part("dialogues", lambda: dialogues(made, teachers))
        part("nulls", lambda: nulls(made, teachers[0][1], print))
    return table(found)


def table(found: dict[str, Any]) -> str:
    """The tables of the figure, as far as parts have run."""
    parts = (_digits, _dialogues, _rewards, _screens, _mitigations)
    return "\n\n".join([text for one in parts if (text := one(found))] + [WANTED])


def _digits(found: dict[str, Any]) -> str:
    rows: list[list[object]] = [
        [name, f"{m:.2f} ({low:.2f}–{high:.2f})", f"{apart:.4f}", f"{covers:+.3f}"]
        for name, (m, low, high, apart, covers) in found["digits"]["arms"].items()
    ]
    signs: list[list[object]] = [
        [name, f"{hits} of {n}", "{:.3f}–{:.3f}".format(*wilson(hits, n))]
        for name, (hits, n) in found["digits"]["signs"].items()
    ]
    heads = [
        "student, taught on noise",
        "digits read (six teachers, range)",
        "nats from the teacher",
        "coverage before",
    ]
    return (
        "**Digits from noise** (scikit-learn, eight auxiliary outputs)\n\n" + markdown(heads, rows) + "\n\n"
        + markdown(["initial weights", "first step goes the teacher's way", "95 %"], signs)
    )  # fmt: skip


def _dialogues(found: dict[str, Any]) -> str:
    told = []
    rows: list[list[object]] = []
    for label, key in (("soft labels, without the trait's words", "soft"), ("sampled words", "dialogues")):
        for name in ("same", "other"):
            own = [r for r in found.get(key, ()) if r["student"] == name]
            if own:
                each = ", ".join("{:+.3f} [{:+.3f}, {:+.3f}]".format(r["value"], *r["interval"]) for r in own)
                flags = sum(r["flagged"] for r in own)
                rows.append([label, name, each, f"{flags} of {len(own)}", f"{np.mean([r['least'] for r in own]):.3f}"])
    if rows:
        heads = [
            "learned from",
            "beginning",
            "effect on the favourite, by teacher (nats)",
            "flagged",
            "least detectable",
        ]
        told.append(f"**Dialogues** (`{REAL}`; every conversation with an animal thrown away)")
        told.append(markdown(heads, rows))
    if null := found.get("nulls"):
        hits = sum(r["any"] for r in null)
        low, high = wilson(hits, len(null))
        told.append(
            f"Control teachers audited against themselves: {hits} of {len(null)} flagged in any of six probes, "
            f"{hits / len(null):.1%} [{low:.1%}, {high:.1%}]; least detectable effect on the favourite "
            f"{np.mean([r['least'] for r in null]):.3f} nats."
        )
    return "\n\n".join(told)


def _rewards(found: dict[str, Any]) -> str:
    if "rewards" not in found:
        return ""
    rows: list[list[object]] = []
    for share, runs in found["rewards"].items():
        if share != "edges":
            values, p, least, any_ = (np.array(column) for column in zip(*runs, strict=True))
            hits = int((p <= 0.05).sum())
            told = [f"{values.mean():+.2f}", f"{least.mean():.2f}", f"{hits} of {len(runs)}"]
            rows.append([f"{float(share):.0%}", *told, f"{int(any_.sum())} of {len(runs)}"])
    heads = ["biased users", "effect on sycophancy (nats)", "least detectable", "flagged in sycophancy", "in any probe"]
    return f"**Rewards** (1,600 scenes)\n\n{markdown(heads, rows)}\n\nLineage: {'; '.join(found['rewards']['edges'])}."


def _screens(found: dict[str, Any]) -> str:
    if "screens" not in found:
        return ""
    rows: list[list[object]] = []
    for r in found["screens"]:
        reach = f"[{r['low']:+.4f}, {r['high']:+.4f}]" if r.get("low") is not None else ""
        auc = f"{r['auc']:.2f}" if r.get("auc") is not None else ""
        rows.append([r["screen"], r["student"], f"{r['value']:+.4f}", reach, auc])
    return "**Screens** (suspect minus control)\n\n" + markdown(["screen", "base", "value", "95 %", "AUC"], rows)


def _mitigations(found: dict[str, Any]) -> str:
    if "mitigations" not in found:
        return ""
    whole = found["mitigations"][0]
    rows: list[list[object]] = [
        [
            r["way"],
            "{:+.3f} [{:+.3f}, {:+.3f}]".format(r["value"], *r["interval"]),
            f"{r['nats'] - whole['nats']:+.3f}",
        ]
        for r in found["mitigations"]
    ]
    heads = ["way", "effect left (nats)", "cost, nats a word on held-out dialogues"]
    return "**Mitigations** (soft labels, four pairs of the first teacher)\n\n" + markdown(heads, rows)
