"""Figure: the partner model. Known answers, known partners, a known failure; set states against people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from bench.corpora import load, markdown
from understudy.conversations import Conversation, Corpus, Turn, split_corpus
from understudy.measures.measurement import flatten
from understudy.measures.pmq import FACTORS, ITEMS, score
from understudy.measures.pmq_structure import reliability, structure
from understudy.reports.audit import run_measures
from understudy.rollouts.arms import with_arm
from understudy.rollouts.partner import Partner, PartnerSession, PartnerTurn
from understudy.rollouts.simulate import simulate
from understudy.seeds import stream
from understudy.testing.questionnaires import LOADING, simulated_answers
from understudy.users.intervention import Moved, intervene
from understudy.users.opening import believing
from understudy.users.partner_acts import said_of
from understudy.users.partner_learning import Decisions, Design, learn_from
from understudy.users.population import FittedPopulation, fit_population

CORPORA = ("redial_real", "star_real", "multiwoz_real", "persuasionforgood_real", "topicalchat_real", "uss_redial_real")
USERS = 150
WORKERS = 2
SHARE = 0.5  # of the partner's turns that an arm touches
STEPS = (1, 2, 3)
PLANTED = (0.1, 0.35, 0.75)
STRENGTHS = (0.3, 1.0)
ERRORS = ("Sorry, I cannot do that. {}", "Unfortunately that failed. {}", "I'm afraid I don't understand. {}")
WARM = ("Happy to help! {}", "That must be hard, I understand. {}", "Lovely, a great choice! {}")
SD = 0.4  # of a state, taken for one standard deviation of a factor when the questionnaire is filled in


class Saying:
    """A partner whose turns are changed: by a format in a share of them, at one turn, or all of them for a script."""

    def __init__(
        self, inner: Partner, formats: Sequence[str], *, only: int | None = None, script: Sequence[str] = ()
    ) -> None:
        self.inner, self.formats, self.only, self.script = inner, formats, only, script
        self.identity = f"{inner.identity}+{formats[0] if formats else 'script'}@{only}"
        self.embedded = True

    def start(self, *, topic: str | None, seed: int) -> PartnerSession:
        return _Session(self, self.inner.start(topic=topic, seed=seed), seed)


class _Session:
    def __init__(self, of: Saying, inner: PartnerSession, seed: int) -> None:
        self._of, self._inner, self._seed = of, inner, seed

    async def reply(self, history: Sequence[Turn]) -> PartnerTurn:
        of, turn = self._of, sum(t.role == "assistant" for t in history)
        if of.script:
            return PartnerTurn(of.script[turn % len(of.script)])
        said = await self._inner.reply(history)
        rng = stream(self._seed, "saying", turn)
        touched = turn == of.only if of.only is not None else rng.random() < SHARE
        text = of.formats[int(rng.integers(len(of.formats)))].format(said.text) if touched else said.text
        return PartnerTurn(text, tuple(said.acts))


def _states(talks: Sequence[Conversation]) -> list[list[list[float]]]:
    """The state at each user turn of each conversation."""
    found = []
    for talk in talks:
        told = [turn.meta["state"]["partner_model"] for turn in talk.turns if turn.role == "user"]
        found.append([[state[name] for name in FACTORS] for state in told])
    return found


def _script(train: Corpus) -> list[str]:
    """What one real partner said, from start to end."""
    longest = max(list(train)[:200], key=lambda talk: sum(t.role == "assistant" for t in talk.turns))
    return [turn.text for turn in longest.turns if turn.role == "assistant"]


def known_partners(population: FittedPopulation, train: Corpus) -> dict[str, Any]:
    """End states under known partners, and the course of competence around a planted failure."""
    users, usual = believing(population, "new"), population.partner()
    arms: dict[str, Partner] = {
        "usual": usual,
        "errors": Saying(usual, ERRORS),
        "warmth": Saying(usual, WARM),
        "scripted": Saying(usual, (), script=_script(train)),
        "bad": with_arm(usual, "bad"),
    }
    ends = {}
    for name, partner in arms.items():
        states = _states(simulate(users, partner, n=USERS, seed=0, max_turns=24).conversations)
        ends[name] = [talk[-1] for talk in states if len(talk) > 1]
    steps = {}
    plain = _states(simulate(users, usual, n=USERS, seed=1, max_turns=16).conversations)
    for at in STEPS:
        failing = Saying(usual, ERRORS[:1], only=at)
        marred = _states(simulate(users, failing, n=USERS, seed=1, max_turns=16).conversations)
        steps[at] = _course(plain, marred, population, at)
    return {"ends": ends, "steps": steps}


def _course(
    plain: list[list[list[float]]], marred: list[list[list[float]]], population: FittedPopulation, at: int
) -> list[float]:
    """Mean difference of competence two turns before to two after the user first speaks after the failure."""
    course = []
    for step in range(-1, 3):
        gaps = []
        for k, (a, b) in enumerate(zip(plain, marred, strict=True)):
            hears = at + population.draw(k, seed=1).opens + step
            if 0 <= hears < min(len(a), len(b)):
                gaps.append(b[hears][0] - a[hears][0])
        course.append(float(np.mean(gaps)) if gaps else float("nan"))
    return course


def _realism(population: FittedPopulation, held_out: Corpus) -> dict[str, Any]:
    """Discriminator and behaviours of users without a view, and with one."""
    found = {}
    some = held_out.subset(np.arange(min(400, len(held_out))))
    for label, users in (("none", population), ("ai", believing(population, "ai"))):
        talks = Corpus(simulate(users, population.partner(), n=len(some), seed=0).conversations)
        results, _ = run_measures(some, talks, seed=0, measures=("realism.discriminator",), permutations=39)
        by = {m.name: m for m in flatten(results)}
        found[label] = {p: [by[f"realism.discriminator.{p}"].value, by[f"realism.discriminator.{p}"].interval]
                        for p in ("words", "all")}  # fmt: skip
    return found


def _gains(train: Corpus, language: str) -> dict[str, float]:
    """Users who do what a known model says, at the turns that real partners gave them, with people's noise: how often
    is the gain found, exactly and to the next on the grid?"""
    seen = Decisions.of([said_of(talk.turns) for talk in train], language)
    rates = np.nan_to_num(np.nanmean(seen.acts, axis=0))
    found = {}
    for gain in PLANTED:
        for strength in STRENGTHS:
            right = []
            for trial in range(10):
                rng = stream(trial, "planted gain", gain, strength)
                states = Design(seen, rates).states(np.full(3, gain))
                outcomes = seen.outcomes.copy()
                outcomes[:, 1:] = (strength * states + rng.normal(size=states.shape)) * np.array(seen.units)
                outcomes[np.isnan(seen.outcomes)] = np.nan
                model = learn_from(seen._replace(outcomes=outcomes), language)
                right.append(abs(model.gains[2] - gain))
            found[f"{gain:g}, {strength:g}"] = float(np.mean(right))
    return found


def one_corpus(task: tuple[Path, str]) -> dict[str, Any]:
    """Everything on one corpus, fitted to one half of its units and judged on the other."""
    data, name = task
    train, held_out = split_corpus(load(data, name), (0.5, 0.5), seed=0)
    population = fit_population(train, seed=0)
    model = population.partner_model
    moved = intervene(population, held_out, model, seed=0)
    return {
        "corpus": name,
        "moved": [{f: getattr(m, f) for f in Moved.__struct_fields__} for m in moved],
        "gains": list(model.gains),
        "turns": model.turns,
        **known_partners(population, train),
        "realism": _realism(population, held_out),
        "planted": _gains(train, model.language),
    }


def questionnaire(trials: int = 20, people: int = 300) -> tuple[list[str], str]:
    """Answers from a known three-factor model: loadings, alphas with their coverage, items turned round."""
    truth = reliability(simulated_answers(20_000, seed=99), rng=np.random.default_rng(0))
    off, covered, hits, alarms = [], [], 0, 0
    for trial in range(trials):
        answers = simulated_answers(people, seed=trial)
        found = structure(answers)
        assert found is not None
        off.append([found.loadings[item.key] - LOADING[item.factor] for item in ITEMS])
        alarms += len(found.turned)
        trust = reliability(answers, rng=np.random.default_rng(trial))
        covered.append([t[0] <= truth[f].alpha.value <= t[1] for f in FACTORS for t in [trust[f].alpha.interval]])
        wrong = stream(trial, "turned").choice([item.key for item in ITEMS], 2, replace=False).tolist()
        turned = structure(simulated_answers(people, seed=trial, turned=wrong))
        hits += turned is not None and set(turned.turned) == set(wrong)
    worst, share = float(np.abs(np.mean(off, axis=0)).max()), float(np.mean(covered))
    says = [
        _said(f"PMQ, known three-factor model ({trials} samples of {people}): loadings off by at most {worst:.3f} on "
              "average (target <= .03)", worst <= 0.03),
        _said(f"PMQ: 95 % intervals of alpha hold the true one in {share:.0%} (target 90-99 %)", 0.9 <= share <= 0.99),
        _said(f"PMQ: two items turned round are named, and no other, in {hits} of {trials} (target all); false names "
              f"without any: {alarms} (target 0)", hits == trials and alarms == 0),
    ]  # fmt: skip
    rows: list[list[object]] = []
    for name in FACTORS:
        mine = [k for k, item in enumerate(ITEMS) if item.factor == name]
        loading = LOADING[name]
        mean = loading + float(np.mean(np.array(off)[:, mine]))
        rows.append([name, loading, f"{mean:.3f}", f"{truth[name].alpha.value:.3f}"])
    return says, markdown(["factor", "loading planted", "found (mean)", "alpha in the long run"], rows)


def _known_rows(results: list[dict[str, Any]]) -> tuple[list[str], str]:
    right = {"errors": (0, -1), "warmth": (1, 1), "scripted": (2, -1)}
    rows: list[list[object]] = []
    good = dict.fromkeys(right, 0)
    for r in results:
        usual = np.array(r["ends"]["usual"])
        for name, ends in r["ends"].items():
            if name == "usual":
                continue
            other = np.array(ends)
            gap = other.mean(axis=0) - usual.mean(axis=0)
            error = np.sqrt(other.var(axis=0) / len(other) + usual.var(axis=0) / len(usual))
            told = "for comparison"
            if name in right:
                factor, sign = right[name]
                fit = gap[factor] * sign > 3 * error[factor] and np.abs(gap).argmax() == factor
                good[name] += int(fit)
                told = "ok" if fit else "missed"
            points = _scored(other).mean(axis=0) - _scored(usual).mean(axis=0)
            cells = [f"{g:+.2f} ± {e:.2f} ({p:+.1f})" for g, e, p in zip(gap, error, points, strict=True)]
            rows.append([r["corpus"], name, *cells, told])
    n = len(results)
    says = [
        _said(f"known groups, {name} moves {FACTORS[factor].replace('_', '-')} most, and "
              f"{'up' if sign > 0 else 'down'}: {good[name]} of {n} corpora (target {n})", good[name] == n)
        for name, (factor, sign) in right.items()
    ]  # fmt: skip
    return says, markdown(["corpus", "partner", *FACTORS, "verdict"], rows)


def _scored(states: Any) -> Any:
    """Mean questionnaire scores of users whose factors are their states."""
    answers = simulated_answers(len(states), seed=0, state=states / SD)
    found = [score(one) for one in answers]
    return np.array([[s.competence, s.human_likeness, s.flexibility] for s in found if s.scored])


def _step_rows(results: list[dict[str, Any]]) -> tuple[list[str], str]:
    rows: list[list[object]] = []
    good, n = 0, 0
    for r in results:
        for at, course in r["steps"].items():
            fit = course[0] == 0 and course[1] < -0.1
            good, n = good + fit, n + 1
            rows.append([r["corpus"], at, *[f"{x:+.3f}" for x in course], "ok" if fit else "missed"])
    says = _said(f"a failure planted at partner turn k is a step in competence, none before: {good} of {n}", good == n)
    header = ["corpus", "k (from 0)", "before", "at", "1 later", "2 later", "verdict"]
    return [says], markdown(header, rows)


def _moved_rows(results: list[dict[str, Any]]) -> tuple[list[str], str]:
    rows: list[list[object]] = []
    every = [(r["corpus"], Moved(**{k: tuple(v) if isinstance(v, list) else v for k, v in m.items()}))
             for r in results for m in r["moved"]]  # fmt: skip
    for corpus, m in every:
        sides = [
            "-" if v is None or i is None else f"{v:+.2f} [{i[0]:+.2f}, {i[1]:+.2f}]"
            for v, i in ((m.people, m.people_interval), (m.simulated, m.simulated_interval))
        ]
        told = "not shown by people" if not m.shown else f"{'sign' if m.sign else '**other sign**'}{', size' * m.size}"
        rows.append([corpus, m.outcome, m.factor, *sides, told])
    shown = [m for _, m in every if m.shown]
    sign, size = sum(m.sign for m in shown), sum(m.size for m in shown)
    says = [
        _said(f"intervention: setting the state moves behaviour with people's sign in {sign} of {len(shown)} effects "
              "that held-out people show (target all)", sign == len(shown)),
        _said(f"intervention: and by people's size (in their interval, or within a factor of two) in {size} of "
              f"{len(shown)} (target all)", size == len(shown)),
    ]  # fmt: skip
    both = np.array([[m.people, m.simulated] for m in shown if m.people is not None and m.simulated is not None])
    if len(both) > 2:
        slope = float((both[:, 0] @ both[:, 1]) / (both[:, 0] @ both[:, 0]))
        r = float(np.corrcoef(both.T)[0, 1])
        says.append(f"- over these effects: simulated = {slope:.2f} x people, r = {r:.2f}")
    header = ["corpus", "outcome", "factor", "people (regression, held out)", "simulated (state set)", "verdict"]
    return says, markdown(header, rows)


def _realism_rows(results: list[dict[str, Any]]) -> tuple[list[str], str]:
    rows: list[list[object]] = []
    worse = 0
    for r in results:
        none, ai = r["realism"]["none"], r["realism"]["ai"]
        cells = [f"{v:.3f} [{i[0]:.3f}, {i[1]:.3f}]" for part in ("words", "all") for v, i in (none[part], ai[part])]
        fit = all(ai[part][0] <= none[part][0] + 0.02 for part in ("words", "all"))
        worse += not fit
        rows.append([r["corpus"], *cells, "ok" if fit else "missed"])
    n = len(results)
    says = _said(f"with a view of the partner no easier to tell from people (AUC at most .02 higher): {n - worse} of "
                 f"{n} corpora (target {n})", worse == 0)  # fmt: skip
    return [says], markdown(["corpus", "words, none", "words, ai", "all, none", "all, ai", "verdict"], rows)


def _planted_rows(results: list[dict[str, Any]]) -> str:
    rows: list[list[object]] = [
        [r["corpus"], r["turns"], *[f"{x:.2f}" for x in r["planted"].values()], ", ".join(f"{g:g}" for g in r["gains"])]
        for r in results
    ]
    header = ["corpus", "user turns", *[f"gain {k} SD" for k in results[0]["planted"]], "gains found in people"]
    return markdown(header, rows)


def _said(what: str, good: bool) -> str:
    return f"- {'ok' if good else '**missed**'}: {what}"


def run(data: Path, out: Path) -> str:
    """Verdicts, then the tables, from one run."""
    with ProcessPoolExecutor(WORKERS) as executor:
        results = list(executor.map(one_corpus, [(data, name) for name in CORPORA]))
    (out / "partner_model.json").write_text(json.dumps(results))
    parts = [questionnaire(), _known_rows(results), _step_rows(results), _moved_rows(results), _realism_rows(results)]
    titles = [
        "Answers to the questionnaire from a known model.",
        f"Known partners: end state beside the usual partner's, {USERS} users, and what the questionnaire makes of it "
        "in points. `bad` repeats, forgets and gives up.",
        "A failure planted at one turn of the partner: competence, less the same conversation without it.",
        "The state set, against people: log odds of leaving, standard deviations of the rest, a unit.",
        "Discriminator AUC of users without and with a view of their partner, against held-out people.",
    ]
    lines = ["\n".join(line for says, _ in parts for line in says)]
    for title, (_, table) in zip(titles, parts, strict=True):
        lines += [title, table]
    told = (
        "Planted gains (of flexibility; effects of .3 and of 1 SD on wording) at the turns that real partners gave, "
        "with people's noise: mean distance of the gain found from the true one, on the grid .1 to .75; the usual "
        "gain, .35, stays where nothing tells clearly better."
    )
    return "\n\n".join([*lines, told, _planted_rows(results)])
