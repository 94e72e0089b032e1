"""A small corpus written for this project, so that every verb can be tried without data of one's own."""

from __future__ import annotations

from pathlib import Path

import msgspec

from understudy.conversations import Conversation, Corpus, CorpusCard

CARD = CorpusCard(origin="unknown", source="written sample", licence="Apache-2.0")


def sample_path() -> Path:
    """The file of the sample: JSON lines in the project's own format, one conversation a line.

    >>> sample_path().name
    'conversations.jsonl'
    """
    return Path(__file__).with_name("conversations.jsonl")


def sample_corpus() -> Corpus:
    """Short conversations by forty invented users who come back: finding a film, and help from an online shop.

    Written by the project's authors with a language model, not logged from people: neither real data nor the
    output of a simulator, so its origin is given as unknown. `CARD.md` beside the file says what it is good for.
    The rows are ordered by session, then by user, so any leading slice holds many users and both domains. Nothing
    is read before the first use.

    >>> sample_corpus().card.source
    'written sample'
    """
    return Corpus(_read, CARD)


def _read() -> tuple[Conversation, ...]:
    decoder = msgspec.json.Decoder(Conversation)
    return tuple(decoder.decode_lines(sample_path().read_bytes()))
