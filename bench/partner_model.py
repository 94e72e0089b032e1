"""Figure: the partner model. Known answers, known partners, a known failure; set states against people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bench.corpora import load, markdown
from bench.planted_partners import ECHO, ERRORS, WARM, Saying, Yoked
from understudy.conversations import Conversation, Corpus, split_corpus
from understudy.measures.measurement import flatten
from understudy.measures.pmq import FACTORS, ITEMS, score
from understudy.measures.pmq_structure import reliability, structure
from understudy.reports.audit import run_measures
from understudy.rollouts.arms import with_arm
from understudy.rollouts.partner import Partner
from understudy.rollouts.simulate import simulate
from understudy.seeds import stream
from understudy.testing.questionnaires import LOADING, simulated_answers
from understudy.users.intervention import Half, Moved, as_large, intervene
from understudy.users.opening import BelievingUsers, believing
from understudy.users.partner_acts import ActReader, read_talks, said_of
from understudy.users.partner_learning import Decisions, Design, learn_from
from understudy.users.population import FittedPopulation, fit_population

CORPORA = ("redial_real", "star_real", "multiwoz_real", "persuasionforgood_real", "topicalchat_real", "uss_redial_real")
USERS, STEP_USERS = 80, 40
WORKERS = 2
STEPS = (1, 2, 3)
PLANTED = (0.1, 0.35, 0.75)
STRENGTHS = (0.3, 1.0)
VIEWS = ("none", "usual", "ai")
PARTS = ("words", "all")
PEOPLE, DRAWS = 250, 2
TRIALS = 4
REPLAYED = 100
SD = 0.4  # of a state, taken for one standard deviation of a factor when the questionnaire is filled in


def _states(talks: Sequence[Conversation]) -> list[list[list[float]]]:
    """The state at each user turn of each conversation."""
    found = []
    for talk in talks:
        told = [turn.meta["state"]["partner_model"] for turn in talk.turns if turn.role == "user"]
        found.append([[state[name] for name in FACTORS] for state in told])
    return found


def _partner_lines(talk: Conversation) -> list[str]:
    return [turn.text for turn in talk.turns if turn.role == "assistant"]


def known_partners(population: FittedPopulation) -> dict[str, Any]:
    """End states under known partners, and the course of competence around a planted failure."""
    users, usual = believing(population, "new"), population.partner()
    contingent = Saying(usual, ECHO)
    arms: dict[str, Partner] = {
        "usual": usual,
        "errors": Saying(usual, ERRORS),
        "warmth": Saying(usual, WARM),
        "contingent": contingent,
        "bad": with_arm(usual, "bad"),
    }
    talks = {name: _talks(users, partner) for name, partner in arms.items()}
    for name, of in (("scripted", "contingent"), ("scripted usual", "usual")):
        script = Yoked(name, [lines for talk in talks[of] if (lines := _partner_lines(talk))])
        talks[name] = _talks(users, script)
    ends = {name: [talk[-1] for talk in _states(found) if len(talk) > 1] for name, found in talks.items()}
    reader = ActReader(population.partner_model.language)
    acts = {name: np.nanmean([a for talk in read_talks([said_of(t.turns) for t in found], reader)
                              for a in talk if a is not None], axis=0).tolist()
            for name, found in talks.items()}  # fmt: skip
    steps = {}
    plain = _states(_talks(users, usual, STEP_USERS, 1))
    for at in STEPS:
        failing = Saying(usual, ERRORS[:1], only=at)
        marred = _states(_talks(users, failing, STEP_USERS, 1))
        steps[at] = _course(plain, marred, population, at)
    return {"ends": ends, "acts": acts, "steps": steps}


def _talks(users: BelievingUsers, partner: Partner, n: int = USERS, seed: int = 0) -> list[Conversation]:
    return list(simulate(users, partner, n=n, seed=seed, max_turns=24).conversations)


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
    """Discriminator of users without a view, with one of the usual partner, and with one of an AI; several draws of
    users, because one draw alone moves it by .02."""
    found: dict[str, dict[str, list[float]]] = {}
    some = held_out.subset(np.arange(min(PEOPLE, len(held_out))))
    for label in VIEWS:
        users = population if label == "none" else believing(population, label)
        found[label] = {part: [] for part in PARTS}
        for seed in range(DRAWS):
            talks = Corpus(simulate(users, population.partner(), n=len(some), seed=seed).conversations)
            results, _ = run_measures(some, talks, seed=0, measures=("realism.discriminator",), permutations=39)
            by = {m.name: m.value for m in flatten(results)}
            for part, values in found[label].items():
                values.append(float(by[f"realism.discriminator.{part}"] or 0.5))
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
            for trial in range(TRIALS):
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
    moved = intervene(population, held_out, model, seed=0, most=REPLAYED)
    return {
        "corpus": name,
        "moved": msgspec.to_builtins(moved),
        "gains": list(model.gains),
        "turns": model.turns,
        **known_partners(population),
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
        for name, ends in r["ends"].items():
            heard = [f"{r['acts'][name][k]:.3f}" for k in (0, 4, 2)]
            if name == "usual":
                rows.append([r["corpus"], name, "-", "-", "-", *heard, "-"])
                continue
            beside = {"scripted": "contingent"}.get(name, "usual")
            other, usual = np.array(ends), np.array(r["ends"][beside])
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
            rows.append([r["corpus"], f"{name} beside {beside}", *cells, *heard, told])
    n = len(results)
    told_of = {"errors": "errors", "warmth": "warmth", "scripted": "scripted instead of contingent"}
    says = [
        _said(f"known groups, {told_of[name]} moves {FACTORS[factor].replace('_', '-')} most, and "
              f"{'up' if sign > 0 else 'down'}: {good[name]} of {n} corpora (target {n})", good[name] == n)
        for name, (factor, sign) in right.items()
    ]  # fmt: skip
    return says, markdown(["corpus", "partner", *FACTORS, "fails", "is warm", "takes up", "verdict"], rows)


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
    every = [(r["corpus"], msgspec.convert(m, Moved)) for r in results for m in r["moved"]]
    for corpus, m in every:
        halves = [(half.value, half.interval) for half in m.halves] or [(None, None)] * 2
        sides = [(m.people, m.people_interval), *halves, (m.simulated, m.simulated_interval)]
        told = "not shown by people"
        if m.shown:
            by = ", ".join(f"half {k + 1}" for k, half in enumerate(m.halves) if half.shown)
            told = f"shown by {by}: {'sign' if m.sign else '**other sign**'}{', size' if m.size else ', **not size**'}"
        rows.append([corpus, m.outcome, m.factor, *[_with_interval(*side) for side in sides], told])
    shown = [m for _, m in every if m.shown]
    sign, size = sum(m.sign for m in shown), sum(m.size for m in shown)
    says = [
        _said(f"intervention: setting the state moves behaviour with people's sign in {sign} of {len(shown)} effects "
              "that a half of the held-out people shows (target all)", sign == len(shown)),
        _said(f"intervention: and by the other half's size (in its interval, or within a factor of two) in {size} of "
              f"{len(shown)} (target all)", size == len(shown)),
    ]  # fmt: skip
    both = np.array([[half.value, other.value, m.simulated] for m in shown if m.simulated is not None
                     for half, other in m.pairs if half.shown])  # fmt: skip
    if len(both):
        slope = float(both[:, 0] @ both[:, 2] / (both[:, 0] @ both[:, 1]))
        again = float(both[:, 0] @ both[:, 1] / (both[:, 0] @ both[:, 0]))
        says.append(f"- over these effects: simulated = {slope:.2f} x people (of the other half), which is itself "
                    f"{again:.2f} x the half that was picked from")  # fmt: skip
    same = [(m, Half(m.people, m.people_interval, True)) for _, m in every
            if m.people and m.people_interval and m.people_interval[0] * m.people_interval[1] > 0]  # fmt: skip
    signs = sum((m.simulated or 0.0) * half.value > 0 for m, half in same)
    sizes = sum(m.simulated is not None and as_large(m.simulated, half) for m, half in same)
    says.append(f"- as it was asked before, picked at 5 % and compared on the same people: sign in {signs}, size in "
                f"{sizes} of {len(same)} (where there is no effect at all, {0.05 * len(every):.1f} of {len(every)} are "
                "picked)")  # fmt: skip
    sides = ["people (regression, held out)", "half 1", "half 2", "simulated (state set)"]
    header = ["corpus", "outcome", "factor", *sides, "verdict"]
    return says, markdown(header, rows)


def _with_interval(value: float | None, interval: tuple[float, float] | None) -> str:
    return "-" if value is None or interval is None else f"{value:+.2f} [{interval[0]:+.2f}, {interval[1]:+.2f}]"


def _realism_rows(results: list[dict[str, Any]]) -> tuple[list[str], str]:
    rows: list[list[object]] = []
    no_worse = dict.fromkeys(VIEWS[1:], 0)
    for r in results:
        auc = {(view, part): np.array(r["realism"][view][part]) for view in VIEWS for part in PARTS}
        cells = [
            f"{x.mean():.3f} ± {x.std(ddof=1) / len(x) ** 0.5:.3f}" for x in (auc[v, p] for p in PARTS for v in VIEWS)
        ]
        told = []
        for view in no_worse:
            fit = all(auc[view, part].mean() <= auc["none", part].mean() + 0.02 for part in PARTS)
            no_worse[view] += fit
            told.append(f"{view}: {'ok' if fit else 'missed'}")
        rows.append([r["corpus"], *cells, ", ".join(told)])
    n = len(results)
    taken = {"usual": "the usual one", "ai": "an AI"}
    says = [
        _said(f"with a view of the partner, taken for {taken[view]}, no easier to tell from people (AUC at most .02 "
              f"higher): {good} of {n} corpora (target {n})", good == n)
        for view, good in no_worse.items()
    ]  # fmt: skip
    header = ["corpus", *[f"{part}, {view}" for part in PARTS for view in VIEWS], "verdict"]
    return says, markdown(header, rows)


def _planted_rows(results: list[dict[str, Any]]) -> str:
    rows: list[list[object]] = [
        [r["corpus"], r["turns"], *[f"{x:.2f}" for x in r["planted"].values()], ", ".join(f"{g:g}" for g in r["gains"])]
        for r in results
    ]
    header = ["corpus", "user turns", *[f"gain {k} SD" for k in results[0]["planted"]], "gains found in people"]
    return markdown(header, rows)


def _said(what: str, good: bool) -> str:
    return f"- {'ok' if good else '**missed**'}: {what}"


CHANGED = """What was missed in earlier runs, why, and what was done:

