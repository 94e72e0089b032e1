"""Task `topic`: what is this conversation about?"""

from __future__ import annotations

from understudy.conversations import Conversation, Corpus
from understudy.transfer.tasks.labelled import LabelledTextTask, Row

FIRST = 3


class TopicTask(LabelledTextTask):
    """What is a conversation about (`conversation.topic`), from the first `FIRST` user turns?

    Conversations without a topic or without a user's word are no examples.

    >>> from understudy.conversations import Conversation, Turn
    >>> turns = Turn("user", "a table"), Turn("assistant", "Ok"), Turn("user", "for 2")
    >>> found = TopicTask().examples(Corpus([Conversation("c", turns, topic="food")]))
    >>> found.inputs[0], found.labels[0]
    ('a table\\nfor 2', ('food',))
    """

    name = "topic"
    metric = "accuracy"
    needs = "conversations with a topic"

    def rows(self, corpus: Corpus) -> list[Row]:
        said = ((row, talk, _first_words(talk)) for row, talk in enumerate(corpus) if talk.topic)
        return [Row(row, (text,), (talk.topic or "",)) for row, talk, text in said if text]


def _first_words(talk: Conversation) -> str:
    said = [turn.text for turn in talk.turns if turn.role == "user" and turn.text.strip()]
    return "\n".join(said[:FIRST])
