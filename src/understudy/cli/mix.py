"""`understudy mix`: several synthetic corpora to one that is nearer to real users, weighted on a small real sample."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from understudy.cli import options
from understudy.cli.corpora import amount, describe, load_corpus, refuse_same, refuse_swapped
from understudy.cli.destinations import file_for
from understudy.cli.output import Output
from understudy.errors import UsageError

if TYPE_CHECKING:
    from understudy.conversations import Corpus
    from understudy.measures.measurement import Measurement
    from understudy.transfer.mixing import Mixed, Recipe, Share

FEW_REAL = 50
MEMBERS_SHOWN = 24
ALL = 0.995  # a weight from which on nothing goes elsewhere

Synthetic = Annotated[list[str], typer.Argument(metavar="SYN...", help="Synthetic conversations, two files or more.")]
Real = Annotated[str, typer.Option("--real", metavar="REAL", help="The small real sample that weights are fitted on.")]
Out = Annotated[
    str, typer.Option("--out", "-o", metavar="FILE", help="The mixed corpus; FILE.recipe.json beside it says how.")
]
HeldOut = Annotated[
    str | None,
    typer.Option("--holdout", metavar="REAL2", help="Real conversations that judge. Otherwise half of REAL does."),
]
FitOn = Annotated[
    str | None,
    typer.Option(
        "--fit-on", metavar="LIST", help="Families to fit on; the others judge. [length,punctuation,behaviours]"
    ),
]
Cells = Annotated[
    str | None,
    typer.Option("--cells", metavar="FIELDS", help="Weigh cells of each corpus apart: topic, user_mode, ..."),
]
Channels = Annotated[
    str | None,
    typer.Option(
        "--channels", metavar="LIST", help="Noisy twins too: lower_case, unmarked, typos, fragments; + joins."
    ),
]
Select = Annotated[bool, typer.Option("--select", help="Weigh single conversations by their density ratio as well.")]
Number = Annotated[int | None, typer.Option("-n", min=1, metavar="N", help="How many conversations to draw.")]


def mix(
    synthetic: Synthetic,
    real: Real,
    out: Out,
    holdout: HeldOut = None,
    fit_on: FitOn = None,
    cells: Cells = None,
    channels: Channels = None,
    select: Select = False,
    n: Number = None,
    user_role: options.UserRole = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Mix synthetic corpora so that they come nearer to real users.

    Weights are fitted on a small real sample, by some families of measures; other people, by other families,
    judge whether the mix is closer than every corpus in it. Nobody of either may be among the people that a corpus
    in the mix was fitted to; and what is trained or audited on the mix is tested on others than REAL.

    \b
    understudy mix a.jsonl b.jsonl --real sample.jsonl --out mixed.jsonl
    understudy mix a.jsonl --cells topic --select --real sample.jsonl --holdout rest.jsonl --out mixed.jsonl
    """
    from understudy.conversations.writing import write_corpus
    from understudy.transfer.families import FIT_BY_DEFAULT
    from understudy.transfer.mixing import mix_corpora, save_recipe

    output = Output(json=json, quiet=quiet)
    file = file_for(out, inputs=[*synthetic, real, *([holdout] if holdout else [])])
    for path in synthetic if holdout else ():
        refuse_same(holdout or "", path)
    corpora = _synthetic(synthetic, real, user_role, output)
    sample, judging, whole = _real(real, holdout, user_role, seed, output)
    mixed = mix_corpora(
        corpora,
        sample,
        judging,
        families=_listed(fit_on) or FIT_BY_DEFAULT,
        cells=_listed(cells),
        channels=_listed(channels),
        select=select,
        n=n,
        whole=whole,
        seed=seed,
    )
    write_corpus(file, mixed.corpus)
    recipe = file.with_name(file.name + ".recipe.json")
    save_recipe(recipe, mixed.recipe)

    def show(o: Output) -> None:
        _show(mixed, o)
        if n is not None and len(mixed.corpus) < n:
            o.line(f"! {n:,} conversations were asked for; {len(mixed.corpus):,} have any weight", "yellow")
        for flag in mixed.measurement.evidence["flags"]:
            o.line(f"! {flag}", "bold red" if "contaminated" in flag else "yellow")
        o.line()
        o.line(f"{file}: {describe(mixed.corpus)}; {recipe.name} says how it was made")

    payload: dict[str, Any] = {"out": str(file), "recipe": mixed.recipe, "measurement": mixed.measurement}
    output.result(payload, show)


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in (text or "").split(",") if part.strip()))


def _synthetic(paths: list[str], real: str, user_role: str | None, output: Output) -> dict[str, Corpus]:
    names = [Path(path).name.partition(".")[0] or path for path in paths]
    if len(set(names)) < len(names):
        names = [str(Path(path)) for path in paths]
    if len(set(names)) < len(names):
        raise UsageError(
            "a synthetic file is given twice",
            why="the same conversations would be two members of the mixture",
            fix="name each file once",
        )
    for path in paths:
        refuse_same(real, path)
    return {
        name: load_corpus(path, user_role=user_role, origin="synthetic", output=output)
        for name, path in zip(names, paths, strict=True)
    }