- *Scripted moves flexibility most* held on 4 of 6 corpora. The script was one real partner's, the same for all: on
  persuasionforgood_real it said "I guess that failed" and was never warm, so that it was less able and less warm as
  well as scripted. Each user now hears what the partner said to somebody else: failures, warmth and repetition are as
  usual, listening is not. The fitted partner itself does not listen much everywhere (see what it takes up on
  uss_redial_real beside its script), so the contrast is with a partner that does; `scripted usual` is kept.
- *Size of the effects*: simulated was 0.56 x people. The weights of turns were sought at each turn by Newton steps
  without damping; a user has one thing to say at most moments, so they gave too little or ran away. They are now sought
  over all moments together, by damped steps. Two causes lay with people: effects were picked and sized on the same
  people, and errors by unit are far too small where act and outcome are both rare; the larger of these and the
  classical ones is now used. That last was found on generated people, after a first look at these held-out ones had
  given the sign in 11 and the size in 13 of 13: the two others were such effects. Halves show fewer effects than all
  people do, and an effect of the rest may be missed here.
- *Realism with a view*: users with a view left too early on average. Doubts made them leave before their plan was
  through, while trust made them stay a turn after it, and not as long as people do who are still there; and everyone's
  odds were those of an average turn. Both are now the odds of the turn it is. One draw of users tells the AUC to .02
  only: it is now a mean of draws. Held-out people took their partner for the usual one, so that is the view that must
  not show. Being taken for an AI changes what users do, as it is meant to, and shows; it stays in the list, as missed.
