"""Figure: what fitted users do when their partner treats them worse, beside what people did."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from bench.corpora import load, markdown
from understudy.conversations import Conversation, Corpus, Turn, split_corpus
from understudy.measures.measurement import Estimate, Measurement
from understudy.rollouts.arms import with_arm
from understudy.rollouts.simulate import simulate
from understudy.transfer.behaviour_rates import BEHAVIOURS, human_reactions, let_downs, turn_reactions
from understudy.transfer.counterfactual import judged_on_bad, reactions
from understudy.users.population import FittedPopulation, fit_population

ARMS = ("bad", "rude", "slow", "hallucinating", "good")
USERS = 200
MOST = 1000
SEED = 0


def _mean(value: Any) -> float:
    numbers = value if isinstance(value, list) else [value]
    return float(np.mean([float(n) for n in numbers]))


def _by_agent(talk: Conversation) -> bool | None:
    """A language model against the recommenders that came before it."""
    agent = str(talk.meta.get("agent", ""))
    return None if not agent else not agent.startswith(("crb", "kbrd", "unicrs", "barcor"))


def _by_satisfaction(talk: Conversation) -> bool | None:
    """Conversations whose raters were, on average, satisfied with at least 3 of 5."""
    if "overall_satisfaction" in talk.meta:
        return _mean(talk.meta["overall_satisfaction"]) > 3
    told = [_mean(turn.meta["satisfaction"]) for turn in talk.turns if turn.meta.get("satisfaction") not in (None, "")]
    return float(np.mean(told)) >= 4 if told else None


def _by_path(talk: Conversation) -> bool | None:
    """Paths on which the system was to help against paths on which it was to be in the way."""
    found = talk.meta.get("happy_path")
    return found if isinstance(found, bool) else None


SPLITS: dict[str, tuple[str, str, Callable[[Conversation], bool | None]]] = {
    "uss_redial_real": ("uss_redial_real", "raters satisfied or not", _by_satisfaction),
    "star_real": ("star_real", "happy path or not", _by_path),
    "recllmsim_human_real": ("recllmsim_human_real", "user's own ratings of the turns, 4 or more", _by_satisfaction),
    "crsarena_humanbot_real": ("crsarena_humanbot_real", "a language model or an older recommender", _by_agent),
}


def _low_rating(turn: Turn) -> bool | None:
    told = turn.meta.get("satisfaction")
    return None if told in (None, "") else _mean(told) <= 2


LABELS: dict[str, Callable[[Turn], bool | None]] = {"recllmsim_human_real": _low_rating}


def within(corpus: Corpus, people: FittedPopulation, key: str) -> dict[str, Any]:
    """What follows a bad partner turn: of real users, and of fitted users whose partner is under the bad arm."""
    met = simulate(people, with_arm(people.partner(), "bad"), n=USERS, seed=SEED).conversations
    return {"people": turn_reactions(corpus, bad=LABELS.get(key)), "fitted": turn_reactions(Corpus(met))}


def one_corpus(job: tuple[Path, str]) -> dict[str, Any]:
    """Reactions to the arms, and to the bad partners of a corpus by users fitted to its good ones."""
    data, key = job
    name, how, rule = SPLITS[key]
    corpus = load(data, name)
    told = np.array([-1 if (good := rule(talk)) is None else int(good) for talk in corpus])
    good, bad = (corpus.subset(np.flatnonzero(told == flag)[:MOST]) for flag in (1, 0))
    fitted_to, held_out = split_corpus(good, (0.5, 0.5), seed=SEED)
    human = human_reactions(held_out, bad)
    people = fit_population(fitted_to, copy_guard="free", seed=SEED)
    worse = fit_population(bad, copy_guard="free", seed=SEED).partner()
    unseen = judged_on_bad(people, people.partner(), worse, human=human, n=USERS, seed=SEED)
    arms = reactions(people, people.partner(), arms=ARMS, n=USERS, seed=SEED, human=human)
    return {
        "corpus": key,
        "how": how,
        "good": len(good),
        "bad": len(bad),
        "human": human,
        "human_let_downs": [let_downs(held_out), let_downs(bad)],
        "unseen": unseen,
        "arms": arms,
        "within": within(corpus, people, key),
    }


def run(data: Path, out: Path, workers: int = 2) -> str:
    """Two tables: bad partners that nobody was fitted to, and arms."""
    with ProcessPoolExecutor(workers) as pool:
        rows = list(pool.map(one_corpus, [(data, key) for key in SPLITS]))
    kept = [
        {
            "corpus": row["corpus"],
            "human": {name: [e.value, e.interval] for name, e in row["human"].items()},
            "unseen": {m.name: [m.value, m.interval, m.evidence] for m in row["unseen"]},
            "within": {
                side: {name: [e.value, e.interval, e.note] for name, e in found.items()}
                for side, found in row["within"].items()
            },
            "arms": {m.name: m.evidence for m in row["arms"] if m.value is not None},
        }
        for row in rows
    ]
    (out / "counterfactual.json").write_text(json.dumps(kept, default=float))
    return "\n\n".join([_unseen(rows), turn_table(rows), _arms(rows)])


def _unseen(rows: list[dict[str, Any]]) -> str:
    body: list[list[object]] = []
    for row in rows:
        by_name = {m.name.split(".")[2]: m for m in row["unseen"]}
        for behaviour in BEHAVIOURS:
            m, person = by_name[behaviour], row["human"].get(behaviour)
            if m.value is None or person is None:
                continue
            body.append(
                [
                    f"{row['corpus']} ({row['good']} good, {row['bad']} bad: {row['how']})",
                    behaviour,
                    _estimate(person),
                    _told(m),
                    _difference(m),
                    _agrees(m),
                ]
            )
    header = [
        "good and bad partners of",
        "behaviour",
        "people: bad minus good",
        "fitted on good, met bad",
        "difference",
        "verdict",
    ]
    doses = "; ".join(
        f"{row['corpus']} people {_share(row['human_let_downs'])}, fitted {_share(_met(row['unseen']))}" for row in rows
    )
    return (
        f"**Fitted on good partners, judged on bad ones** ({USERS} users each)\n\n{markdown(header, body)}\n\n"
        f"Share of partner turns that fail or repeat, good and bad: {doses}. "
        "What people did is observed: raters, users or the plan of the collection said which partners were bad, and an "
        "unhappy path of STAR was written into the user's instructions, so that longer conversations belong to it."
    )


def turn_table(rows: list[dict[str, Any]]) -> str:
    """What follows a let-down within a conversation, of people and of fitted users."""
    body: list[list[object]] = []
    for row in rows:
        found = row["within"]
        for behaviour in BEHAVIOURS:
            pair = [found[side].get(behaviour) for side in ("people", "fitted")]
            if any(pair):
                body.append([row["corpus"], behaviour, *("unscored" if e is None else _estimate(e) for e in pair)])
    return (
        "**The turn after a let-down, minus the turn after any other** (people: all conversations, a bad turn is one "
        "rated 2 or less where turns are rated; fitted users: with their partner under the bad arm)\n\n"
        + markdown(["users of", "behaviour", "people", "fitted on good"], body)
    )


def _arms(rows: list[dict[str, Any]]) -> str:
    body: list[list[object]] = []
    for row in rows:
        for m in row["arms"]:
            if m.value is None:
                continue
            parts = {p.name.rsplit(".", 1)[1]: p for p in m.parts}
            cells = [
                _told(p) + (" *" if p.adjusted_p is not None and p.adjusted_p < 0.05 else "") for p in parts.values()
            ]
            body.append([row["corpus"], m.name.rsplit(".", 1)[1], *cells])
    return (
        "**Slope of reaction to an arm at full strength** (\\* told from 0 at a false discovery rate of 5 %)\n\n"
        + markdown(["users fitted to good conversations of", "behaviour", *ARMS], body)
    )


def _met(unseen: list[Measurement]) -> list[float | None]:
    told = next((m.evidence["let_downs"] for m in unseen if m.value is not None), {})
    return [told.get("good"), told.get("bad")]


def _share(pair: list[float | None]) -> str:
    return " and ".join("–" if share is None else f"{100 * share:.0f} %" for share in pair)


def _agrees(m: Measurement) -> str:
    e = m.evidence
    if "difference_from_human" not in e:
        return "no reference"
    _, low, high = e["difference_from_human"]
    if not e["human_is_resolved"]:
        return "people's reaction not told from none"
    if low <= 0 <= high:
        return "not told from people"
    return (
        "weaker or other than people"
        if abs(m.value or 0) < abs(m.floor.value if m.floor else 0)
        else "other than people"
    )


def _difference(m: Measurement) -> str:
    found = m.evidence.get("difference_from_human")
    return "–" if found is None else f"{found[0]:+.3f} [{found[1]:+.3f}, {found[2]:+.3f}]"


def _estimate(e: Estimate) -> str:
    low, high = e.interval or (float("nan"), float("nan"))
    return f"{e.value:+.3f} [{low:+.3f}, {high:+.3f}]"


def _told(m: Measurement) -> str:
    if m.value is None or m.interval is None:
        return "unscored"
    return f"{m.value:+.3f} [{m.interval[0]:+.3f}, {m.interval[1]:+.3f}]"
