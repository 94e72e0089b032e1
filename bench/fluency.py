"""Figure: are guarded turns as probable as people's, under a language model that saw neither?"""

from __future__ import annotations

from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from math import exp, log
from pathlib import Path

import numpy as np

from bench.corpora import load, markdown
from bench.fitted import CORPORA
from understudy.conversations import Corpus
from understudy.conversations.splitting import split_corpus
from understudy.conversations.text import tokens
from understudy.rollouts.simulate import simulate
from understudy.users.population import fit_population

EDGE = "\x1e"
Context = tuple[str, ...]


class WittenBell:
    """A trigram model with Witten-Bell interpolation down to the uniform distribution over words seen."""

    def __init__(self, turns: list[list[str]]) -> None:
        self.next: dict[Context, Counter[str]] = defaultdict(Counter)
        for turn in turns:
            words = [EDGE, EDGE, *turn, EDGE]
            for k in range(2, len(words)):
                for order in range(3):
                    self.next[tuple(words[k - order : k])][words[k]] += 1
        self.vocabulary = len(self.next[()]) + 1

    def probability(self, word: str, context: Context) -> float:
        seen = self.next.get(context)
        lower = self.probability(word, context[1:]) if context else 1.0 / self.vocabulary
        if not seen:
            return lower
        total, types = seen.total(), len(seen)
        return (seen[word] + types * lower) / (total + types)

    def perplexity(self, turns: list[list[str]]) -> float:
        """`exp(-mean log p(word | two before))` over all words and turn ends."""
        logs = [
            log(self.probability(words[k], tuple(words[k - 2 : k])))
            for turn in turns
            for words in [[EDGE, EDGE, *turn, EDGE]]
            for k in range(2, len(words))
        ]
        return exp(-sum(logs) / len(logs))


def said(corpus: Corpus) -> list[list[list[str]]]:
    """The words of each user turn, by conversation."""
    talks = [[tokens(t.text) for t in c.turns if t.role == "user" and t.text.strip()] for c in corpus]
    return [talk for talk in talks if talk]


def one_corpus(task: tuple[Path, str]) -> list[object]:
    """Fit on half of the users; the model learns a quarter; the other quarter is the people to compare with."""
    data, name = task
    train, model, people = split_corpus(load(data, name), (0.5, 0.25, 0.25), seed=0)
    population = fit_population(train, copy_guard="guarded", seed=0)
    talks = simulate(population, population.partner(), n=len(people), seed=0).conversations
    judge = WittenBell([turn for talk in said(model) for turn in talk])
    cells: list[object] = [name]
    for corpus in (people, Corpus(talks)):
        low, middle, high = np.quantile([judge.perplexity(talk) for talk in said(corpus)], [0.1, 0.5, 0.9])
        cells.append(f"{middle:.0f} ({low:.0f} to {high:.0f})")
    return cells


def run(data: Path, out: Path, workers: int = 2) -> str:
    with ProcessPoolExecutor(workers) as pool:
        rows = list(pool.map(one_corpus, [(data, name) for name in CORPORA]))
    return markdown(["perplexity a conversation: median (10 to 90 %)", "people", "guarded users"], rows)
