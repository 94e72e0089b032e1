"""`understudy transfer`: does a model trained on synthetic users work on real conversations?"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from understudy.cli import options
from understudy.cli.corpora import describe, load_pair, refuse_same, refuse_swapped
from understudy.cli.destinations import folder_for
from understudy.cli.output import Output
from understudy.errors import MeasureError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from understudy.cli.corpora import Origin
    from understudy.conversations import Corpus
    from understudy.measures.measurement import Measurement
    from understudy.transfer.task import Task

FALSE_PROGRESS = "transfer.false_progress"
NAMES = {"baseline": "no conversations (B)", "in_domain": "real conversations (I)"}

Synthetic = Annotated[list[str], typer.Argument(metavar="SYN...", help="Synthetic conversations, a file an arm.")]
Real = Annotated[str, typer.Option("--real", metavar="REAL", help="Real conversations to test on.")]
RealTrain = Annotated[
    str | None,
    typer.Option(
        "--real-train",
        metavar="FILE",
        help="Real conversations to train the in-domain arm on  [default: half of REAL, by user]",
    ),
]
Tasks = Annotated[
    list[str] | None,
    typer.Option("--task", metavar="TASK", help="What to learn: a built-in task or module:object; repeatable."),
]
Size = Annotated[
    int | None,
    typer.Option("--size", min=20, metavar="N", help="Examples a training set  [default: half of the poorest arm]"),
]
Redraws = Annotated[
    int, typer.Option("--redraws", min=5, metavar="N", help="How often each training set is drawn again.")
]
Curve = Annotated[bool, typer.Option("--curve", help="Also at smaller sizes, and synthetic beside real.")]
Growth = Annotated[
    bool,
    typer.Option("--growth", help="Also whether, as SYN grows, the score on people follows that on simulated users."),
]
Out = Annotated[
    str | None, typer.Option("--out", "-o", metavar="FOLDER", help="Write report.json and report.html here.")
]
RealUserRole = Annotated[
    str | None,
    typer.Option("--real-user-role", metavar="NAME", help="The same for the real ones  [default: --user-role]"),
]


def transfer(
    synthetic: Synthetic,
    real: Real,
    task: Tasks = None,
    real_train: RealTrain = None,
    size: Size = None,
    redraws: Redraws = 8,
    curve: Curve = False,
    growth: Growth = False,
    out: Out = None,
    user_role: options.UserRole = None,
    real_user_role: RealUserRole = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Train on synthetic users, test on real ones: how much of the gap is closed?

    Three arms of one size: trained on nothing (B), on SYN (S), on real conversations (I); all tested on real people
    whom none of them knows. Gap closed is (S-B)/(I-B). Where the users were fitted to real conversations, give those
    with --real-train, and with --real the people held out (`understudy split`): users fitted to REAL itself know the
    people that test, and are flagged as contaminated.

    \b
    understudy transfer syn.jsonl --real parts/held-out.jsonl --real-train parts/train.jsonl --task topic
    understudy transfer a.jsonl b.jsonl --real parts/held-out.jsonl --task acts --task next_response --out report/
    """
    from understudy.reports.report import make_report, save_report
    from understudy.transfer.gap_closed import gaps_closed
    from understudy.transfer.scoring import processors

    output = Output(json=json, quiet=quiet)
    tasks = _tasks(task)
    arms, train, test, whole = _load(synthetic, real, real_train, user_role, real_user_role, seed, output)
    folder = folder_for(out) if out else None
    start = time.perf_counter()
    found: list[Measurement] = []
    provenance = _provenance(real, real_train, synthetic, arms, whole, train, seed)
    report = make_report(found, provenance=provenance)
    for one in tasks:
        with output.progress() as on_progress:
            mine = gaps_closed(
                train, test, arms, task=one, seed=seed, size=size, redraws=redraws, curve=curve,
                workers=processors(), whole=whole, on_progress=on_progress,
            )  # fmt: skip
            grown = list(_growth(one, arms, test, seed)) if growth else []
        found += [*mine, *grown]
        report = make_report(found, provenance=provenance)
        # Task by task, so that a run cut short leaves what it found.
        if folder:
            save_report(report, folder)
        if not json:
            show_task(one, mine, output)
            for m in grown:
                _show_growth(m, output)

    def show(o: Output) -> None:
        if folder:
            o.line(f"report: {folder / 'report.html'}", "bold")
        if measured:
            o.note(f"{time.perf_counter() - start:.1f} s", "dim")

    measured = any("arms" in m.evidence for m in found)
    output.result(msgspec.to_builtins(report), show)
    if not measured:
        raise MeasureError(
            f"nothing could be measured: {found[0].reason}",
            why="training needs examples with labels that the real and the synthetic conversations share",
            fix="choose a task that both have labels for, or give as many conversations as that takes",
        )


