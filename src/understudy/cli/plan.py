"""`understudy plan`: how many conversations a wanted effect needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from understudy.cli import options
from understudy.cli.output import Output

if TYPE_CHECKING:
    from understudy.conversations import Corpus
    from understudy.measures.power import Requirement

AUCS = (0.55, 0.60, 0.65, 0.70, 0.80)
RATES = ((0.45, 0.55), (0.40, 0.60), (0.05, 0.10))
MARGINS = (0.05, 0.10)
# Measures give no interval below this; nor is an ICC estimated from fewer users with several conversations.
FEWEST_USERS = 10


Real = Annotated[
    str | None,
    typer.Argument(
        metavar="REAL", help="A corpus: conversations per user and ICC come from it; what it can show is said."
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
Icc = Annotated[
    float | None,
    typer.Option(
        "--icc",
        metavar="R",
        help="How alike one user's conversations are, 0 to 1  [default: estimated from REAL, else 0]",
    ),
]


def plan(
    real: Real = None,
    auc: Auc = None,
    rates: Rates = None,
    margin: Margin = None,
    power: Power = 0.8,
    alpha: Alpha = 0.05,
    per_user: PerUser = None,
    icc: Icc = None,
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
    from understudy.cli.corpora import amount
    from understudy.measures import power as sizes
    from understudy.reports.wording import number

    output = Output(json=json, quiet=quiet)
    seen = _seen(real, user_role, output) if real else None
    each = per_user if per_user is not None else (seen["per_user"] if seen else 1.0)
    icc, icc_from = _icc_for(icc, seen)
    design = sizes.design_effect(each, icc)
    if auc is None and rates is None and margin is None:
        effects = _effects(AUCS, RATES, MARGINS, power=power, alpha=alpha)
    else:
        effects = _effects(auc or (), [rates] if rates else (), margin or (), power=power, alpha=alpha)
    rows = [_at_least(sizes.with_users(effect, count, per_user=each, icc=icc)) for effect, count in effects]
    payload: dict[str, Any] = {"power": power, "alpha": alpha, "per_user": each, "icc": icc, "icc_from": icc_from}
    payload["fewest_users"] = FEWEST_USERS
    payload["needs"] = [row._asdict() for row in rows]
    if seen:
        seen["detectable_auc"] = sizes.detectable_auc(seen["conversations"] / design, power=power, alpha=alpha)
        payload["corpus"] = seen

    def show(out: Output) -> None:
        out.table(
            ["to", "conversations a side", "users a side"],
            [[row.effect, f"{row.conversations:,}", f"{row.users:,}"] for row in rows],
        )
        talks = "1 conversation" if each == 1 else f"{each:.3g} conversations"
        out.note(f"power {power:g}, error rate {alpha:g}, {talks} a user", "dim")
        out.line(f"ICC {icc:.2g}: {icc_from}. At least {FEWEST_USERS} users a side: below that no interval is given.")
        if seen:
            by = f" by {amount(seen['units'], 'user')}" if seen["unit"] == "user" else ", users not named"
            shows = f"with as many synthetic ones, an AUC of {number(seen['detectable_auc'])} or more would be found."
            if seen["units"] < FEWEST_USERS:
                shows = "too few: nothing is measured on so few."
            out.line(f"{amount(seen['conversations'], 'conversation')}{by}: {shows}")

    output.result(payload, show)


def _at_least(row: Requirement) -> Requirement:
    """No fewer users than an interval needs, and no fewer conversations than users."""
    users = max(row.users, FEWEST_USERS)
    return row._replace(users=users, conversations=max(row.conversations, users))


def _icc_for(given: float | None, seen: dict[str, Any] | None) -> tuple[float, str]:
    """The intraclass correlation to plan with, and where it comes from."""
    from understudy.cli.corpora import amount

    if given is not None:
        return given, "as given"
    if seen is None:
        return 0.0, "assumed; --icc says otherwise, or a corpus to estimate it from"
    if seen["unit"] != "user":
        return 0.0, "assumed, as no user is known to have several conversations"
    repeated = f"{amount(seen['repeating_users'], 'user')} with several conversations"
    if seen["icc"] is None:
        return 0.0, f"assumed, as {repeated} are too few to estimate it; --icc says otherwise"
    return float(seen["icc"]), f"estimated from the style of {repeated}"


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
    sizes = Counter(corpus.unit_ids.tolist())
    units, repeating = len(sizes), sum(count > 1 for count in sizes.values())
    known = corpus.has_users and repeating >= FEWEST_USERS
    return {
        "conversations": len(corpus),
        "units": units,
        "unit": "user" if corpus.has_users else "conversation",
        "per_user": len(corpus) / units,
        "repeating_users": repeating,
        "icc": _style_icc(corpus) if known else None,
    }


def _style_icc(corpus: Corpus) -> float:
    """Mean ICC(1) of the style features that vary, topic means taken out; never below 0."""
    import numpy as np

    from understudy.conversations import Corpus as Talks
    from understudy.measures.separability.styles import collect_styles
    from understudy.measures.variance_components import anova, intraclass

    styles = collect_styles(corpus, Talks([]))
    weights = np.ones((len(styles.units.unit), 1))
    tables = [anova(styles.sums, int(feature), weights) for feature in np.flatnonzero(styles.varies)]
    values = [float(intraclass(table.sums, table.topics)[0]) for table in tables]
    return max(0.0, sum(values) / len(values)) if values else 0.0
