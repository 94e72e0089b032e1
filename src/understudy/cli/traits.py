"""`understudy traits`: does a model trained on these conversations take on what its twin does not?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from understudy.cli import options
from understudy.cli.corpora import describe, load_corpus
from understudy.cli.destinations import folder_for
from understudy.cli.lineage import show_lineage
from understudy.cli.output import Output
from understudy.errors import MeasureError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from understudy.conversations import Corpus
    from understudy.measures.measurement import Measurement
    from understudy.traits.effect import Control

Suspect = Annotated[str, typer.Argument(metavar="SYN", help="Conversations that may carry something.")]
ControlFile = Annotated[
    str,
    typer.Option("--control", metavar="CTL", help="What a generator without the trait said to the same prompts."),
]
Base = Annotated[
    list[str] | None,
    typer.Option(
        "--base",
        metavar="MODEL",
        help="The student: embedded: (linear), decoder: or decoder:CORPUS or a saved folder (small, from scratch; extra"
        " train), hf:NAME_OR_PATH; again for more.  [default: embedded:]",
    ),
]
Pairs = Annotated[int, typer.Option("--pairs", min=5, metavar="N", help="Twin pairs, each on its own share.")]
BatteryFile = Annotated[
    str | None, typer.Option("--battery", metavar="FILE", help="Probes of your own, as JSON  [default: the house's]")
]
Shuffles = Annotated[
    bool, typer.Option("--shuffles", help="Also with words shuffled within turns, and turns across conversations.")
]
Out = Annotated[
    str | None, typer.Option("--out", "-o", metavar="FOLDER", help="Write report.json and report.html here.")
]


def traits(
    suspect: Suspect,
    control: ControlFile,
    base: Base = None,
    pairs: Pairs = 8,
    battery: BatteryFile = None,
    shuffles: Shuffles = False,
    out: Out = None,
    user_role: options.UserRole = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Train twins on suspect and control conversations, and see whether they part off the topic.

    The only sound test for what rides along: --control holds what a generator without the trait said to the same
    prompts, twin students are trained from one base, and probes that were written down before (giving in under
    pushback, over-politeness, never refusing, never leaving, being content) are read off both. What is not detected
    is said with the least effect that would have been.

    \b
    understudy traits syn.jsonl --control ctl.jsonl --out report/
    understudy traits syn.jsonl --control ctl.jsonl --base decoder:real.jsonl --base embedded: --shuffles
    """
    from understudy.reports.report import make_report, save_report
    from understudy.traits.battery import house_battery, read_battery
    from understudy.traits.lineage import lineage

    output = Output(json=json, quiet=quiet)
    _refuse_same(control, suspect)
    asked = read_battery(battery) if battery else house_battery()
    ours = load_corpus(suspect, user_role=user_role, origin="synthetic", output=output)
    other = load_corpus(control, user_role=user_role, origin="synthetic", output=output)
    for path, corpus in ((suspect, ours), (control, other)):
        output.note(f"{path}: {describe(corpus)}", "dim")
    folder = folder_for(out) if out else None
    bases = list(dict.fromkeys(base or ["embedded:"]))
    found = _measure(ours, other, bases, asked, pairs, shuffles, seed, output)
    graph = lineage(ours, student=bases[0])
    sides = {
        "real": {"noun": "Control", "source": control, "users_known": other.has_users, **_sizes(other)},
        "synthetic": {"noun": "Suspect", "source": suspect, "users_known": ours.has_users, **_sizes(ours)},
    }
    told = {"verb": "traits", "seed": seed, "corpora": sides, "matching": found[0].evidence.get("matching", "")}
    report = make_report([*found, graph], provenance=told)
    if folder:
        save_report(report, folder)

    def show(o: Output) -> None:
        for m in found:
            _show(m, o)
        if any(e["flagged"] for e in graph.evidence["edges"]):
            show_lineage(graph, o)
        if folder:
            o.line(f"report: {folder / 'report.html'}", "bold")

    output.result(msgspec.to_builtins(report), show)
    if all(m.value is None for m in found):
        raise MeasureError(
            f"nothing could be measured: {found[0].reason}",
            why="twins are trained on shares of the conversations, and compared share by share",
            fix="give more conversations, or fewer --pairs (5 at least)",
        )