def _real(
    path: str, holdout: str | None, user_role: str | None, seed: int, output: Output
) -> tuple[Corpus, Corpus, Corpus]:
    """Who fits the weights, who judges, and REAL as it was given."""
    from understudy.conversations.splitting import split_corpus

    whole = sample = load_corpus(path, user_role=user_role, origin="real", output=output)
    refuse_swapped(sample, path)
    if holdout is None:
        sample, judging = split_corpus(whole, (0.5, 0.5), seed=seed)
        output.note(f"half of {path} fits the weights, the other half judges (no user is in both)", "dim")
    else:
        judging = load_corpus(holdout, user_role=user_role, origin="real", output=output)
        refuse_swapped(judging, holdout)
        crossing = set(sample.unit_ids.tolist()) & set(judging.unit_ids.tolist())
        if crossing:
            raise UsageError(
                f"{amount(len(crossing), 'user')} (or conversations) are in both {path} and {holdout}",
                why="who was fitted on cannot judge",
                fix="divide the real conversations with `understudy split`",
            )
    units = sample.n_units
    if units < FEW_REAL:
        output.warn(f"weights are fitted on {amount(units, 'real unit')} only: expect wide intervals")
    return sample, judging, whole


def _show(mixed: Mixed, o: Output) -> None:
    recipe = mixed.recipe
    columns = ["member", "weight", "estimate", "95 % interval", "alone adds", "drawn", "of"]
    shown = sorted(recipe.members, key=lambda share: -share.weight)
    rows = [
        [
            share.member,
            f"{share.weight:.2f}",
            f"{share.estimated:.2f}",
            _bounds(share),
            "" if share.adds is None else f"{share.adds[0]:.3f} ± {share.adds[1]:.3f}",
            f"{share.drawn:,}",
            f"{share.available:,}",
        ]
        for share in shown[:MEMBERS_SHOWN]
    ]
    o.table(columns, rows)
    if len(shown) > MEMBERS_SHOWN:
        o.line(f"and {len(shown) - MEMBERS_SHOWN} more, of less weight")
    o.line(_how(recipe))
    o.line()
    _show_judgement(mixed.measurement, o)


def _bounds(share: Share) -> str:
    low, high = share.interval
    # Every replicate lies at 0 or 1: there is nothing to say how far it might be from it.
    return f"{low:.2f} to {high:.2f}" if high - low > 1e-6 else "at the bound"


def _how(recipe: Recipe) -> str:
    said = f"Fitted on {', '.join(recipe.families_used)}; policy by cross-fitting: {recipe.policy}."
    used = [share.member for share in recipe.members if share.weight > ALL]
    if used:
        said += f" No weight went elsewhere: the mix is {used[0]} alone."
    if recipe.selection is not None:
        power = recipe.selection["power"]
        said += (
            f" Conversations weighted by their density ratio to the power {power:g}."
            if power
            else " Density ratios did not help on real users left out: nothing was selected."
        )
    said += f" Worth {recipe.effective_size:,.0f} equally weighted conversations"
    far = recipe.shortfall
    return said + (f"; drawn without replacement, shares are off by {far:.2f}." if far > 0.02 else ".")


def _show_judgement(m: Measurement, o: Output) -> None:
    if m.value is None:
        o.line(f"Not judged: {m.reason}", "bold")
        return
    rows = []
    for part in m.parts:
        name = part.name.rpartition(".")[2]
        if part.value is None:
            o.note(f"{name}: {part.reason}", "dim")
            continue
        for kind in ("against", "controls"):
            for rival, row in part.evidence[kind].items():
                label = rival if kind == "against" else f"({rival})"
                rows.append(
                    [
                        name,
                        label,
                        f"{part.evidence['distance']:.3f}",
                        f"{row['distance']:.3f}",
                        f"{row['difference']:+.3f}",
                        f"{row['low']:+.3f} to {row['high']:+.3f}",
                    ]
                )
    alone = [name for name, weight in m.evidence["weights"].items() if weight > ALL]
    if alone and all(part.evidence.get("distance") == _distance_to(part, alone[0]) for part in m.parts):
        o.line(f"The mix is {alone[0]} alone, so there is nothing to judge it against; --json has the distances.")
        o.line(verdict(m), "bold")
        return
    o.table(["judged by", "against", "mix", "other", "mix - other", "95 % interval"], rows, right=2)
    o.line(verdict(m), "bold")


def _distance_to(part: Measurement, member: str) -> float | None:
    """How far a member is by one judge: as far as the mix, where they are the same conversations."""
    distance: float | None = part.evidence.get("against", {}).get(member, {}).get("distance")
    return distance


def verdict(m: Measurement) -> str:
    """One sentence: on which held-out families the mix is closer than every member, or that it is not shown to be."""
    scored = [part for part in m.parts if part.value is not None]
    better = [part.name.rpartition(".")[2] for part in scored if part.evidence["better"]]
    rest = [part.name.rpartition(".")[2] for part in scored if not part.evidence["better"]]
    real = m.evidence["conversations_judged"]["real"]
    if not better:
        return f"The mix is not shown to be better than its members, on {real:,} held-out real conversations."
    said = f"The mix is closer to held-out real users than every member, by {', '.join(better)}"
    return said + (f"; not shown by {', '.join(rest)}." if rest else ".")