def _provenance(
    real: str,
    real_train: str | None,
    synthetic: Sequence[str],
    arms: dict[str, Corpus],
    whole: Corpus,
    train: Corpus,
    seed: int,
) -> dict[str, object]:
    """What was read: the files of each side and all that is in them."""

    def side(paths: Sequence[str], corpora: Sequence[Corpus]) -> dict[str, object]:
        return {
            "source": ", ".join(Path(path).name for path in paths),
            "conversations": sum(len(corpus) for corpus in corpora),
            "users": sum(corpus.n_units for corpus in corpora),
            "turns": sum(len(talk.turns) for corpus in corpora for talk in corpus),
            "users_known": all(corpus.has_users for corpus in corpora),
            "digests": [corpus.digest for corpus in corpora],
        }

    people = [whole, train] if real_train else [whole]
    return {
        "verb": "transfer",
        "seed": seed,
        "corpora": {
            "real": side([real, *([real_train] if real_train else [])], people),
            "synthetic": side(synthetic, list(arms.values())),
        },
    }


def _growth(task: Task, arms: dict[str, Corpus], test: Corpus, seed: int) -> Iterator[Measurement]:
    from understudy.transfer.false_progress import false_progress
    from understudy.transfer.scoring import processors

    for name, corpus in arms.items():
        known = name if len(arms) > 1 else ""
        yield false_progress(task, corpus, None, test, seed=seed, arm=known, workers=processors())


def _show_growth(m: Measurement, output: Output) -> None:
    """The two slopes, and the alarm if there is one."""
    name = m.name.removeprefix(f"{FALSE_PROGRESS}.")
    if m.value is None or m.interval is None:
        output.line(f"{name}, growth: unscored, {m.reason}", "yellow")
        return
    simulated, real = (m.evidence["slopes"][side]["value"] for side in ("simulated", "held_out"))
    output.line(
        f"{name}, each doubling of the data: {simulated:+.4f} on simulated users, {real:+.4f} on people; "
        f"difference {m.value:.4f} ({m.interval[0]:.4f} to {m.interval[1]:.4f})"
    )
    if m.evidence["alarm"]:
        output.line(f"! {name}: false progress detected, at {m.evidence['alarm_at']:,.0f} examples", "yellow")
    else:
        steps = m.evidence["step"]
        output.line(
            f"{name}: false progress not detected in {len(steps)} steps up to {steps[-1]:,.0f} examples; that is no"
            " proof that there is none"
        )


def _name(task: Task) -> str:
    return f"transfer.gap_closed.{task.name}"


def _tasks(names: list[str] | None) -> list[Task]:
    from understudy.transfer.task import BUILT_IN, open_task

    if not names:
        raise UsageError(
            "no --task",
            why="training well is measured on something to learn",
            fix=f"give --task with one of {', '.join(BUILT_IN)}, or your own as module:object",
        )
    return [open_task(name) for name in dict.fromkeys(names)]


