"""Figure: the ledger. Every study on the bundled sample and on the data folder: verdicts, numbers, time."""

from __future__ import annotations

import time
from pathlib import Path

from bench.corpora import load
from understudy.claims.evidence import Evidence, Named
from understudy.claims.ledger import Entry, append, read_ledger
from understudy.claims.record import read_claims
from understudy.claims.study import run_studies
from understudy.claims.tables import overview, page
from understudy.sample import sample_corpus

DOCS = Path(__file__).parent.parent / "docs"
LEDGER = DOCS / "results" / "ledger.jsonl"
PEOPLE: dict[str, tuple[str, ...]] = {
    "multiwoz_real": ("ncuser_multiwoz_llm", "sgd_sim"),
    "dialogsum_real": ("diasynth_phi3_llm",),
    "personachat_real": ("synthetic_persona_chat_llm",),
    "recllmsim_human_real": ("recllmsim_llm",),
    "redial_real": (),
    "star_real": (),
    "persuasionforgood_real": (),
    "uss_redial_real": (),
}
WANTED = "Wanted: every finding has a study that runs; at most 15 minutes on the sample, 90 on the data, on two cores."


def run(data: Path, out: Path, workers: int = 2) -> str:
    """All claims, twice; their verdicts are added to the ledger of the docs."""
    claims = list(read_claims().values())
    people = [
        Named(name, load(data, name), tuple(Named(made, load(data, made)) for made in synthetic))
        for name, synthetic in PEOPLE.items()
    ]
    told = []
    for on, evidence in (
        ("the sample", Evidence((Named("sample", sample_corpus()),))),
        ("DATA", Evidence(tuple(people))),
    ):
        started = time.perf_counter()
        entries: list[Entry] = []
        for entry in run_studies(claims, evidence, workers=workers):
            append(LEDGER, entry)
            entries.append(entry)
        minutes = (time.perf_counter() - started) / 60
        slow = ", ".join(f"{e.claim} {e.seconds:.0f} s" for e in sorted(entries, key=lambda e: -e.seconds)[:3])
        told.append(f"On {on}: {minutes:.1f} minutes with {workers} processes; longest: {slow}.")
    every = read_ledger(LEDGER)
    (DOCS / "claims.md").write_text(page(read_claims(), every), "utf-8")
    shown = {claim.id: claim for claim in claims if claim.kind in ("finding", "question")}
    return "\n\n".join([WANTED, *told, overview(shown, every)])
