"""What the tasks of choosing among candidates share: overlap as the baseline, a trained ranker, reciprocal ranks."""

from __future__ import annotations

from abc import ABC, abstractmethod

from understudy.conversations import Corpus
from understudy.transfer.task import Examples, Floats, Predictor
from understudy.transfer.tasks.choices import from_inputs, reciprocal_ranks
from understudy.transfer.tasks.ranker import OverlapRanker, fit_ranker


class ChoosingTask(ABC):
    """A task whose examples are candidates of which one is right; a subclass says which.

    Baseline: `OverlapRanker`, which learns nothing. Learner: `fit_ranker`. Score: the reciprocal rank of the right one.
    """

    name: str
    needs: str
    metric = "mean reciprocal rank of 10"
    labelled = False
    seed = 0

    @abstractmethod
    def examples(self, corpus: Corpus) -> Examples:
        """The choices that `corpus` gives."""

    def baseline(self, examples: Examples, *, seed: int) -> Predictor:
        return OverlapRanker()

    def fit(self, examples: Examples, *, seed: int) -> Predictor:
        return fit_ranker(from_inputs(examples.inputs, examples.labels))

    def score(self, predictor: Predictor, examples: Examples) -> Floats:
        choices = from_inputs(examples.inputs, examples.labels)
        return reciprocal_ranks(predictor.scores(choices), choices.right)
