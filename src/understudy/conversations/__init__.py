"""What was said: the nouns, and reading, writing, splitting and cleaning them."""

from understudy.conversations.corpus import Corpus, CorpusCard
from understudy.conversations.records import SCHEMA, Conversation, Ending, Role, Turn

__all__ = ["SCHEMA", "Conversation", "Corpus", "CorpusCard", "Ending", "Role", "Turn"]
