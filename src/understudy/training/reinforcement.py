"""Multi-turn reinforcement: users talk to a partner, every turn is credited with what it and later turns earn.

REINFORCE with a leave-one-out baseline over conversations that start alike, honestly named: no clipping (each batch is
used once), no value network, and the distance to the supervised policy is the exact divergence at every number.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from understudy.rollouts.partner import Partner
from understudy.seeds import derive_seed, stream
from understudy.training.rehearsal import Rehearsal, rehearse
from understudy.training.rewards import DEGENERATE, Earned, Reward, means
from understudy.training.supervised import Steps, said_by, unrolled
from understudy.users.neural.decoder import Weights, log_probabilities, log_probability, torch_module
from understudy.users.neural.language import Language, Line
from understudy.users.profile import Profile

if TYPE_CHECKING:
    from torch import Tensor


BLOCK = 5  # batches that are looked at together; those of a first block are only listened to, and later held against
_ASKS = re.compile(r"[?？؟]")
WORDS = 30  # of a conversation, over which a person's own variety is counted


class Reinforcement(msgspec.Struct, frozen=True):
    """How to learn from rollouts. A step takes `starts` users, each in `group` conversations that start alike."""

    steps: int = 30
    starts: int = 8
    group: int = 4
    micro_batch: int = 96  # lines computed at a time; changes memory, not results
    most_turns: int = 12
    discount: float = 0.5  # what the next turn's reward is worth to this one
    rate: float = 5e-4
    clip: float = 1.0
    divergence: float = 0.3  # price of a nat of distance from the supervised policy, per line
    questions: bool = True
    gate: bool = True


def beyond_form(rewards: Sequence[float | None], lines: Sequence[str], *, price: float = 0.0) -> list[float | None]:
    """What each reward is above those of lines of its form, by a plane through the batch, less the price of its words.

    Form is how many words a line has and whether it asks: a reward that grows with length by itself would buy longer
    lines, one that is paid for what a line says of its user fewer questions, and one that is positive longer
    conversations. `price` is what a word costs beyond that, or earns where it is negative (`price_of_a_word`).

    >>> beyond_form([0.2, 0.4, None, 0.6, 1.0], ["a b", "a b c d", "a", "a b c d e f", "a b c d e f g h"])[:3]
    [0.04, -0.02, None]
    """
    known = [k for k, reward in enumerate(rewards) if reward is not None]
    found: list[float | None] = [None] * len(rewards)
    if not known:
        return found
    y = np.array([rewards[k] for k in known], dtype=float)
    form = np.array([[len(lines[k].split()), bool(_ASKS.search(lines[k]))] for k in known], dtype=float)
    form, y = form - form.mean(axis=0), y - y.mean()
    slopes = np.linalg.lstsq(form, y, rcond=None)[0] if len(known) > 2 else np.zeros(2)
    for k, value in zip(known, (y - form @ slopes - price * form[:, 0]).tolist(), strict=True):
        found[k] = round(value, 9)
    return found


def price_of_a_word(lengths: Sequence[float]) -> float:
    """What a word has to cost for lines to stay as long as they were at first, from the mean length of every batch.

    >>> price_of_a_word([10.0] * 6), price_of_a_word([10.0] * 5 + [12.0]) > 0
    (0.0, True)
    """
    if len(lengths) <= BLOCK:
        return 0.0
    return float(0.01 * (np.mean(lengths[-BLOCK:]) - np.mean(lengths[:BLOCK])))


class Advantage(NamedTuple):
    """How much better than its like a line did; and how many were left out because nobody could judge them."""

    value: list[float | None]
    dropped: int


def returns(rewards: Sequence[float | None], discount: float) -> list[float | None]:
    """Turn-level returns of one conversation: G_t = r_t + discount * G_(t+1); a turn without reward has none itself.

    >>> returns([1.0, None, 0.5], 0.5)
    [1.125, None, 0.5]
    """
    found, later = list[float | None](), 0.0
    for reward in reversed(rewards):
        later = (reward or 0.0) + discount * later
        found.append(None if reward is None else later)
    return found[::-1]


def advantages(returned: Sequence[Sequence[float | None]], group: int) -> Advantage:
    """Each return minus the mean of the others of its group at the same turn, over the spread of all.

    `returned`: a row a conversation, `group` rows in succession start alike. Where nobody else of the group got to the
    turn, the mean of everybody else at it stands in.

    >>> advantages([[1.0], [0.0], [None], [1.0]], 2).dropped
    1
    """
    known = [g for row in returned for g in row if g is not None]
    spread = float(np.std(known)) if len(known) > 1 else 0.0
    found, dropped = list[float | None](), 0
    for k, row in enumerate(returned):
        mine = range(k - k % group, min(k - k % group + group, len(returned)))
        for t, g in enumerate(row):
            if g is None:
                dropped += 1
                found.append(None)
                continue
            others = [v for j in mine if j != k for v in returned[j][t : t + 1] if v is not None]
            others = others or [v for j, r in enumerate(returned) if j != k for v in r[t : t + 1] if v is not None]
            base = float(np.mean(others)) if others else float(np.mean(known))
            found.append((g - base) / max(spread, 1e-6) if spread > 1e-9 else 0.0)
    return Advantage(found, dropped)


def objective(
    weights: Weights, reference: Weights, lines: Sequence[Line], values: Sequence[float], user: int, price: float
) -> tuple[Tensor, Tensor]:
    """What is made smaller, summed over the lines, and the divergence from `reference`, summed over their numbers."""
    torch = torch_module()
    found, chosen, row = unrolled(weights, lines, user)
    with torch.no_grad():
        before = log_probabilities(unrolled(reference, lines, user)[0])
    now = log_probabilities(found)
    apart = (now.exp() * (now - before)).sum()
    gain = (log_probability(found, chosen) * torch.tensor(list(values), dtype=now.dtype)[row]).sum()
    return price * apart - gain, apart.detach()


class Practice(NamedTuple):
    """One batch of rollouts with what it earned."""

    talks: list[Rehearsal]
    earned: Earned
    advantage: Advantage
    log: dict[str, float]


def practise(
    weights: Weights,
    language: Language,
    profiles: Sequence[Profile],
    partner: Partner,
    reward: Reward,
    how: Reinforcement,
    *,
    seed: int,
    step: int,
    price: float = 0.0,
) -> Practice:
    """The rollouts of one step and what each line earned; depends on weights, seed, step and the price of a word."""
    rng = stream(seed, "starts", step)
    chosen = [profiles[int(k)] for k in rng.integers(len(profiles), size=how.starts)]
    people = [p for p in chosen for _ in range(how.group)]
    seeds = [derive_seed(seed, "rollout", step, k) for k in range(len(people))]
    talks = rehearse(weights, language, people, partner, seeds, most_turns=how.most_turns)
    if how.questions:
        talks = asked_who(weights, language, talks, profiles, rng)
    spoken = [s for talk in talks for s in talk.spoken]
    earned = reward(spoken, seed=derive_seed(seed, "reward", step))
    rewards = earned.reward
    counted, at, rows = beyond_form(rewards, [s.line for s in spoken], price=price), 0, []
    for talk in talks:
        rows.append(returns(counted[at : at + len(talk.spoken)], how.discount))
        at += len(talk.spoken)
    advantage = advantages(rows, how.group)
    known = [r for r in rewards if r is not None]
    log = {
        "reward": round(float(np.mean(known)), 4) if known else 0.0,
        "lines": float(len(rewards)),
        "unscorable": round(advantage.dropped / max(len(rewards), 1), 4),
        "degenerate": round(sum(w in DEGENERATE for w in earned.why) / max(len(rewards), 1), 4),
        "words": round(float(np.mean([len(s.line.split()) for s in spoken])), 3),
        "distinct": distinct([s.line for s in spoken]),
        "own variety": round(own_variety([[s.line for s in talk.spoken] for talk in talks]), 4),
        **means(earned.terms),
    }
    return Practice(talks, earned, advantage, log)


def distinct(lines: Sequence[str]) -> float:
    """The share of pairs of neighbouring words that are not said elsewhere in the same lines."""
    pairs = [pair for line in lines for words in [line.lower().split()] for pair in itertools.pairwise(words)]
    return round(len(set(pairs)) / max(len(pairs), 1), 4)


def own_variety(talks: Sequence[Sequence[str]]) -> float:
    """Different words among the first `WORDS` that somebody says in a conversation, mean over those who say as many."""
    said = [[word for line in lines for word in line.lower().split()][:WORDS] for lines in talks]
    shares = [len(set(words)) / WORDS for words in said if len(words) == WORDS]
    return float(np.mean(shares)) if shares else 1.0


def improve(steps_taken: Steps, reference: Weights, practice: Practice, how: Reinforcement, user: int) -> float:
    """One step by what was earned; the mean divergence per line. Parts of a batch add up to the same step."""
    lines = [line for talk in practice.talks for line in talk.lines]
    values = practice.advantage.value
    kept = [(line, v) for line, v in zip(lines, values, strict=True) if v is not None]
    kept.sort(key=lambda pair: len(pair[0].chosen))
    apart = 0.0
    for start in range(0, len(kept), how.micro_batch):
        part = kept[start : start + how.micro_batch]
        loss, away = objective(
            steps_taken.weights, reference, [line for line, _ in part], [v for _, v in part], user, how.divergence
        )
        (loss / len(kept)).backward()  # type: ignore[no-untyped-call]
        apart += float(away)
    if kept:
        steps_taken.take()
    return apart / max(len(kept), 1)


def asked_who(
    weights: Weights, language: Language, talks: list[Rehearsal], profiles: Sequence[Profile], rng: np.random.Generator
) -> list[Rehearsal]:
    """Ask every user at the end which of three facts is theirs; how surely they know stands with their last line.

    The answer is the simulator's own: how much likelier it would say each fact now than if nothing were told of it.
    """
    facts = sorted({fact for p in profiles for fact in p.persona.facts})
    able = [t for t in talks if t.profile.persona.facts and t.spoken]
    if len(facts) < 3 or not able:
        return talks
    told, untold = list[Line](), list[Line]()
    for talk in able:
        own = talk.profile.persona.facts
        options = [own[int(rng.integers(len(own)))]]
        options += [f for f in (facts[int(k)] for k in rng.integers(len(facts), size=12)) if f not in own][:2]
        nobody = language.scene([language.words.mark("<fact>")], talk.turns)
        for option in options:
            numbers = language.chosen(option, None)
            told.append(Line(talk.last, numbers))
            untold.append(Line(nobody, numbers))
    sure = _right(weights, language.user, told, untold)
    answers = {id(talk): sure[k] for k, talk in enumerate(able)}
    return [
        talk._replace(spoken=[*talk.spoken[:-1], talk.spoken[-1]._replace(answer=answers[id(talk)])])
        if id(talk) in answers
        else talk
        for talk in talks
    ]


def _right(weights: Weights, user: int, told: list[Line], untold: list[Line]) -> list[float]:
    """The probability of the first of every three options."""
    torch = torch_module()
    with torch.no_grad():
        gains = []
        for lines in (told, untold):
            each = said_by(weights, lines, user)
            row = torch.tensor([k for k, line in enumerate(lines) for _ in line.chosen])
            total = torch.zeros(len(lines)).index_add(0, row, each)
            gains.append(total / torch.tensor([float(len(line.chosen)) for line in lines]))
        share = (gains[0] - gains[1]).reshape(-1, 3).softmax(-1)
    return [float(v) for v in share[:, 0]]