def _load(
    paths: Sequence[str],
    real: str,
    real_train: str | None,
    role: str | None,
    real_role: str | None,
    seed: int,
    output: Output,
) -> tuple[dict[str, Corpus], Corpus, Corpus, Corpus]:
    """The synthetic arms by name, the real training part, the real test part, and REAL as it was given."""
    from understudy.conversations.splitting import split_corpus

    for path in (*paths, *([real_train] if real_train else [])):
        refuse_same(real, path)
    names = arm_names(paths)
    sides: list[tuple[str, Origin]] = [(real, "real"), *([(real_train, "real")] if real_train else [])]  # type: ignore[list-item]
    sides += [(path, "synthetic") for path in paths]
    corpora = load_pair(sides, user_role=role, real_role=real_role, output=output)
    for (path, origin), corpus in zip(sides, corpora, strict=True):
        if origin == "real":
            refuse_swapped(corpus, path, "transfer")
    whole, *others = corpora
    arms = dict(zip(names, corpora[-len(paths) :], strict=True))
    if real_train:
        train, test = others[0], whole
    else:
        train, test = split_corpus(whole, (0.5, 0.5), seed=seed)
        output.note("real: one half to train on, the other to test on, by user", "dim")
    output.note(f"real, to train on: {describe(train)}\nreal, to test on: {describe(test)}", "dim")
    for name, corpus in arms.items():
        output.note(f"{name}: {describe(corpus)}", "dim")
    return arms, train, test, whole


def arm_names(paths: Sequence[str]) -> list[str]:
    """A name an arm: the file's name without what follows the first dot, made distinct.

    >>> arm_names(["runs/free.jsonl", "other/free.jsonl.zst", "in_domain.csv"])
    ['free', 'free_2', 'in_domain_2']
    """
    taken, names = {"baseline", "in_domain"}, []
    for path in paths:
        stem = re.sub(r"[^\w-]+", "_", Path(path).name.split(".")[0]) or "synthetic"
        name, count = stem, 1
        while name in taken:
            count += 1
            name = f"{stem}_{count}"
        taken.add(name)
        names.append(name)
    return names


def show_task(task: Task, found: Sequence[Measurement], output: Output) -> None:
    """The arms of a task in a table for each comparison, then what its numbers must be read with."""
    output.line(f"{task.name}: {task.metric} on real conversations", "bold")
    shown: list[object] = []
    for m in found:
        arms = m.evidence.get("arms")
        if arms is None:
            output.line(f"  {_arm(m)}: unscored, {m.reason}", "yellow")
        elif arms not in shown:
            shown.append(arms)
            mine = {_arm(other): other for other in found if other.evidence.get("arms") == arms}
            columns = ["trained on", "score", "95 % interval", "gap closed", "95 % interval"]
            rows = list(zip(arms["arm"], arms["score"], arms["low"], arms["high"], strict=True))
            output.table(columns, [_row(*row, mine.get(row[0])) for row in rows])
            test = m.evidence["test"]
            output.line(
                f"{m.evidence['matching']['notes'][0]}; {test['examples']:,} test examples of {test['units']:,} units"
            )
            for note in m.evidence.get("notes", ()):
                output.line(note)
            for flag in dict.fromkeys(flag for one in mine.values() for flag in _flags(one, len(mine) > 1)):
                output.line(f"! {flag}", "bold red" if flag.startswith("contaminated") else "yellow")
            for one in mine.values():
                _show_curve(one, output)
    output.line()


def _show_curve(m: Measurement, output: Output) -> None:
    """The learning curve, if there is one: the score at each size, and beside it its interval."""
    curve = m.evidence.get("learning_curve")
    if not curve:
        return
    kinds = {"real": "real", "synthetic": _arm(m), "mixed": f"real beside all of {_arm(m)}"}
    rows = [
        [
            f"{size:,}",
            *(
                f"{curve[kind][k]:.3f} ({curve[kind + '_low'][k]:.3f} to {curve[kind + '_high'][k]:.3f})"
                for kind in kinds
            ),
        ]
        for k, size in enumerate(curve["size"])
    ]
    output.table(["examples", *kinds.values()], rows)


def _arm(m: Measurement) -> str:
    return str(m.evidence.get("arm") or m.name.removeprefix("transfer.gap_closed.").partition(".")[2] or "synthetic")


def _flags(m: Measurement, several: bool) -> list[str]:
    return [f"{_arm(m)}: {flag}" if several and flag == m.reason else flag for flag in m.evidence["flags"]]


def _row(arm: str, score: float, low: float, high: float, m: Measurement | None) -> list[str]:
    row = [NAMES.get(arm, arm), f"{score:.3f}", f"{low:.3f} to {high:.3f}"]
    if m is None:
        return [*row, "", ""]
    if m.value is None or m.interval is None:
        return [*row, "unscored", ""]
    return [*row, f"{m.value:.2f}", f"{m.interval[0]:.2f} to {m.interval[1]:.2f}"]
