"""Question and answer: does a simulated user know who it is, when it is asked in the middle of a conversation?"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from understudy.conversations import Conversation, Corpus, Turn
from understudy.measures.consistency.personas import persona_of
from understudy.measures.consistency.word_ranker import content
from understudy.measures.intervals import FEWEST_CLUSTERS, cluster_t_interval
from understudy.measures.measurement import Measurement, MeasureSpec, counts_of
from understudy.seeds import derive_seed, stream
from understudy.users.profile import Profile
from understudy.users.simulator import UserSimulator

OPTIONS = 4
FACTS = 2  # asked of one conversation
WORDINGS = (
    "Which one of these is true of you? {options}",
    "Tell me something about yourself: which of these would you say? {options}",
)
SPEC = MeasureSpec(
    name="consistency.questions",
    question="real",
    asks="Do simulated users answer closed questions about themselves as their persona says?",
    unit="share of answers that are right, of those that choose an option; chance 1/4",
    range=(0.0, 1.0),
    better="higher",
    source="question-and-answer consistency, arXiv:2511.00222, asked of the simulator itself",
)


class Asked(NamedTuple):
    """One question put to one user: where, in which words, and the option chosen: 0 is the right one, None none."""

    conversation: int
    fact: int
    own_turns: int
    wording: int
    chosen: int | None


def question_users(
    simulator: UserSimulator, corpus: Corpus, *, seed: int, concurrency: int = 8
) -> tuple[Measurement, list[Asked]]:
    """Do simulated users answer closed questions about themselves as their persona says?

    `corpus` holds conversations that `simulator` had, with their profiles. Each is taken up again twice, after half
    of the user's turns and after all of them, from the user's own state: the partner asks which of four statements is
    true of the user, one of them a fact of its persona and three of other personas; in two wordings, with the options
    in another order. Nothing is added to the conversation itself.

    Value: right answers among those that choose an option (`chosen_option`); what chooses none is unscorable and
    counts in the part `answered` alone. Further parts: `stable`, the same statement chosen at both places in one
    wording; `paraphrased`, the same in both wordings at one place. Intervals are by user. There is no floor: people
    who are no longer there cannot be asked.

    Unscored where fewer than ten users have a persona with facts, or fewer than ten of them answered.

    Source: arXiv:2511.00222. Differences: (1) asked of the simulator, where the released code asks its judge; (2)
    closed options and a rule that reads them, no second judge; (3) stability and paraphrase beside accuracy.
    """
    plan = _plan(corpus, seed)
    asked = asyncio.run(_ask_all(simulator, corpus, plan, seed, concurrency)) if plan else []
    return _measured(corpus, asked, simulator.identity), asked


def chosen_option(reply: str, options: Sequence[str]) -> int | None:
    """The option that a reply chooses: by its letter, or by words that only that option has. None where it is unclear.

    >>> chosen_option("(b), of course", ["I have a dog.", "I have two cats."])
    1
    >>> chosen_option("i do love my dog", ["I have a dog.", "I have two cats."])
    0
    >>> chosen_option("who knows, dogs or cats", ["I have a dog.", "I have two cats."]) is None
    True
    """
    letters = {match.lower() for match in re.findall(r"(?:^\s*|\()([a-dA-D])(?:\)|[.:,]|\s*$)", reply)}
    if len(letters) == 1 and (number := ord(letters.pop()) - ord("a")) < len(options):
        return number
    words = [set(content(option)) for option in options]
    said = set(content(reply))
    own = [mine - set().union(*(words[:k] + words[k + 1 :])) for k, mine in enumerate(words)]
    hits = [len(mine & said) for mine in own]
    best = max(hits, default=0)
    return hits.index(best) if best and sum(hit > 0 for hit in hits) == 1 else None


class _Question(NamedTuple):
    conversation: int
    fact: int
    options: tuple[str, ...]  # the right one first
    cut: int  # turns of the conversation that came before
    own_turns: int
    wording: int


def _plan(corpus: Corpus, seed: int) -> list[_Question]:
    facts = [persona_of(talk, "user") if talk.profile else () for talk in corpus]
    told = sorted({fact for mine in facts for fact in mine})
    plan = []
    for number, (talk, mine) in enumerate(zip(corpus, facts, strict=True)):
        rng = stream(seed, "questions", talk.id)
        others = [fact for fact in told if fact not in mine]
        places = [k + 1 for k, turn in enumerate(talk.turns) if turn.role == "user"]
        if not mine or len(others) < OPTIONS - 1 or len(places) < 2:
            continue
        for fact, k in enumerate(sorted(rng.permutation(len(mine))[:FACTS].tolist())):
            drawn = [others[j] for j in rng.choice(len(others), OPTIONS - 1, replace=False).tolist()]
            for own_turns in (len(places) // 2, len(places)):
                for wording in range(len(WORDINGS)):
                    options = (mine[k], *drawn)
                    plan.append(_Question(number, fact, options, places[own_turns - 1], own_turns, wording))
    return plan


async def _ask_all(
    simulator: UserSimulator, corpus: Corpus, plan: list[_Question], seed: int, concurrency: int
) -> list[Asked]:
    gate = asyncio.Semaphore(concurrency)
    talks = list(corpus)

    async def ask(question: _Question) -> Asked:
        async with gate:
            return await _ask(simulator, talks[question.conversation], question, seed)

    return list(await asyncio.gather(*(ask(question) for question in plan)))


async def _ask(simulator: UserSimulator, talk: Conversation, question: _Question, seed: int) -> Asked:
    """Options come in an order of their own for each wording; the answer is numbered as in `question.options`."""
    order = stream(seed, "options", talk.id, question.fact, question.wording).permutation(OPTIONS).tolist()
    shown = [question.options[k] for k in order]
    listed = " ".join(f"({letter}) {option}" for letter, option in zip("abcd", shown, strict=True))
    text = WORDINGS[question.wording].format(options=listed)
    session = simulator.start(msgspec.convert(talk.profile, Profile), seed=derive_seed(seed, "session", talk.id))
    reply = await session.reply((*talk.turns[: question.cut], Turn("assistant", text)))
    answer = chosen_option(reply.text, shown)
    chosen = None if answer is None else order[answer]
    return Asked(question.conversation, question.fact, question.own_turns, question.wording, chosen)


def _measured(corpus: Corpus, asked: list[Asked], identity: str) -> Measurement:
    units = corpus.unit_ids
    rows: dict[str, list[tuple[str, float]]] = {"": [], "answered": [], "stable": [], "paraphrased": []}
    places: dict[tuple[int, int, int], dict[int, int]] = {}
    wordings: dict[tuple[int, int, int], dict[int, int]] = {}
    for one in asked:
        unit = str(units[one.conversation])
        rows["answered"].append((unit, float(one.chosen is not None)))
        if one.chosen is not None:
            rows[""].append((unit, float(one.chosen == 0)))
            places.setdefault((one.conversation, one.fact, one.wording), {})[one.own_turns] = one.chosen
            wordings.setdefault((one.conversation, one.fact, one.own_turns), {})[one.wording] = one.chosen
    for name, groups in (("stable", places), ("paraphrased", wordings)):
        for (conversation, _, _), found in groups.items():
            if len(found) == 2:
                rows[name].append((str(units[conversation]), float(len(set(found.values())) == 1)))
    says = {
        "answered": "questions that were answered with an option",
        "stable": "the same option later in the conversation",
        "paraphrased": "the same option in other words",
    }
    parts = tuple(_share(corpus, rows[name], name, text, identity) for name, text in says.items())
    return msgspec.structs.replace(_share(corpus, rows[""], "", SPEC.asks, identity), parts=parts)


def _share(corpus: Corpus, rows: list[tuple[str, float]], name: str, says: str, identity: str) -> Measurement:
    full = f"{SPEC.name}.{name}" if name else SPEC.name
    spec = msgspec.structs.replace(SPEC, name=full, asks=says, unit="share" if name else SPEC.unit)
    n = {"synthetic": counts_of(corpus)}
    unit = np.array([row[0] for row in rows], dtype=np.str_)
    users = len(np.unique(unit))
    if users < FEWEST_CLUSTERS:
        reason = f"{users} users gave such answers; at least {FEWEST_CLUSTERS} are needed"
        return Measurement(name=full, value=None, status="unscored", reason=reason, n=n, spec=spec)
    found = cluster_t_interval([row[1] for row in rows], unit)
    interval = (max(found.low, 0.0), min(found.high, 1.0))
    evidence = {"questions": len(rows), "simulator": identity}
    return Measurement(
        name=full, value=found.mean, status="scored", n=n, spec=spec, interval=interval, evidence=evidence
    )