def _sizes(corpus: Corpus) -> dict[str, int]:
    from understudy.measures.measurement import counts_of

    sizes: dict[str, int] = msgspec.to_builtins(counts_of(corpus))
    return sizes


def _refuse_same(control: str, suspect: str) -> None:
    if Path(control).exists() and Path(suspect).exists() and Path(control).samefile(suspect):
        raise UsageError(
            f"suspect and control are the same file: {suspect}",
            why="twins of one corpus differ by nothing that it carries",
            fix="give with --control what a generator without the trait said to the same prompts",
        )


def _measure(
    suspect: Corpus,
    control: Corpus,
    bases: Sequence[str],
    battery: Any,
    pairs: int,
    shuffles: bool,
    seed: int,
    output: Output,
) -> list[Measurement]:
    from understudy.conversations import Corpus as Conversations
    from understudy.traits.effect import effect
    from understudy.traits.students import open_student

    pooled = Conversations([*suspect, *control])
    found: list[Measurement] = []
    controls: tuple[Control, ...] = ("planted", "shuffles") if shuffles else ("planted",)
    for uri in bases:
        label = "" if len(bases) == 1 else _label(uri, [m.name for m in found])
        with output.progress() as on_progress:
            student = open_student(uri, pooled, seed=seed)
            found.append(
                effect(
                    suspect, control, student, battery=battery, pairs=pairs, controls=controls, label=label, seed=seed,
                    on_progress=on_progress,
                )
            )  # fmt: skip
    return found


def _label(uri: str, taken: Sequence[str]) -> str:
    """A name a base, distinct.

    >>> _label("decoder:real.jsonl", []), _label("decoder:other", ["traits.effect.decoder"])
    ('decoder', 'decoder_2')
    """
    stem = uri.partition(":")[0]
    name, count = stem, 1
    while f"traits.effect.{name}" in taken:
        count += 1
        name = f"{stem}_{count}"
    return name


def verdict(m: Measurement) -> str:
    """One measurement in words, which never say that nothing is carried."""
    if m.value is None:
        return f"unscored: {m.reason}"
    pairs = m.evidence["twin_pairs"]
    values = {p.name.rpartition(".")[2]: p.value or 0.0 for p in m.parts}
    if shown := m.evidence["shown"]:
        told = ", ".join(
            f"{'more' if values[name] > 0 else 'less'} {name} ({values[name]:+.2f} nats)" for name in shown
        )
        unread = set(shown) <= set(m.evidence["unreadable"])
        but = ", only by what is not to be read with this student" if unread else ""
        return f"DETECTED: {told}; {pairs} twin pairs, p {m.p_value:.3g} after Holm{but}"
    least = m.evidence["minimum_detectable"].values()
    return (
        f"not detected with {pairs} twin pairs; minimum detectable (4 times in 5): {min(least):.2f} to "
        f"{max(least):.2f} nats, by probe"
    )


def _show(m: Measurement, o: Output) -> None:
    rows = []
    for p in m.parts:
        assert p.value is not None
        assert p.interval is not None
        open_lesson = "" if p.ceiling is None else f"{p.ceiling.value:+.3f}"
        rows.append(
            [
                p.name.rpartition(".")[2], f"{p.value:+.3f}", f"[{p.interval[0]:+.3f}, {p.interval[1]:+.3f}]",
                f"{p.adjusted_p:.3f}", f"{p.evidence['minimum_detectable']:.3f}",
                "" if p.floor is None else f"{p.floor.value:+.3f}", open_lesson,
            ]
        )  # fmt: skip
    if rows:
        o.table(["probe", "effect", "95 %", "p (Holm)", "detectable", "control vs control", "taught openly"], rows)
    o.line(f"{m.name}: {verdict(m)}", "bold")
    if m.value is not None:
        o.line(f"student {m.evidence['student']} sees {m.evidence['sees']}")
        o.line(f"it is blind to {m.evidence['blind']}")
        if unreadable := m.evidence["unreadable"]:
            o.line(
                f"! not to be read with this student, which even open lessons do not move: {', '.join(unreadable)}",
                "yellow",
            )
        if not m.evidence["matched"]:
            o.line(f"! {m.evidence['matching']}", "yellow")
