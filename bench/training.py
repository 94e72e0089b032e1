"""Figure: users in every stage of training speak for people unknown to them; another judge than the rewarding one."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from scipy import stats

from bench.corpora import load, markdown
from understudy.conversations import Conversation, Corpus, CorpusCard, Turn
from understudy.measures.behaviours import user_turn_behaviours
from understudy.measures.consistency.embedded_judge import EmbeddedJudge, fit_judge
from understudy.measures.consistency.personas import unscorable
from understudy.measures.realism.discriminator import discriminator
from understudy.seeds import derive_seed, stream
from understudy.training.checkpoints import Checkpoint
from understudy.training.lessons import Lessons, lessons
from understudy.training.rehearsal import rehearse
from understudy.training.reinforcement import BLOCK, Reinforcement, distinct, own_variety
from understudy.training.rewards import PromptToLine, Spoken, agreements, contrasts
from understudy.training.supervised import Supervision, beginning, learn
from understudy.training.train import composite, degenerates, reinforce
from understudy.users.neural.decoder import Shape, Weights, new_weights
from understudy.users.neural.population import TOP_P, NeuralPopulation
from understudy.users.population import fit_population
from understudy.users.profile import Goal, Persona, Profile

SEEDS = 5
TESTED = 90  # conversations by people of the test part
SESSIONS = 2
ELSEWHERE = 0.05  # a line whose own persona the judge puts this much below others' is somebody else's
LINES = 300  # over which variety is counted, the same for everybody
ALONG = (10, 20)  # steps of the rollouts at which their users are measured as well
PIECES = 2500
BASE = Supervision(epochs=4, patience=9)
SFT = Supervision(epochs=2, patience=9)
RL = Reinforcement()
PUBLISHED = Reinforcement(steps=40, starts=4, rate=2e-3, divergence=0.01, questions=False, gate=False)
ARMS = ("random", "untrained", "SFT", "RL", "prompt-to-line only")
MARGINS = {
    "discriminator AUC": 0.03,
    "ICC": 0.15,
    "words a line": 1.0,
    "hedging": 0.05,
    "variety": 0.05,
    "own variety": 0.05,
}


class Speaker(NamedTuple):
    """A person of the test part: what is told of them, and what they said."""

    persona: tuple[str, ...]
    talk: Conversation


def views(corpus: Corpus) -> list[Conversation]:
    """Every conversation twice, each speaker once as the user."""
    found = []
    for talk in corpus:
        for k, role in enumerate(("user", "assistant"), 1):
            turns = tuple(Turn("user" if t.role == role else "assistant", t.text) for t in talk.turns)
            found.append(Conversation(f"{talk.id}-{k}", turns, meta={"persona": talk.meta[f"persona_{k}"]}))
    return found


def divided(talks: Sequence[Conversation], *, tested: int) -> tuple[Corpus, list[Conversation]]:
    """Train and test: no two personas with a fact in common on both sides. The largest clusters of facts train.

    The people of a first draw were looked at while the settings were chosen; they train here, and a second draw tests.
    """
    root: dict[str, str] = {}

    def find(fact: str) -> str:
        while root.setdefault(fact, fact) != fact:
            fact = root[fact]
        return fact

    for talk in talks:
        facts = talk.meta["persona"]
        for fact in facts[1:]:
            root[find(fact)] = find(facts[0])
    clusters: dict[str, list[Conversation]] = {}
    for talk in talks:
        clusters.setdefault(find(talk.meta["persona"][0]), []).append(talk)
    draws: tuple[set[str], set[str]] = (set(), set())
    for k in stream(0, "training", "test").permutation(len(clusters)).tolist():
        name = sorted(clusters)[k]
        open_ = next((draw for draw in draws if sum(len(clusters[t]) for t in draw) < tested), None)
        if open_ is not None and len(clusters[name]) <= tested:
            open_.add(name)
    test = draws[1]
    train = [talk for talk in talks if find(talk.meta["persona"][0]) not in test]
    return Corpus(train, CorpusCard("real", "train")), [t for name in sorted(test) for t in clusters[name]]


class Ground(NamedTuple):
    """What all seeds share: lessons, the untrained users, the judges, the partner, people to be tested on."""

    taught: Lessons
    base: Weights
    rewards: EmbeddedJudge
    measures: EmbeddedJudge
    partner: Any
    test: list[Conversation]


def ground(data: Path) -> Ground:
    """Fitted on the train part alone. The untrained users have learned from the same lines, told nothing of anybody."""
    train, test = divided(views(load(data, "personachat_real")), tested=240)
    fitted = fit_population(train, copy_guard="guarded", seed=0)
    taught = lessons(train, fitted, most_pieces=PIECES)
    blind = [
        line
        for profile, turns in zip(taught.profiles, taught.turns, strict=True)
        for line in taught.language.lines(nobody(profile), turns)
    ]
    begun = beginning(new_weights(Shape(len(taught.language.words)), seed=0), BASE)
    base = learn(taught._replace(lines=blind), BASE, begun, seed=0, on_progress=_nothing).best
    judges = [fit_judge([train], kind, seed=0) for kind in ("words", "letters")]
    rng = stream(0, "training", "tested")
    chosen = [test[k] for k in sorted(rng.permutation(len(test))[: TESTED // SESSIONS].tolist())]
    return Ground(taught, base, judges[0], judges[1], fitted.partner(), chosen)


def _nothing(stage: str, done: int, total: int) -> None: ...


def nobody(profile: Profile) -> Profile:
    """The same session by somebody of whom nothing is told."""
    return msgspec.structs.replace(profile, persona=Persona(profile.persona.id))


_SHARED: list[Ground] = []  # what the processes of the seeds find in place


def one_seed(seed: int) -> dict[str, Any]:
    """All arms of one seed: numbers a person and numbers a corpus."""
    on = _SHARED[-1]
    clock = time.process_time()
    shape = Shape(len(on.taught.language.words))
    sft = learn(on.taught, SFT, beginning(on.base, SFT), seed=derive_seed(seed, "sft"), on_progress=_nothing).best
    users = NeuralPopulation(on.taught.language, shape, sft, on.taught.profiles, corpus_digest="", seed=seed)
    reward, realism = composite(on.taught, on.rewards, seed=seed)
    along: dict[int, Weights] = {}

    def keep(at: Checkpoint) -> None:
        along[at.step] = {n[8:]: t.clone() for n, t in at.tensors.items() if n.startswith("weights/")}

    better, rows, stopped = reinforce(users, reward, realism, RL, on.partner, seed=derive_seed(seed, "rl"), keep=keep)
    alone, fresh = PromptToLine(on.rewards), composite(on.taught, on.rewards, seed=seed)[1]
    worse, single, _ = reinforce(users, alone, fresh, PUBLISHED, on.partner, seed=derive_seed(seed, "rl"))
    arms = dict(zip(ARMS[1:], (on.base, sft, better, worse), strict=True))
    arms |= {_at(step): along.get(step, better) for step in ALONG}
    found = {name: tested(on, weights, seed, told=name != "untrained") for name, weights in arms.items()}
    if not seed:  # the same for all seeds, and slow: nothing ever ends its lines
        found["random"] = tested(on, new_weights(shape, seed=0), 0, told=True)
    found["people"] = said(on, [_spoken(talk) for talk in on.test], on.test)
    gate = next((k - BLOCK for k in range(BLOCK, len(single) + 1, BLOCK) if degenerates(single[:k])), 0)
    log = {"gate": stopped, "steps": len(rows) - BLOCK, "single gate": gate, "seconds": time.process_time() - clock,
           "first": rows[0], "last": rows[-1], "single last": single[-1]}  # fmt: skip
    return {"arms": found, "log": log}


def _at(step: int) -> str:
    return f"RL, step {step}"


def _spoken(talk: Conversation) -> list[Spoken]:
    found, mine = [], list[str]()
    for turn in talk.turns:
        if turn.role == "user":
            found.append(Spoken(tuple(talk.meta["persona"]), tuple(mine), "", turn.text))
            mine.append(turn.text)
    return found


def tested(on: Ground, weights: Weights, seed: int, *, told: bool) -> dict[str, Any]:
    """Let users with these weights speak for the people of the test part, `SESSIONS` times each."""
    profiles = [
        Profile(id=t.id, user_id=t.id, persona=Persona(t.id, facts=tuple(t.meta["persona"])), goal=Goal(),
                opens=t.turns[0].role == "user")
        for t in on.test
    ]  # fmt: skip
    lines, talks = [], []
    for session in range(SESSIONS):
        seeds = [derive_seed(seed, "test", session, p.id) for p in profiles]
        asked = profiles if told else [nobody(p) for p in profiles]
        made = rehearse(weights, on.taught.language, asked, on.partner, seeds, most_turns=16, top_p=TOP_P)
        for p, talk in zip(profiles, made, strict=True):
            lines.append([s._replace(persona=p.persona.facts) for s in talk.spoken if s.line])
            talks.append(Conversation(f"{p.id}-{session}", tuple(talk.turns), user_id=p.id))
    return said(on, lines, talks)


def said(on: Ground, lines: list[list[Spoken]], talks: list[Conversation]) -> dict[str, Any]:
    """Numbers a person (sums over their lines) and numbers of all."""
    personas = sorted({" ".join(t.meta["persona"]) for t in on.test})
    every = [s for part in lines for s in part]
    own = contrasts(on.measures, every, personas, seed=0)
    agrees = agreements(on.measures, every)
    rows = []
    for s, contrast, agree in zip(every, own, agrees, strict=True):
        elsewhere = contrast is not None and contrast < -ELSEWHERE
        back = agree is not None and agree < 0.5
        empty = unscorable(s.line, persona=s.persona, before=s.before) in ("blank", "echo", "copy", "repeat")
        rows.append([1.0, elsewhere or back or empty, elsewhere, back, empty, contrast or 0.0, len(s.line.split())])
    sums: dict[str, list[float]] = {}
    at = 0
    for part, talk in zip(lines, talks, strict=True):
        name = talk.user_id or talk.id
        total = np.sum(np.array(rows[at : at + len(part)], dtype=float).reshape(-1, 7), axis=0)
        sums[name] = (np.array(sums.get(name, [0.0] * 7)) + total).tolist()
        at += len(part)
    synthetic = Corpus(talks, CorpusCard("synthetic", "bench"))
    order = stream(0, "variety").permutation(len(every))[:LINES]
    lengths = [[len(s.line.split()) for s in part] for part in lines]
    return {
        "people": sums,
        "discriminator AUC": _auc(on, synthetic, talks is on.test),
        "ICC": _icc([float(np.mean(part or [0])) for part in lengths]) if talks is not on.test else None,
        "words a line": float(np.mean([n for part in lengths for n in part])),
        # None where an arm has collapsed into no known language, of which hedges could be counted.
        "hedging": float(user_turn_behaviours(synthetic)["hedges"].mean() or 0.0),  # type: ignore[arg-type]
        "variety": distinct([every[k].line for k in order]),
        "own variety": own_variety([[s.line for s in part] for part in lines]),
        "example": [t.text for t in talks[0].turns[:8]],
    }


def _auc(on: Ground, synthetic: Corpus, same: bool) -> float | None:
    if same:
        return None
    real = Corpus([msgspec.structs.replace(t, user_id=t.id) for t in on.test], CorpusCard("real", "test"))
    found = discriminator(real, synthetic, rng=stream(0, "auc"), permutations=19)
    return float(next(m for m in found.parts if m.name.endswith(".words")).value)


def _icc(values: Sequence[float]) -> float:
    """Share of the variance of words a line that is between people, of `SESSIONS` sessions each."""
    table = np.array(values).reshape(SESSIONS, -1)
    between = SESSIONS * table.mean(axis=0).var(ddof=1)
    within = table.var(axis=0, ddof=1).mean()
    return float((between - within) / (between + (SESSIONS - 1) * within))


def rates(found: list[dict[str, Any]], arm: str, column: int) -> np.ndarray:
    """(seeds, people, 2): the sum of a column and the number of lines."""
    names = sorted(found[0]["arms"][arm]["people"])
    table = [[one["arms"][arm]["people"][name] for name in names] for one in found]
    return np.array(table)[:, :, [column, 0]]


def resampled(statistic: Callable[[np.ndarray, np.ndarray], float], seeds: int, people: int) -> tuple[float, float]:
    """95 % interval over people and seeds, both drawn again."""
    rng = stream(0, "training", "bootstrap")
    draws = [statistic(rng.integers(seeds, size=seeds), rng.integers(people, size=people)) for _ in range(1999)]
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)


def per_100(found: list[dict[str, Any]], arm: str, column: int) -> str:
    table = rates(found, arm, column)
    value = lambda s, p: 100 * float(table[np.ix_(s, p)][..., 0].sum() / table[np.ix_(s, p)][..., 1].sum())
    seeds, people, _ = table.shape
    low, high = resampled(value, seeds, people)
    return f"{value(np.arange(seeds), np.arange(people)):.1f} [{low:.1f}, {high:.1f}]"


def fall(found: list[dict[str, Any]], before: str, after: str, target: float) -> list[object]:
    """By how much inconsistencies per line fell, of what they were."""
    one, other = rates(found, before, 1), rates(found, after, 1)

    def value(s: np.ndarray, p: np.ndarray) -> float:
        a, b = (t[np.ix_(s, p)].sum(axis=(0, 1)) for t in (one, other))
        return float(100 * (1 - (b[0] / b[1]) / (a[0] / a[1])))

    seeds, people, _ = one.shape
    point = value(np.arange(seeds), np.arange(people))
    low, high = resampled(value, seeds, people)
    met = "ok" if low >= target else "ok at the point, not at the bound" if point >= target else "missed"
    return [f"{after} against {before}", f"{point:.0f} % [{low:.0f}, {high:.0f}]", f"≥ {target:.0f} %", met]


def equivalence(found: list[dict[str, Any]], name: str, arm: str) -> list[object]:
    """Arm minus SFT over seeds, 90 % interval, within the margin stated?"""
    gap = np.array([one["arms"][arm][name] - one["arms"]["SFT"][name] for one in found])
    half = float(stats.t.ppf(0.95, len(gap) - 1) * gap.std(ddof=1) / np.sqrt(len(gap)))
    low, high, margin = gap.mean() - half, gap.mean() + half, MARGINS[name]
    same = -margin < low and high < margin
    worse = (
        low > -margin
        if name in ("ICC", "variety", "own variety")
        else high < margin
        if name == "discriminator AUC"
        else same
    )
    told = "same" if same else "not worse" if worse else "missed"
    return [name, arm, f"{gap.mean():+.3f} [{low:+.3f}, {high:+.3f}]", f"± {margin:g}", told]


def tables(found: list[dict[str, Any]]) -> str:
    rows: list[list[object]] = []
    for arm in (*ARMS[:3], *map(_at, ALONG), *ARMS[3:], "people"):
        means = [[one["arms"][arm][name] for one in found] for name in MARGINS]
        shown = ["–" if v[0] is None else f"{np.mean(v):.3f}" for v in means]
        rows.append([arm, *(per_100(found, arm, k) for k in (1, 2, 3, 4)), *shown])
    heads = ["users", "inconsistent per 100 lines", "somebody else's", "taken back", "degenerate", *MARGINS]
    falls = [fall(found, "untrained", "RL", 55), fall(found, "SFT", "RL", 25), fall(found, "untrained", "SFT", 0)]
    same = [equivalence(found, name, arm) for arm in ("RL", "prompt-to-line only") for name in MARGINS]
    logs = [one["log"] for one in found]
    gates = [f"{log['single gate']}" if log["single gate"] else "never" for log in logs]
    people = len(found[0]["arms"]["SFT"]["people"])
    return "\n\n".join(
        [
            f"**Training**: {people} people of PersonaChat whose facts no user was trained on, {SESSIONS} conversations"
            f" each with the fitted partner, {len(found)} seeds. The `words` judge rewards, the `letters` judge"
            f" measures. A line is inconsistent that the judge puts more than {ELSEWHERE} below other personas, that"
            " takes back a fact or an earlier line, or that is blank, an echo, copied from the persona or a repeat."
            " Intervals: people and seeds drawn again. Both judges read contradictions with the same features:"
            " of `taken back` the measure is not held out, of the other columns it is. Settings were chosen on other"
            " people of the corpus, who train here; the margin of the ICC was widened from .10 when it had proved noisy"
            " there. The prompt-to-line arm learns at four times the rate, at a lower price of distance, and without"
            " gate.",
            markdown(heads, rows),
            markdown(["inconsistencies per line fall", "by [95 %]", "target", ""], falls),
            "Arm minus SFT over seeds, 90 % interval (t), so that two one-sided tests at 5 % say `same`:",
            markdown(["", "arm", "difference", "margin", ""], same),
            f"The gate of `understudy train` would have stopped the prompt-to-line arm at step {', '.join(gates)} of"
            f" {PUBLISHED.steps}; it {_stops(logs)} RL."
            f" CPU a seed {np.mean([log['seconds'] for log in logs]) / 60:.1f} minutes.",
        ]
    )


def _stops(logs: Sequence[dict[str, Any]]) -> str:
    found = [f"step {log['steps']} of seed {k} ({log['gate']})" for k, log in enumerate(logs) if log["gate"]]
    return f"stopped, at {', '.join(found)}," if found else f"stopped none of {len(logs)} runs of"


def run(data: Path, out: Path) -> str:
    _SHARED.append(ground(data))
    with ProcessPoolExecutor(SEEDS, mp_context=multiprocessing.get_context("fork")) as pool:
        found = list(pool.map(one_seed, range(SEEDS)))
    for one in found[1:]:
        one["arms"]["random"] = found[0]["arms"]["random"]
    (out / "training.json").write_bytes(msgspec.json.encode(found))
    return tables(found)
