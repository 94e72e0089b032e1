"""`understudy fit-judge`: judges of lines, learned from who says what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from understudy.cli import options
from understudy.cli.corpora import describe, load_corpus
from understudy.cli.destinations import folder_for
from understudy.cli.output import Output

if TYPE_CHECKING:
    from understudy.conversations import Corpus
    from understudy.measures.consistency.embedded_judge import EmbeddedJudge
    from understudy.measures.consistency.judge_calibration import Label

Real = Annotated[list[str], typer.Argument(metavar="REAL ...", help="Real conversations, best with personas.")]
Out = Annotated[str, typer.Option("--out", "-o", metavar="FOLDER", help="Where the judges go: words/ and letters/.")]
Labels = Annotated[
    str | None,
    typer.Option(
        "--labels",
        metavar="CORPUS",
        help="Conversations with meta.is_contradiction by people, of the last turn: they check the judge.",
    ),
]


def fit_judge(
    real: Real,
    out: Out,
    labels: Labels = None,
    user_role: options.UserRole = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Learn two judges of consistency from real conversations, without a language model.

    They say how surely a line is by the person that a persona describes, and whether it takes back an earlier one. The
    one looks at words, the other at runs of letters: let one reward and the other measure. Where conversations tell no
    persona, a person's earlier lines stand for it. Without 200 labels by people (--labels) every number of a judge is
    printed as uncalibrated.

    \b
    understudy fit-judge chats.jsonl --labels decode.jsonl --out judge/
    understudy audit syn.jsonl --real chats.jsonl --judge judge/words
    """
    from understudy.measures.consistency.embedded_judge import KINDS
    from understudy.measures.consistency.embedded_judge import fit_judge as fit
    from understudy.measures.consistency.judge_storage import save_judge

    output = Output(json=json, quiet=quiet)
    folder = folder_for(out)
    corpora = {path: load_corpus(path, user_role=user_role, origin="real", output=output) for path in real}
    for path, corpus in corpora.items():
        output.note(f"{path}: {describe(corpus)}", "dim")
    checked = _labels(load_corpus(labels, user_role=user_role, origin="real", output=output)) if labels else []
    told: dict[str, Any] = {"out": str(folder), "labels": len(checked), "judges": {}}
    for kind in KINDS:
        judge = fit(list(corpora.values()), kind, seed=seed)
        found = _checked(judge, checked, seed)
        told["judges"][kind] = {"identity": judge.identity, "folder": str(folder / kind), **found}
        judge.human_labels = len(checked)
        digests = {path: corpus.digest for path, corpus in corpora.items()}
        numbers = {name: value for name, value in found.items() if isinstance(value, float)}
        save_judge(judge, folder / kind, fitted_on=digests, calibration=numbers)

    def show(o: Output) -> None:
        for kind, row in told["judges"].items():
            o.line(f"{row['folder']}: judge by {kind}", "bold")
            if not checked:
                o.line("  uncalibrated: 0 human labels behind it, 200 are needed (--labels)", "yellow")
                continue
            (a, b), (c, d) = row["kappa_interval"], row["auc_interval"]
            o.line(
                f"  contradictions against {row['labels']} human labels: AUC {row['auc']:.2f} [{c:.2f}, {d:.2f}], "
                f"kappa {row['kappa']:.2f} [{a:.2f}, {b:.2f}], AC1 {row['ac1']:.2f}"
            )
            o.line(f"  the number of earlier lines alone has AUC {row['baseline_auc']:.2f}")
        o.note(f"next: understudy audit SYN --real REAL --judge {folder / 'words'}", "dim")

    output.result(told, show)


def _labels(corpus: Corpus) -> list[Label]:
    """Conversations whose last turn people judged, with the earlier turns of the same speaker."""
    from understudy.errors import CorpusError
    from understudy.measures.consistency.judge_calibration import Label

    found = []
    for talk, unit in zip(corpus, corpus.unit_ids.tolist(), strict=True):
        judged = talk.meta.get("is_contradiction")
        if isinstance(judged, bool) and len(talk.turns) > 1:
            last = talk.turns[-1]
            earlier = tuple(turn.text for turn in talk.turns[:-1] if turn.role == last.role)
            if earlier:
                found.append(Label(unit, earlier, last.text, judged))
    if not found:
        raise CorpusError(
            "no conversation in --labels says whether its last turn contradicts an earlier one",
            why="the judge is checked against people's answers",
            fix="give conversations with meta.is_contradiction true or false",
        )
    return found


def _checked(judge: EmbeddedJudge, labels: list[Label], seed: int) -> dict[str, Any]:
    """Agreement with people, beside a judge that counts the earlier lines."""
    import numpy as np

    from understudy.measures.consistency.judge_calibration import agreement, surest
    from understudy.seeds import stream

    if not labels:
        return {}
    found = agreement(surest(judge, labels), labels, rng=stream(seed, "calibration"))._asdict()
    trivial = np.array([float(len(label.earlier)) for label in labels])
    return {**found, "baseline_auc": agreement(trivial, labels, rng=stream(seed, "calibration"), resamples=99).auc}
