"""From several synthetic corpora and a small real sample to one mixed corpus, its recipe and its judgement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from understudy import __version__
from understudy.conversations import Conversation, Corpus, CorpusCard
from understudy.conversations.lineage import Step, with_step
from understudy.errors import UsageError
from understudy.measures.measurement import Measurement
from understudy.measures.resampling import Floats, Ints
from understudy.seeds import stream
from understudy.transfer.density_ratio import (
    Ratios,
    density_ratios,
    draw,
    effective_size,
    inclusion_probabilities,
    most_without_replacement,
    shortfall,
)
from understudy.transfer.families import FIT_BY_DEFAULT, check_fitting, judges_for
from understudy.transfer.judging import judge_mixture
from understudy.transfer.members import Member, apart, members_of
from understudy.transfer.mixtures import Candidates, MixtureFit, candidates_of, fit_mixture, pair_distances
from understudy.users.origins import contamination, fitted_to

SCHEMA = "understudy.mixture/1"
FEWEST_REAL = 10
MANY_COPIES = 0.1
ALL_ALIKE = "all members alike"
SHUFFLED = "shuffled weights"


class Share(msgspec.Struct, frozen=True, omit_defaults=True):
    """A member in the recipe: its weight in use, the plain estimate with interval, and what it alone adds."""

    member: str
    source: str
    weight: float
    estimated: float
    interval: tuple[float, float]
    available: int
    drawn: int
    cell: str = ""
    channel: str = ""
    adds: tuple[float, float] | None = None


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """How a mixed corpus was made, as plain data; `save_recipe` writes it as JSON."""

    schema: str = SCHEMA
    understudy: str = __version__
    seed: int
    policy: str
    policies: tuple[dict[str, Any], ...]
    families_used: tuple[str, ...]
    families_held_out: tuple[str, ...]
    cells: tuple[str, ...]
    channels: tuple[str, ...]
    members: tuple[Share, ...]
    selection: dict[str, Any] | None
    conversations: int
    effective_size: float
    shortfall: float
    digests: dict[str, str]


class Mixed(NamedTuple):
    """The mixed corpus, how it was made, and whether it is closer to held-out real users than its members."""

    corpus: Corpus
    recipe: Recipe
    measurement: Measurement


class Assembled(NamedTuple):
    """A draw of conversations: rows of the candidates, and how far its shares are from those wanted."""

    rows: Ints
    chance: Floats
    shortfall: float


def mix_corpora(
    corpora: Mapping[str, Corpus],
    real: Corpus,
    held_out: Corpus,
    *,
    families: Sequence[str] = FIT_BY_DEFAULT,
    cells: Sequence[str] = (),
    channels: Sequence[str] = (),
    select: bool = False,
    n: int | None = None,
    whole: Corpus | None = None,
    seed: int,
) -> Mixed:
    """Mix `corpora` so that they come nearest to `real`, and judge the mix on `held_out`, by other families.

    Weights of the members (`members_of`: corpora, their cells, noisy twins) are fitted on `families` of the real
    sample (`fit_mixture`); with `select` each conversation is weighted by its density ratio besides
    (`density_ratios`). `n` conversations are drawn without replacement, each with a chance proportional to its
    weight; without `n`, as many as keep the shares within .02 (total variation) of the weights or, with `select`, as
    the weights are worth (`effective_size`) if that is more. Every conversation says in `provenance["mixture"]` which
    member it is from and with what weight.

    `held_out` shares no person with `real`; neither should be among the people that a simulator was fitted to. `whole`
    is what both were drawn from, if from one. A member whose provenance names one of them is flagged.
    The measurement is `transfer.mixture` (`judge_mixture`).

    Raises UsageError for fewer than two members, fewer than ten real units, or `n` beyond what there is.
    """
    families = check_fitting(families)
    _refuse_empty(corpora)
    separate = apart(corpora)
    members = members_of(separate, cells=cells, channels=channels, seed=seed)
    _check(members, real, n)
    pool = candidates_of(members)
    d = pair_distances(real, pool, families, seed=seed)
    fit = fit_mixture(d, seed=seed)
    sizes = np.bincount(pool.member, minlength=len(members))
    base = (fit.weights / sizes)[pool.member]
    ratios = density_ratios(real, pool, base, d, families, seed=seed) if select else None
    weights = base if ratios is None else base * ratios.ratio
    taken = assemble(pool, weights, n, stream(seed, "mixture", "draw"), selected=select)
    corpus = _written(pool, members, taken, fit, ratios)
    judges = judges_for(families)
    recipe = Recipe(
        seed=seed,
        policy=fit.policy,
        policies=_policies(fit),
        families_used=families,
        families_held_out=tuple(judge.name for judge in judges),
        cells=tuple(cells),
        channels=tuple(channels),
        members=_shares(members, pool, taken, fit, weights),
        selection=None if ratios is None else _selection(ratios),
        conversations=len(corpus),
        effective_size=effective_size(np.bincount(pool.key, weights).astype(np.float64)),
        shortfall=taken.shortfall,
        digests={name: each.digest for name, each in separate.items()},
    )
    controls = _controls(pool, members, weights, len(corpus), seed)
    found = judge_mixture(
        held_out,
        corpus,
        separate,
        judges,
        controls=controls,
        evidence=_evidence(recipe, [*_fitted(corpora, real, held_out, whole), *_copies(separate, real, held_out)]),
        seed=seed,
    )
    return Mixed(corpus, recipe, found)


def _policies(fit: MixtureFit) -> tuple[dict[str, Any], ...]:
    return tuple({"policy": p.name, "distance": p.distance, "excess": p.excess, "error": p.error} for p in fit.policies)


def _evidence(recipe: Recipe, flags: list[str]) -> dict[str, Any]:
    """What stands beside the judgement, from the recipe."""
    return {
        "weights": {share.member: share.weight for share in recipe.members},
        "families_used": list(recipe.families_used),
        "policy": recipe.policy,
        "effective_size": recipe.effective_size,
        "flags": flags,
    }


def _refuse_empty(corpora: Mapping[str, Corpus]) -> None:
    if empty := [name for name, corpus in corpora.items() if not len(corpus)]:
        raise UsageError(
            f"{', '.join(empty)}: no conversation",
            why="a member without conversations cannot be drawn from",
            fix="leave it out",
        )


def _fitted(members: Mapping[str, Corpus], real: Corpus, held_out: Corpus, whole: Corpus | None) -> list[str]:
    """A sentence for each member that was fitted to the people who judge, or whom weights are fitted on."""
    judges = [held_out, *([whole] if whole is not None else [])]
    told = {name: contamination(corpus, judges, partners=False) for name, corpus in members.items()}
    flags = [f"{name}: {flag}" for name, flag in told.items() if flag]
    return flags + [
        f"{name}: contaminated: users fitted to the real sample that weights are fitted on; its weight is too high"
        for name, corpus in members.items()
        if not told[name] and fitted_to(corpus, real) > 0
    ]


def _copies(members: Mapping[str, Corpus], real: Corpus, held_out: Corpus) -> list[str]:
    """A sentence for each member whose conversations are real ones, by what is said in them."""
    flags = []
    for side, people in (("real ones that weights are fitted on", real), ("real ones that judge", held_out)):
        said = {_said(talk) for talk in people}
        for name, corpus in members.items():
            share = sum(_said(talk) in said for talk in corpus) / len(corpus)
            if share >= MANY_COPIES:
                flags.append(
                    f"{share:.0%} of the conversations of {name} say word for word what {side} say: it is near to them"
                    " for being them"
                )
    return flags


def _said(talk: Conversation) -> tuple[str, ...]:
    return tuple(" ".join(turn.text.lower().split()) for turn in talk.turns)


def _check(members: Sequence[Member], real: Corpus, n: int | None) -> None:
    if len(members) < 2:
        raise UsageError(
            "one synthetic corpus is no mixture",
            why="weights are shared out over two or more members",
            fix="give more corpora, or cut this one with --cells FIELD, or add noisy twins with --channels",
        )
    units = real.n_units
    if units < FEWEST_REAL:
        raise UsageError(
            f"{units} real users (or conversations) to fit weights on",
            why=f"below {FEWEST_REAL} the weights would be noise",
            fix="give a larger real sample; 100 is a good size",
        )
    together = sum(len(m.rows) for m in members if not m.channel)
    if n is not None and n > together:
        raise UsageError(
            f"{n:,} conversations wanted of {together:,}",
            why="the mixture draws without replacement",
            fix=f"ask for {together:,} or fewer, or give more synthetic conversations",
        )


def assemble(
    pool: Candidates, weights: Floats, n: int | None, rng: np.random.Generator, *, selected: bool = False
) -> Assembled:
    """Draw conversations by weight, each at most once; of the noisy twins of one, one by their weights."""
    together = np.bincount(pool.key, weights)
    share = together / together.sum()
    if n is None:
        n = max(most_without_replacement(share), int(effective_size(share)) if selected else 0)
    wanted = min(n, int((share > 0).sum()))
    chance = inclusion_probabilities(share, wanted)
    keys = draw(chance, rng)
    # Efraimidis & Spirakis (2006): the largest log(u) / w is a draw by weight; it is the last of its key here.
    lot = np.log(rng.random(len(pool.key))) / np.maximum(weights, 1e-300)
    order = np.lexsort((lot, pool.key))
    last = order[np.r_[np.diff(pool.key[order]) > 0, True]]
    rows = last[np.searchsorted(pool.key[last], keys)]
    return Assembled(np.sort(rows), chance[pool.key], shortfall(share, wanted))


def _written(
    pool: Candidates, members: Sequence[Member], taken: Assembled, fit: MixtureFit, ratios: Ratios | None
) -> Corpus:
    def told(row: int) -> Conversation:
        talk, member = pool.corpus[row], members[int(pool.member[row])]
        note: dict[str, Any] = {
            "member": member.name,
            "source": member.source,
            "weight": float(fit.weights[pool.member[row]]),
        }
        if member.channel:
            note["channel"] = member.channel
        if ratios is not None:
            note["ratio"] = round(float(ratios.ratio[row]), 4)
        return msgspec.structs.replace(talk, provenance={**(talk.provenance or {}), "mixture": note})

    names = ", ".join(dict.fromkeys(m.source for m in members))
    chosen = with_step([told(int(row)) for row in taken.rows], Step("filter", "understudy mix"))
    return Corpus(chosen, CorpusCard("synthetic", f"mixture of {names}"))


def _controls(pool: Candidates, members: Sequence[Member], weights: Floats, n: int, seed: int) -> dict[str, Corpus]:
    """What the mix has to be better than to have done anything: no weights, and the same weights at random."""
    plain = np.array([not m.channel for m in members])[pool.member]
    source = np.unique([m.source for m in members], return_inverse=True)[1][pool.member]
    alike = np.where(plain, 1.0 / np.bincount(source[plain])[source], 0.0)
    rng = stream(seed, "mixture", "controls")
    shuffled = weights[rng.permutation(len(weights))]
    return {
        name: pool.corpus.subset(assemble(pool, each, n, rng).rows)
        for name, each in ((ALL_ALIKE, alike), (SHUFFLED, shuffled))
    }


def _shares(
    members: Sequence[Member], pool: Candidates, taken: Assembled, fit: MixtureFit, weights: Floats
) -> tuple[Share, ...]:
    drawn = np.bincount(pool.member[taken.rows], minlength=len(members))
    mass = np.bincount(pool.member, weights, minlength=len(members))
    return tuple(
        Share(
            member=m.name,
            source=m.source,
            weight=float(mass[k] / mass.sum()),
            estimated=float(fit.estimated[k]),
            interval=(float(fit.interval[k, 0]), float(fit.interval[k, 1])),
            available=len(m.rows),
            drawn=int(drawn[k]),
            cell=m.cell,
            channel=m.channel,
            adds=fit.without[k] if fit.without else None,
        )
        for k, m in enumerate(members)
    )


def _selection(ratios: Ratios) -> dict[str, Any]:
    powers = [{"power": p, "excess": e, "error": s} for p, e, s in ratios.powers]
    return {"power": ratios.power, "clipped": ratios.clipped, "powers": powers}


def save_recipe(path: str | Path, recipe: Recipe) -> None:
    """Write the recipe as JSON, indented, keys in a fixed order."""
    text = msgspec.json.format(msgspec.json.encode(recipe, order="deterministic"), indent=2)
    Path(path).write_bytes(text + b"\n")
