"""`understudy privacy`: does a synthetic set give away the people it was learned from?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from understudy.cli import options
from understudy.cli.corpora import describe, load_corpus, refuse_same, refuse_swapped
from understudy.cli.destinations import file_for, folder_for
from understudy.cli.output import Output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from understudy.conversations import Corpus
    from understudy.measures.measurement import Measurement

ALPHA = 0.05

Synthetic = Annotated[str, typer.Argument(metavar="SYN", help="Synthetic conversations.")]
Train = Annotated[str, typer.Option("--train", metavar="REAL", help="Real conversations that they were learned from.")]
Holdout = Annotated[
    str, typer.Option("--holdout", metavar="REAL", help="Real conversations of other users, set aside before.")
]
Out = Annotated[
    str | None, typer.Option("--out", "-o", metavar="FOLDER", help="Write report.json and report.html here.")
]
Redact = Annotated[
    str | None, typer.Option("--redact", metavar="FILE", help="Write SYN without what looks like personal data here.")
]


def privacy(
    synthetic: Synthetic,
    train: Train,
    holdout: Holdout,
    out: Out = None,
    redact: Redact = None,
    user_role: options.UserRole = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Look for real users' words in a synthetic set.

    Needs the conversations it was learned from and others of the same source that it was not, split by user at
    random before (`understudy split`). A set that repeats its training users more than the others gives them away.
    Nothing here proves that a set gives nothing away: what is not detected is said with what could have been.

    \b
    understudy split logs.jsonl --out parts/
    understudy privacy syn.jsonl --train parts/train.jsonl --holdout parts/held-out.jsonl --out report/
    """
    from understudy.conversations.splitting import check_no_leak
    from understudy.reports.report import make_report, save_report

    output = Output(json=json, quiet=quiet)
    for path in (train, holdout):
        refuse_same(path, synthetic)
    refuse_same(holdout, train)
    ours = load_corpus(synthetic, user_role=user_role, origin="synthetic", output=output)
    known = load_corpus(train, user_role=user_role, origin="real", output=output)
    others = load_corpus(holdout, user_role=user_role, origin="real", output=output)
    refuse_swapped(known, train, "privacy")
    check_no_leak([known, others])
    for path, corpus in ((synthetic, ours), (train, known), (holdout, others)):
        output.note(f"{path}: {describe(corpus)}", "dim")
    folder = folder_for(out) if out else None
    file = file_for(redact, "--redact", inputs=(synthetic, train, holdout)) if redact else None
    found = _measure(known, ours, others, seed, output)
    redacted = _redact(ours, str(file)) if file else {}
    provenance = {
        "verb": "privacy",
        "seed": seed,
        "corpora": {
            "real": {"source": train, "users_known": known.has_users},
            "synthetic": {"source": synthetic, "users_known": ours.has_users},
            "holdout": {"source": holdout, "users_known": others.has_users},
        },
        "redacted": redacted,
    }
    report = make_report(found, provenance=provenance)
    if folder:
        save_report(report, folder)

    def show(o: Output) -> None:
        _show(found, o)
        if file:
            o.line(f"redacted: {_told_redacted(found, redacted)}, in {file}; rules miss what has no form they know")
        if folder:
            o.line(f"report: {folder / 'report.html'}", "bold")

    output.result(msgspec.to_builtins(report), show)


def _measure(train: Corpus, synthetic: Corpus, holdout: Corpus, seed: int, output: Output) -> list[Measurement]:
    from understudy.measures.privacy.copying import verbatim
    from understudy.measures.privacy.disclosure import disclosure
    from understudy.measures.privacy.nearest_distance import nearest_distance
    from understudy.measures.privacy.personal_data import personal_data
    from understudy.seeds import stream

    chosen = (disclosure, verbatim, personal_data, nearest_distance)
    found = []
    with output.progress() as on_progress:
        for k, measure in enumerate(chosen):
            on_progress(measure.spec.name, k, len(chosen))
            rng = stream(seed, "privacy", measure.spec.name)
            found.append(measure(train, synthetic, rng=rng, holdout=holdout))
    return found


def _redact(corpus: Corpus, path: str) -> dict[str, int]:
    from understudy.conversations.writing import write_corpus
    from understudy.measures.privacy.personal_data import redact_corpus

    without, counted = redact_corpus(corpus)
    write_corpus(path, without)
    return counted


def _told_redacted(found: list[Measurement], redacted: Mapping[str, int]) -> str:
    """How many stretches were taken out, and of whose turns: only the users' are measured."""
    total = sum(redacted.values())
    users = sum(sum(m.evidence["kinds"]["synthetic"]) for m in found if "kinds" in m.evidence)
    return f"{total:,} stretches, {users:,} in user turns (the hits above) and {total - users:,} in the partner's"


def verdict(m: Measurement) -> str:
    """One measurement in words, which never say that nothing is given away."""
    said = {
        "privacy.disclosure": _disclosed,
        "privacy.verbatim": _copied,
        "privacy.personal_data": _personal,
        "privacy.nearest_distance": _distance,
    }
    return f"unscored: {m.reason}" if m.value is None else said[m.name](m)


def _disclosed(m: Measurement) -> str:
    e = m.evidence
    if e["exchangeable_p"] <= 0.01:
        return f"void: train and held-out users differ (p {e['exchangeable_p']:.3f}); split them at random, by user"
    if m.p_value is not None and m.p_value <= ALPHA:
        return f"DETECTED (p {m.p_value:.3f}): it repeats its training users more than users it never saw"
    least = e["minimum_detectable"]
    n = f"{m.n['real'].users:,} train and {e['holdout']['users']:,} held-out users"
    could = (
        "no share of copied turns up to 10 %" if least is None else f"{100 * least:g} % of turns copied word for word"
    )
    return f"not detected at {n}; minimum detectable (4 times in 5): {could}"


def _copied(m: Measurement) -> str:
    longest = m.evidence["longest"]
    if m.evidence["release_barred"]:
        return f"RELEASE BARRED: spans of 50 words and more are a train user's (longest {longest})"
    return f"no span of 50 words; the longest stretch that is a train user's has {longest}"


def _personal(m: Measurement) -> str:
    kinds = m.evidence["kinds"]
    alone = sum(kinds["in_train_alone"])
    hits = f"{sum(kinds['synthetic']):,} hits by rule in the user turns"
    return f"{hits}; {alone:,} distinct ones stand in the training data and not in the held-out"


def _distance(m: Measurement) -> str:
    return f"{m.evidence['label']}: given because it is asked for"


def _show(found: list[Measurement], output: Output) -> None:
    rows = []
    for m in found:
        for one in (m, *m.parts):
            train, other = (_number(one.evidence, key) for key in (("train",), ("held_out", "holdout")))
            value = "" if one.value is None else f"{one.value:.4g}"
            bounds = "" if one.interval is None else f"[{one.interval[0]:.3f}, {one.interval[1]:.3f}]"
            p = "" if one.p_value is None else f"{one.p_value:.3f}"
            rows.append([one.name, value, bounds, p, train, other])
    output.table(["measure", "value", "95 %", "p", "train", "held-out"], rows)
    for m in found:
        output.line(f"{m.name}: {verdict(m)}", "bold")
    output.line("Threat model: someone who sees only the synthetic text. Paraphrase and facts are not looked for.")


def _number(evidence: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    value = next((evidence[key] for key in keys if key in evidence), None)
    return f"{value:.4f}" if isinstance(value, float) else ""