"""


def run(data: Path, out: Path) -> str:
    """Verdicts, then the tables, from one run."""
    with ProcessPoolExecutor(WORKERS) as executor:
        results = list(executor.map(one_corpus, [(data, name) for name in CORPORA]))
    (out / "partner_model.json").write_text(json.dumps(results))
    parts = [questionnaire(), _known_rows(results), _step_rows(results), _moved_rows(results), _realism_rows(results)]
    titles = [
        "Answers to the questionnaire from a known model.",
        f"Known partners: end state beside another partner's, {USERS} users, what the questionnaire makes of it in "
        "points, and shares of partner turns. `contingent` takes up a word of the user's in half of its turns; "
        "`scripted` says to each user what `contingent` said to another; `bad` repeats, forgets and gives up.",
        "A failure planted at one turn of the partner: competence, less the same conversation without it.",
        "The state set, against people: log odds of leaving, standard deviations of the rest, a unit.",
        "Discriminator AUC of users without and with a view of their partner, against held-out people: mean of "
        f"{DRAWS} draws of users and its standard error. Held-out people took their partner for the usual one; "
        "`ai` is a change to them.",
    ]
    lines = ["\n".join(line for says, _ in parts for line in says), CHANGED.rstrip()]
    for title, (_, table) in zip(titles, parts, strict=True):
        lines += [title, table]
    told = (
        "Planted gains (of flexibility; effects of .3 and of 1 SD on wording) at the turns that real partners gave, "
        "with people's noise: mean distance of the gain found from the true one, on the grid .1 to .75; the usual "
        "gain, .35, stays where nothing tells clearly better."
    )
    return "\n\n".join([*lines, told, _planted_rows(results)])
