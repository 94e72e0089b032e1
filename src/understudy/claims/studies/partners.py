"""Studies of partner models: three factors in answers, or, for want of answers, in what people do next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from understudy.claims.beside import each, untested
from understudy.claims.evidence import Evidence, Named
from understudy.claims.record import Claim
from understudy.claims.verdict import Finding, Row, combine, judge
from understudy.conversations import Corpus
from understudy.measures.intervals import FEWEST_CLUSTERS, cluster_t_interval
from understudy.measures.measurement import Counts, Measurement, MeasureSpec
from understudy.measures.resampling import Floats, Ints
from understudy.seeds import stream

FOLDS = 5
RIDGE = 20.0  # user turns

FACTORS_AHEAD = MeasureSpec(
    name="partner.three_factors",
    question="real",
    asks="Does what users do next follow from three views of their partner better than from one?",
    unit="share of the squared error that one factor leaves which three take away",
    range=(None, 1.0),
    better="match",
    source="three factors of partner models, arXiv:2308.07164; prediction across held-out users is this project's",
)


def three_factors(claim: Claim, evidence: Evidence) -> Finding:
    """Does what users do next follow from three views of their partner, and not from one?

    The partner's acts before a user turn (fails, ignores, takes up, repeats itself, is warm) speak for competence,
    human-likeness and flexibility (`users.partner_model.SAYS`); what they add up to over the conversation is held
    against the user's next turn: its length, politeness and requests. A ridge on the three sums, and one on their
    mean, are fitted on four fifths of the users and predict the rest. The effect is the share of the squared error of
    the one that the three take away; no answers to the questionnaire are needed, and none are tested.
    """

    def rows_of(people: Named) -> Iterator[Row]:
        told = views_and_turns(evidence.fewer(people.corpus))
        if told is None or len(np.unique(told[2])) < 2 * FEWEST_CLUSTERS:
            why = f"needs {2 * FEWEST_CLUSTERS} users or more whose turns answer a partner's"
            yield untested(people.name, FACTORS_AHEAD.name, why)
            return
        views, turns, unit = told
        saved = ahead(views, turns, unit, stream(evidence.seed, "partner models", people.name))
        yield judge(saved, people.name, asks="error that three views take from one")

    return combine(each(evidence, FACTORS_AHEAD.name, rows_of))


def views_and_turns(corpus: Corpus) -> tuple[Floats, Floats, Ints] | None:
    """`(turns, 3)` what the partner did so far speaks for, `(turns, 3)` what the user then did, the user's number."""
    from understudy.users.partner_acts import ActReader, language_of, read_talks, said_of
    from understudy.users.partner_learning import turn_outcomes
    from understudy.users.partner_model import SAYS

    talks = [said_of(talk.turns) for talk in corpus]
    language = language_of(talks)
    _, unit = np.unique(corpus.unit_ids, return_inverse=True)
    acts, texts, who, talk_of = [], [], [], []
    for number, (talk, found) in enumerate(zip(talks, read_talks(talks, ActReader(language)), strict=True)):
        said = [text for is_user, text in talk if is_user]
        for text, act in zip(said, found, strict=False):  # one more where the user left without a word
            if act is not None:
                acts.append(act)
                texts.append(text)
                who.append(int(unit[number]))
                talk_of.append(number)
    if not acts:
        return None
    heard = np.array(acts, dtype=np.float64)
    known = ~np.isnan(heard)
    usual = np.where(known, heard, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    says = np.where(known, heard - usual, 0.0) @ SAYS.T
    return _so_far(says, np.array(talk_of)), turn_outcomes(texts, language), np.array(who)


def _so_far(says: Floats, talk: Ints) -> Floats:
    """The mean of what was heard in a conversation up to each row."""
    sums = np.cumsum(says, axis=0)
    first = np.searchsorted(talk, talk)
    before = np.where((first > 0)[:, None], sums[np.maximum(first - 1, 0)], 0.0)
    total: Floats = (sums - before) / (np.arange(len(talk)) - first + 1)[:, None]
    return total


def ahead(views: Floats, turns: Floats, unit: Ints, rng: np.random.Generator) -> Measurement:
    """How much of the error of one view three take away, on users that were not fitted; t interval over users."""
    scale = turns.std(axis=0)
    kept = scale > 1e-9
    turns = (turns[:, kept] - turns[:, kept].mean(axis=0)) / scale[kept]
    spread = views.std(axis=0)
    views = (views - views.mean(axis=0)) / np.where(spread > 1e-9, spread, np.inf)
    users = int(unit.max()) + 1
    fold = rng.permutation(users)[unit] % FOLDS
    error = np.zeros((2, len(unit)))
    for k, design in enumerate((views.mean(axis=1, keepdims=True), views)):
        for held in range(FOLDS):
            fit, test = fold != held, fold == held
            x, y = design[fit], turns[fit]
            weights = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ (y - y.mean(axis=0)))
            error[k, test] = ((turns[test] - y.mean(axis=0) - design[test] @ weights) ** 2).mean(axis=1)
    share = (error[0] - error[1]) / error[0].mean()
    bounds = cluster_t_interval(share, unit)
    n: dict[str, Any] = {"real": Counts(len(np.unique(unit)), 0, len(unit))}
    return Measurement(
        name=FACTORS_AHEAD.name,
        value=float(share.mean()),
        status="scored",
        n=n,
        spec=FACTORS_AHEAD,
        interval=(bounds.low, bounds.high),
    )
