"""What was said: the nouns, and reading, writing, splitting and cleaning them."""

from understudy.conversations.cleaning import normalise_surface
from understudy.conversations.corpus import Corpus, CorpusCard
from understudy.conversations.near_duplicates import NearDuplicate, near_duplicates
from understudy.conversations.problems import RowProblem
from understudy.conversations.reading import Reading, iter_conversations, read_corpus
from understudy.conversations.records import SCHEMA, Conversation, Ending, Role, Turn
from understudy.conversations.splitting import check_no_leak, grouped_folds, split_corpus
from understudy.conversations.writing import conversation_to_messages, write_corpus

__all__ = [
    "SCHEMA",
    "Conversation",
    "Corpus",
    "CorpusCard",
    "Ending",
    "NearDuplicate",
    "Reading",
    "Role",
    "RowProblem",
    "Turn",
    "check_no_leak",
    "conversation_to_messages",
    "grouped_folds",
    "iter_conversations",
    "near_duplicates",
    "normalise_surface",
    "read_corpus",
    "split_corpus",
    "write_corpus",
]
