"""Figure: known truths. Sets of known making are told apart, for known reasons, between floor and ceiling."""

from __future__ import annotations

import itertools
import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from bench.corpora import halves, load, markdown
from understudy.conversations import Corpus
from understudy.conversations.cleaning import normalised
from understudy.measures.measurement import Measurement, flatten
from understudy.measures.realism.discriminator import sample_units
from understudy.reports.audit import DEFAULT_MEASURES, audit, run_measures
from understudy.rollouts.partners import open_partner
from understudy.rollouts.simulate import simulate
from understudy.seeds import stream
from understudy.users.opening import open_users

PERMUTATIONS = 199
RUNG = 346
MOST = 1000


class Pair(NamedTuple):
    """A synthetic set, the real one it stands for, and another real corpus of the domain."""

    synthetic: str
    real: str
    ceiling: str | None


PAIRS = (
    Pair("structured", "redial_real", "crsarena_humanbot_real"),
    Pair("structured", "multiwoz_real", "woz2_real"),
    Pair("ncuser_multiwoz_llm", "multiwoz_real", "woz2_real"),
    Pair("diasynth_phi3_llm", "dialogsum_real", "topicalchat_real"),
    Pair("synthetic_persona_chat_llm", "personachat_real", "topicalchat_real"),
    Pair("recllmsim_llm", "recllmsim_human_real", None),
)
LADDER = ("babi5_rulesim", "m2m_simR_sim", "sgd_sim", "woz2_real", "multiwoz_real")


def structured(data: Path, real: str, n: int) -> Corpus:
    """Structured users with the real corpus's goals, talking to a partner fitted to its assistant turns."""
    path = str(data / f"{real}.jsonl.zst")
    users, partner = open_users(f"structured:{path}"), open_partner(f"fitted:{path}")
    return Corpus(simulate(users, partner, n=n, seed=0).conversations)


def audit_pair(task: tuple[Path, Pair]) -> dict[str, Any]:
    data, pair = task
    rng = stream(0, "truths", pair.synthetic, pair.real)
    real = sample_units(load(data, pair.real), MOST, rng)
    if pair.synthetic == "structured":
        synthetic = structured(data, pair.real, len(real))
    else:
        synthetic = sample_units(load(data, pair.synthetic), MOST, rng)
    other = sample_units(load(data, pair.ceiling), MOST, rng) if pair.ceiling else None
    report = audit(real, synthetic, other_real=other, seed=0, permutations=PERMUTATIONS)
    return {"pair": pair._asdict(), "measurements": json.loads(_encode(report.measurements))}


def _encode(measurements: Any) -> bytes:
    import msgspec

    return msgspec.json.encode(measurements)


def _number(estimate: Any, digits: int = 2) -> str:
    if not estimate or estimate.get("value") is None:
        return "–"
    text = f"{estimate['value']:.{digits}f}"
    if estimate.get("interval"):
        low, high = estimate["interval"]
        text += f" [{low:.{digits}f}, {high:.{digits}f}]"
    return text


def pair_table(results: list[dict[str, Any]]) -> str:
    rows: list[list[object]] = []
    for result in results:
        by_name = {m["name"]: m for m in result["measurements"]}
        gaps = [
            m
            for name, m in by_name.items()
            if name.startswith("realism.messiness.")
            and m.get("value") is not None
            and (m.get("adjusted_p") or 1) <= 0.05
        ]
        gaps.sort(key=lambda m: -m["evidence"]["total_variation"])
        shown = [m for m in gaps if not m["name"].endswith("n_chars")][:5]
        shown += [m for m in gaps if m["name"].endswith(".hedges") and m not in shown]
        worst = ", ".join(
            f"{m['name'].rsplit('.', 1)[1]} {m['evidence']['synthetic']:.2f} vs {m['evidence']['real']:.2f}"
            for m in shown
        )
        for part in ("words", "all"):
            m = by_name[f"realism.discriminator.{part}"]
            rows.append(
                [
                    f"{result['pair']['synthetic']} vs {result['pair']['real']}" if part == "words" else "",
                    part,
                    _number(m),
                    m["p_value"],
                    _number(m.get("floor")),
                    _number(m.get("ceiling")),
                    worst if part == "words" else "",
                ]
            )
    return markdown(["sets", "features", "AUC", "p", "floor", "ceiling", "behaviours that differ most"], rows)


def ladder(data: Path) -> str:
    """Each rung against the same half of MultiWOZ, surface form normalised: which headline numbers keep the order?"""
    real, held_out = halves(normalised(load(data, "multiwoz_real")), stream(0, "ladder"))
    rng = stream(1, "ladder")
    columns: dict[str, dict[str, Measurement]] = {}
    for rung in LADDER:
        other = held_out if rung == "multiwoz_real" else normalised(load(data, rung))
        sides = (sample_units(real, RUNG, rng), sample_units(other, RUNG, rng))
        results, _ = run_measures(*sides, seed=0, permutations=19)
        columns[rung] = {m.name: m for m in flatten(results)}
    rows: list[list[object]] = []
    for name in (n for n in DEFAULT_MEASURES if n not in ("separability.icc", "separability.identification")):
        cells = [columns[rung][name] for rung in LADDER]
        values = [float(c.value) if c.value is not None else float("nan") for c in cells]
        toward = [-v if name == "realism.coverage" else abs(v) for v in values]
        made = [toward[LADDER.index(r)] for r in ("babi5_rulesim", "m2m_simR_sim", "sgd_sim", "multiwoz_real")]
        rows.append([name, *[f"{v:.3f}" for v in values], _descends(made), _descends(toward)])
    header = ["measure", *LADDER[:-1], "multiwoz_real, held out", "orders by making", "woz2 between as well"]
    return markdown(header, rows)


def _descends(values: list[float]) -> str:
    return "yes" if all(a > b + 1e-3 for a, b in itertools.pairwise(values)) else "no"


def run(data: Path, out: Path, workers: int = 2) -> str:
    with ProcessPoolExecutor(workers) as pool:
        results = list(pool.map(audit_pair, [(data, pair) for pair in PAIRS]))
    (out / "truths.json").write_text(json.dumps(results))
    return f"{pair_table(results)}\n\n{icc_table(results)}\n\n{ladder(data)}"


def icc_table(results: list[dict[str, Any]]) -> str:
    """ICC(user) of each style feature, people beside the simulated users that stand for them."""
    rows: list[list[object]] = []
    for result in results:
        for m in result["measurements"]:
            if m["name"].startswith("separability.icc.") and m.get("value") is not None:
                e = m["evidence"]
                name = m["name"].rsplit(".", 1)[1]
                rows.append([result["pair"]["synthetic"], name, f"{e['real']:.2f}", f"{e['synthetic']:.2f}"])
    return markdown(["synthetic set", "style feature", "ICC of people", "ICC of synthetic users"], rows)
