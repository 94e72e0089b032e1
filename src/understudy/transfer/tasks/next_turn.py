"""Tasks `next_response` and `next_user_turn`: which of ten turns comes next?"""

from __future__ import annotations

from understudy.conversations import Corpus, Role
from understudy.transfer.task import Examples, no_examples
from understudy.transfer.tasks.choices import choices_of
from understudy.transfer.tasks.choosing import ChoosingTask


class NextTurnTask(ChoosingTask):
    """Which of ten turns is the next, given up to five turns before it?

    One candidate is what was said; the nine others are turns of the same role from conversations of other users, of
    the same topic and of like length, five of them near in meaning, none with the same words. They are drawn from
    the corpus itself and are always the same for the same corpus. Score: the reciprocal rank of the right one (by
    chance .29). Baseline: word overlap with the context, which needs no training. Learner: a bilinear ranker over
    reduced TF-IDF (`fit_ranker`).
    """

    def __init__(self, name: str, role: Role, needs: str) -> None:
        self.name, self.role, self.needs = name, role, needs

    def examples(self, corpus: Corpus) -> Examples:
        return corpus.memo(("transfer.choices", self.role), self._examples)

    def _examples(self, corpus: Corpus) -> Examples:
        found = choices_of(corpus, self.role, seed=self.seed)
        if found is None:
            return no_examples()
        choices, talks = found
        texts = choices.bank.texts
        rows = choices.candidates[range(len(choices)), choices.right].tolist()
        return Examples(choices, [(texts[row],) for row in rows], corpus.unit_ids[talks], talks)


class NextResponseTask(NextTurnTask):
    """Which of ten turns does the partner say next? See `NextTurnTask`."""

    def __init__(self) -> None:
        super().__init__("next_response", "assistant", "partner turns that answer a user, ten different ones or more")


class NextUserTurnTask(NextTurnTask):
    """Which of ten turns does the user say next? See `NextTurnTask`."""

    def __init__(self) -> None:
        super().__init__("next_user_turn", "user", "user turns that answer a partner, ten different ones or more")
