"""Screens: cheap looks before training. Each says what it cannot see; none replaces the audit with twins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus
from understudy.traits.battery import Battery
from understudy.traits.decoder import Tensors, hidden, logits, losses, nats, torch
from understudy.traits.decoder_student import DecoderStudent
from understudy.traits.students import Floats, items_of
from understudy.traits.words import ASSISTANT, PAD, USER

BLIND = {
    "coverage": "every channel but shared initial weights; needs the teacher's weights and its base",
    "likelihood_ratio": "traits other than the suspected one, and a trait that is in no single conversation; needs the "
    "suspected prompt or teacher",
    "projection": "traits that are no direction of the student's own states, and conditional ones whose condition does "
    "not occur in the corpus (arXiv:2606.22019: sycophancy passed four such audits)",
    "divergence_words": "vocabulary and content; needs a counterfactual teacher, and says where a trait could ride, "
    "not whether one does",
}


class Screen(NamedTuple):
    """Suspect against control by one screen: the mean difference a conversation with its 95 % interval, how often a
    suspect conversation ranks above a control one, and what it cannot see."""

    name: str
    value: float
    low: float
    high: float
    auc: float | None
    blind: str


def compared(name: str, suspect: Floats, control: Floats) -> Screen:
    """Two sets of numbers, one a conversation, by Welch's interval and AUC."""
    from scipy import stats

    found = stats.ttest_ind(suspect, control, equal_var=False)
    reach = found.confidence_interval(0.95)
    auc = float(stats.mannwhitneyu(suspect, control).statistic / (len(suspect) * len(control)))
    return Screen(name, float(suspect.mean() - control.mean()), float(reach.low), float(reach.high), auc, BLIND[name])


def coverage(student: DecoderStudent, teacher: Tensors, corpus: Corpus) -> float:
    """The cosine of the student's first step on `corpus` with the way that its teacher went from the student's base.

    Above 0 where the step leads the teacher's way; near 0 for a teacher of another base. Source: arXiv:2606.22019.
    """
    t = torch()
    weights = {name: w.detach().clone().requires_grad_() for name, w in student.weights.items()}
    rows = student.rows(corpus)
    for k in range(0, len(rows), 64):
        losses(weights, student.shape, t.tensor(rows[None, k : k + 64])).sum().backward()
    along = steps = way = 0.0
    for name, w in weights.items():
        went = teacher[name] - student.weights[name]
        along -= float((w.grad * went).sum())
        steps += float((w.grad**2).sum())
        way += float((went**2).sum())
    return along / float(np.sqrt(steps * way))


def likelihood_ratio(
    suspect: Corpus, control: Corpus, with_trait: Callable[[Corpus], Floats], plain: Callable[[Corpus], Floats]
) -> Screen:
    """Whether conversations are likelier under the suspected prompt or teacher than without it, in nats a word.

    `with_trait` and `plain` give the mean log-probability of each conversation. Source: arXiv:2602.04863.
    """
    return compared("likelihood_ratio", with_trait(suspect) - plain(suspect), with_trait(control) - plain(control))


def log_probability(student: DecoderStudent, weights: Tensors) -> Callable[[Corpus], Floats]:
    """Mean nats a word of each conversation under `weights`, with a minus."""

    def of(corpus: Corpus) -> Floats:
        rows, owner = _rows(student, corpus)
        words = (rows[:, 1:] != PAD).sum(1)
        summed = np.bincount(owner, nats(weights, student.shape, rows)[0])
        return np.asarray(-summed / np.maximum(np.bincount(owner, words), 1))

    return of


def projection(student: DecoderStudent, battery: Battery, suspect: Corpus, control: Corpus) -> Screen:
    """Whether the base's states over the suspect lie further along the trait than over the control.

    The trait's direction: mean state over replies that show it minus mean state over those that do not, on the scenes
    of `battery`. Source: arXiv:2507.21509.
    """
    ends: list[list[npt.NDArray[np.float64]]] = [[], []]
    for role, before, *replies in items_of(battery):
        mark = USER if role == "user" else ASSISTANT
        for side, reply in enumerate(replies):
            said = student.vocabulary.encode(reply)
            ids = [*student.vocabulary.turns(before), mark, *said][-student.shape.context :]
            ends[side].append(_states(student, np.array([ids]))[0, -len(said) :].mean(0))
    way = np.mean(ends[0], axis=0) - np.mean(ends[1], axis=0)
    way /= np.linalg.norm(way)

    def along(corpus: Corpus) -> Floats:
        rows, owner = _rows(student, corpus)
        real = rows != PAD
        found = np.concatenate([_states(student, rows[k : k + 64]) @ way for k in range(0, len(rows), 64)])
        return np.asarray(np.bincount(owner, (found * real).sum(1)) / np.bincount(owner, real.sum(1)))

    return compared("projection", along(suspect), along(control))


def divergence_words(student: DecoderStudent, teacher: Tensors, counterfactual: Tensors, corpus: Corpus) -> float:
    """Share of places where the two teachers' likeliest next words differ: where a trait could ride.

    Source: arXiv:2509.23886.
    """
    rows, _ = _rows(student, corpus)
    differ = total = 0
    for k in range(0, len(rows), 64):
        block = torch().tensor(rows[None, k : k + 64])
        with torch().no_grad():
            first, second = (
                logits(one, student.shape, block[:, :, :-1]).argmax(-1) for one in (teacher, counterfactual)
            )
        real = block[:, :, 1:] != PAD
        differ += int(((first != second) & real).sum())
        total += int(real.sum())
    return differ / max(1, total)


def _states(student: DecoderStudent, rows: npt.NDArray[np.int64]) -> Any:
    with torch().no_grad():
        return hidden(student.weights, student.shape, torch().tensor(rows)[None])[0].double().numpy()


def _rows(student: DecoderStudent, corpus: Corpus) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of a corpus, and the conversation that each is from."""
    each = [student.rows(corpus[k : k + 1]) for k in range(len(corpus))]
    return np.concatenate(each), np.repeat(np.arange(len(each)), [len(rows) for rows in each])
