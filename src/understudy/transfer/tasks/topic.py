"""Task `topic`: what is this conversation about?"""

from __future__ import annotations

from understudy.conversations import Conversation, Corpus
from understudy.transfer.tasks.labelled import LabelledTextTask, Row

FIRST = 3


class TopicTask(LabelledTextTask):
    """What is a conversation about (`conversation.topic`), from the first `FIRST` user turns?

    Conversations without a topic or without a user's word are no examples. A topic of several parts, `train+hotel`, is
    the same in any order of them.

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
        return [Row(row, (text,), (in_order(talk.topic or ""),)) for row, talk, text in said if text]


def in_order(topic: str) -> str:
    """A topic with the parts that `+` joins in alphabetical order, each once.

    >>> in_order("train + hotel"), in_order("hotel+train+hotel"), in_order("C++"), in_order("films")
    ('hotel+train', 'hotel+train', 'C++', 'films')
    """
    parts = [part.strip() for part in topic.split("+")]
    return "+".join(sorted(set(parts))) if all(parts) else topic


def _first_words(talk: Conversation) -> str:
    said = [turn.text for turn in talk.turns if turn.role == "user" and turn.text.strip()]
    return "\n".join(said[:FIRST])
