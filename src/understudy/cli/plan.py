"""`understudy plan`: how many conversations a wanted effect needs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from understudy.cli import options
from understudy.cli.output import Output

AUCS = (0.55, 0.60, 0.65, 0.70, 0.80)
RATES = ((0.45, 0.55), (0.40, 0.60), (0.05, 0.10))
MARGINS = (0.05, 0.10)


Real = Annotated[
    str | None,
    typer.Argument(
        metavar="REAL", help="A corpus: its conversations per user are used, and what it can show is said."
    ),
]
Auc = Annotated[
    list[float] | None, typer.Option("--auc", metavar="A", help="A discriminator AUC to tell from .5; repeatable.")
]
Rates = Annotated[
    tuple[float, float] | None,
    typer.Option("--rates", metavar="P Q", help="Two shares of conversations to tell apart."),
]
Margin = Annotated[
    list[float] | None,
    typer.Option(
        "--margin", metavar="M", help="A difference of shares below which they count as the same; repeatable."
    ),
]
Power = Annotated[float, typer.Option("--power", metavar="P", help="Wanted chance of finding the effect.")]
Alpha = Annotated[float, typer.Option("--alpha", metavar="A", help="Accepted chance of a false alarm.")]
PerUser = Annotated[
    float | None, typer.Option("--per-user", metavar="M", help="Conversations per user  [default: 1, or REAL's]")
]
Icc = Annotated[float, typer.Option("--icc", metavar="R", help="How alike one user's conversations are, 0 to 1.")]


def plan(
    real: Real = None,
    auc: Auc = None,
    rates: Rates = None,
    margin: Margin = None,
    power: Power = 0.8,
    alpha: Alpha = 0.05,
    per_user: PerUser = None,
    icc: Icc = 0.0,
    user_role: options.UserRole = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """How many conversations does a wanted effect need?

    \b
    understudy plan --auc 0.6 --per-user 4 --icc 0.3
    understudy plan real.jsonl
    """
    from understudy.measures import power as sizes
    from understudy.reports.wording import number

    output = Output(json=json, quiet=quiet)
    seen = _seen(real, user_role, output) if real else None
    each = per_user if per_user is not None else (seen["per_user"] if seen else 1.0)
    design = sizes.design_effect(each, icc)
    if auc is None and rates is None and margin is None:
        effects = _effects(AUCS, RATES, MARGINS, power=power, alpha=alpha)
    else:
        effects = _effects(auc or (), [rates] if rates else (), margin or (), power=power, alpha=alpha)
    rows = [sizes.with_users(effect, count, per_user=each, icc=icc) for effect, count in effects]
    payload: dict[str, Any] = {"power": power, "alpha": alpha, "per_user": each, "icc": icc}
    payload["needs"] = [row._asdict() for row in rows]
    if seen:
        seen["detectable_auc"] = sizes.detectable_auc(seen["conversations"] / design, power=power, alpha=alpha)
        payload["corpus"] = seen

    def show(out: Output) -> None:
        out.table(
            ["to", "conversations a side", "users a side"],
            [[row.effect, f"{row.conversations:,}", f"{row.users:,}"] for row in rows],
        )
        out.note(f"power {power:g}, error rate {alpha:g}, {each:.3g} conversation(s) a user, ICC {icc:g}", "dim")
        if seen:
            out.line(
                f"{seen['conversations']:,} conversations by {seen['units']:,} {seen['unit']}s: "
                f"with as many synthetic ones, an AUC of {number(seen['detectable_auc'])} or more would be found."
            )

    output.result(payload, show)


def _effects(
    aucs: Iterable[float],
    rates: Iterable[tuple[float, float]],
    margins: Iterable[float],
    *,
    power: float,
    alpha: float,
) -> list[tuple[str, int]]:
    """Each wanted effect in words, with the independent conversations a side that it needs."""
    from understudy.measures.power import (
        conversations_for_auc,
        conversations_for_equivalence,
        conversations_for_rates,
    )

    return [
        *((f"tell an AUC of {a:g} from .5", conversations_for_auc(a, power=power, alpha=alpha)) for a in aucs),
        *(
            (f"tell a share of {p:.0%} from {q:.0%}", conversations_for_rates(p, q, power=power, alpha=alpha))
            for p, q in rates
        ),
        *(
            (f"show shares equal within {m:.0%}", conversations_for_equivalence(m, power=power, alpha=alpha))
            for m in margins
        ),
    ]


def _seen(path: str, user_role: str | None, output: Output) -> dict[str, Any]:
    from understudy.cli.corpora import load_corpus

    corpus = load_corpus(path, user_role=user_role, origin="real", output=output)
    units = len(set(corpus.unit_ids.tolist()))
    return {
        "conversations": len(corpus),
        "units": units,
        "unit": "user" if corpus.has_users else "conversation",
        "per_user": len(corpus) / units,
    }
