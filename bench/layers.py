"""Figure: the layered plan with embedded speakers on a real corpus, and its account under injected faults."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.corpora import load, markdown
from understudy.cli.generating import Embedded, Run, Whole, journal_for, provenance_of
from understudy.conversations import Corpus
from understudy.models.model import Request
from understudy.models.scripted import Scripted
from understudy.scenarios.coverage import cover
from understudy.scenarios.generation import Generated, generate
from understudy.scenarios.goodness import holm
from understudy.scenarios.plan import Plan, parse_plan
from understudy.scenarios.preparation import Prepared, exemplar_names, prepare
from understudy.scenarios.sidecar import sidecar
from understudy.seeds import stream

PLANNED = 512
MOST_TALKS = 900
CORPORA = {"persuasionforgood_real": "meta.persuadee.big5", "multiwoz_real": ""}
CONTEXTS = {
    "fit": ["duration", "fillers", "hedges", "short_turns", "typos"],
    "medium": {"chat": 6, "sms": 2, "email": 1},
    "rules": [
        {"when": {"medium": "sms"}, "set": "formality", "to": {"informal": 7, "neutral": 3}},
        {"when": {"medium": "email"}, "set": "formality", "to": {"neutral": 4, "formal": 6}},
    ],
    "forbid": [{"medium": "email", "familiarity": "close"}],
}


def run(data: Path, out: Path) -> str:
    """Tables of design, realisation and rates on each corpus, and of the accounts under faults."""
    parts = []
    for name, big_five in CORPORA.items():
        parts.append(_on_corpus(data, out, name, big_five))
    parts.append(_under_faults(load(data, "dialogsum_real")))
    return "\n\n".join(parts)


def _halves(corpus: Corpus) -> tuple[Corpus, Corpus]:
    """A reference and a test set by unit."""
    names = np.unique(corpus.unit_ids)
    chosen = np.isin(corpus.unit_ids, stream(0, "layers").permutation(names)[: (4 * len(names)) // 5])
    return corpus.subset(np.flatnonzero(chosen)[:MOST_TALKS]), corpus.subset(np.flatnonzero(~chosen))


def _carry_out(plan: Plan, prepared: Prepared, speakers: Any, concurrency: int = 16) -> Generated:
    attempts = max(plan.realisation.attempts, plan.calibration.candidates)
    provenance = provenance_of(speakers, plan, seed=prepared.seed)
    with (
        tempfile.TemporaryDirectory() as folder,
        journal_for(Path(folder, "run"), plan, {}, attempts=attempts, resume=False) as journal,
        asyncio.Runner() as runner,
    ):
        run = Run(journal, plan, runner, attempts=attempts, concurrency=concurrency)
        return generate(prepared, lambda tasks: run.play(speakers, tasks, provenance))


def _on_corpus(data: Path, out: Path, name: str, big_five: str) -> str:
    reference, test = _halves(load(data, name))
    plan = parse_plan(
        {
            "n": PLANNED,
            "topics": {"source": "reference", "most": 6, "subtopics": 4},
            "contexts": CONTEXTS,
            "personas": {"big_five": {"fit": big_five}} if big_five else {},
            "realisation": {"enforce": ["duration"], "attempts": 8},
        }
    )
    started = time.perf_counter()
    prepared = prepare(plan, reference=reference, test=test, seed=0)
    speakers = Embedded(prepared)
    made = _carry_out(plan, prepared, speakers)
    seconds = time.perf_counter() - started
    account = sidecar(prepared, made, provenance=provenance_of(speakers, plan, seed=0))
    (out / f"layers-{name}.json").write_text(json.dumps(account))
    return "\n\n".join(
        [
            f"**{name}**: {len(reference)} conversations to fit to, {len(test)} held back; {PLANNED} scenarios in "
            f"{seconds:.0f} s. {speakers.says.capitalize()}.",
            _design(prepared, made),
            _realisation(made),
            _rates(made),
            _accounts(made),
        ]
    )


def _design(prepared: Prepared, made: Generated) -> str:
    planned = prepared.coverage
    kept = {o.scenario for o in made.outcomes if o.outcome == "accepted"}
    accepted = [s for s in prepared.scenarios if s.id in kept]
    after = cover(accepted, prepared.layers.strata, prepared.joint, prepared.personality)
    rows = []
    for what, c in (("designed", planned), ("accepted", after)):
        single = [f for f in c.fits if " x " not in f.what]
        pairs = [f for f in c.fits if " x " in f.what]
        rows.append(
            [
                what,
                f"{holm(single):.2f} ({len(single)})",
                f"{holm(pairs):.2f} ({len(pairs)})",
                max(f.largest_gap for f in single),
                sum(f.impossible for f in c.fits),
                f"{c.one_way[0]}/{c.one_way[1]}",
                f"{c.two_way[0]}/{c.two_way[1]} ({c.two_way_expected:.0f})",
                c.big_five["largest_correlation_gap"],
                f"{max(abs(v) for v in c.big_five['mean'].values()):.3f}",
            ]
        )
    header = [
        "scenarios", "margins: Holm p of χ² (tests)", "pairs: Holm p (tests)", "largest gap of a margin",
        "in forbidden cells", "levels reached", "pairs reached (independent draws)",
        "Big Five: largest gap of a correlation", "largest mean",
    ]  # fmt: skip
    return markdown(header, rows)


def _realisation(made: Generated) -> str:
    rows: list[list[object]] = []
    for first, kept in zip(made.realised_at_first, made.realised, strict=True):
        if kept.accuracy is None or first.accuracy is None:
            rows.append([kept.name, "unscored: " + (kept.reason or first.reason), "", "", "", "", ""])
            continue
        table = " / ".join(" ".join(str(v) for v in row) for row in kept.table) if len(kept.table) <= 3 else ""
        rows.append(
            [
                kept.name,
                "words" if kept.how.startswith("recovered") else "rule",
                f"{first.accuracy:.2f}",
                f"{kept.accuracy:.2f} ({kept.chance:.2f})",
                f"{kept.bits:.2f}",
                f"{kept.p_value:.3f}",
                table,
            ]
        )
    header = ["asked → realised", "read by", "first attempts", "kept (chance)", "bits", "p", "confusion, asked in rows"]
    return markdown(header, rows)


def _rates(made: Generated) -> str:
    rows = [
        [r.name, f"{r.target:.4f} ± {2 * r.error:.4f}", f"{r.before:.4f}", f"{r.after:.4f}", "yes" if r.met else "no"]
        for r in made.rates
    ]
    return markdown(["rate", "real ± 2 s.e.", "first candidates", "kept", "met"], rows)


def _accounts(made: Generated) -> str:
    a = made.accounts
    return (
        f"planned {a.planned} = accepted {a.accepted} + deduplicated {a.deduplicated} + rejected {dict(a.rejected)} + "
        f"failed {dict(a.failed)}: {'balanced' if a.balanced else 'NOT BALANCED'}; {a.attempts} attempts = "
        f"{a.attempts_passed} passed + {dict(a.attempts_rejected)} + {dict(a.attempts_failed)}"
    )


def _under_faults(real: Corpus) -> str:
    """A scripted model that breaks its answers in known shares: the account has to show exactly those."""
    reference, test = _halves(real)
    rows = []
    for share in (0.0, 0.2, 0.6):
        injected = {"unparsable": 0, "reasoning_in_turn": 0, "one_sided": 0}

        def answer(request: Request, share: float = share, injected: dict[str, int] = injected) -> str:
            rng = stream(request.seed or 0, "answer")
            said = " ".join(f"w{k}" for k in rng.integers(0, 9999, 30))
            turns = [{"role": "user", "text": said}, {"role": "assistant", "text": "I see."}]
            if rng.random() < share:
                kind = tuple(injected)[int(rng.integers(3))]
                injected[kind] += 1
                if kind == "unparsable":
                    return f"User: {said}\nAssistant: I see."
                turns = turns[:1] if kind == "one_sided" else [*turns, {"role": "user", "text": "<cot>so</cot> bye"}]
            return "<think>as asked</think>" + json.dumps({"reasoning": "", "turns": turns})

        topics = [{"name": "everyday life", "subtopics": ["at home", "at work", "on the way"]}]
        plan = parse_plan({"n": 400, "topic": topics, "calibration": {"enabled": False}, "writing": {"mode": "whole"}})
        prepared = prepare(plan, reference=reference, test=test, exemplars=True, seed=1)
        made = _carry_out(plan, prepared, Whole(Scripted(answer, name="faulty"), prepared))
        told = {name.removeprefix("user: "): n for name, n in made.accounts.attempts_failed.items()}
        leaked = sum("<" in turn.text or "as asked" in turn.text for t in made.conversations for turn in t.turns)
        rows.append(
            [
                f"{share:.0%}",
                sum(injected.values()),
                sum(told.values()),
                "yes" if told == {k: v for k, v in injected.items() if v} else f"NO: {injected} {told}",
                made.accounts.accepted,
                dict(made.accounts.failed),
                "yes" if made.accounts.balanced else "NO",
                leaked,
                len(exemplar_names(prepared.scenarios)),
            ]
        )
    header = [
        "broken answers", "injected", "in the account", "equal by kind", "accepted of 400", "failed", "balanced",
        "turns with markup or reasoning", "different sets of exemplars",
    ]  # fmt: skip
    return "**Injected parse failures** (one call a conversation, up to three attempts)\n\n" + markdown(header, rows)
