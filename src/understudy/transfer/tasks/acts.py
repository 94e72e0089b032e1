"""Task `acts`: what does this user turn do?"""

from __future__ import annotations

from understudy.conversations import Corpus
from understudy.transfer.tasks.labelled import LabelledTextTask, Row, turn_before, turn_labels


class ActsTask(LabelledTextTask):
    """Which dialogue acts (intents) does a user turn have, from its words and those of the partner's turn before?

    Labels: `turn.acts`, else the acts that the simulator planned (`turn.intent`). Turns with neither, and turns
    without a word, are no examples.

    >>> from understudy.conversations import Conversation, Turn
    >>> talk = Conversation("c", (Turn("assistant", "Hello?"), Turn("user", "a table", acts=("inform",))))
    >>> found = ActsTask().examples(Corpus([talk]))
    >>> found.inputs[0], found.labels[0]
    (('a table', 'Hello?'), ('inform',))
    """

    name = "acts"
    metric = "F1 of a turn's acts (accuracy where each has one)"
    needs = "user turns with acts or a planned intent"

    def rows(self, corpus: Corpus) -> list[Row]:
        return [
            Row(row, (turn.text, turn_before(talk, at)), labels)
            for row, talk in enumerate(corpus)
            for at, turn in enumerate(talk.turns)
            if turn.role == "user" and turn.text.strip() and (labels := turn_labels(turn))
        ]
