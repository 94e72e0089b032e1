"""Words as numbers for small students: the common words of a corpus, and letters for all others."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from understudy.conversations import Conversation, Turn
from understudy.conversations.text import UNSPACED

USER, ASSISTANT, END, PAD = 0, 1, 2, 3
_SPECIAL = ("<user>", "<assistant>", "<end>", "<pad>")
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789'.,?!:;-$£€%&/()\"#*+=@_"
_LETTER = rf"[^\W\d_{UNSPACED}]"
_WORD = re.compile(rf"[{UNSPACED}]|{_LETTER}+(?:'{_LETTER}+)?|\d|[^\w\s]")
_OTHER = "\u25a1"  # stands for letters of other scripts


class Vocabulary:
    """Ids of words. A word that is not known is spelled, so every text has a probability.

    >>> known = Vocabulary.of([["see you at the sea", "the sea"]], most=2)
    >>> known.text(known.encode("the sea!")), len(known.encode("at"))
    ('the sea !', 2)
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        pieces = [*_SPECIAL, *(f"#{letter}" for letter in (*_LETTERS, _OTHER)), *words]
        self._pieces = pieces
        self._ids = {piece: k for k, piece in enumerate(pieces)}

    @classmethod
    def of(cls, talks: Iterable[Iterable[str]], *, most: int) -> Vocabulary:
        """The `most` commonest words of some texts; of equally common ones the first by letter."""
        counted = Counter(word for texts in talks for text in texts for word in split(text) if _spelled_long(word))
        return cls([w for w, _ in sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:most]])

    def __len__(self) -> int:
        return len(self._pieces)

    def encode(self, text: str) -> list[int]:
        """The ids of a text, lower-cased."""
        ids: list[int] = []
        for word in split(text):
            known = self._ids.get(word)
            if known is not None:
                ids.append(known)
            else:
                ids += [self._ids.get(f"#{letter}", self._ids[f"#{_OTHER}"]) for letter in word]
        return ids

    def text(self, ids: Iterable[int]) -> str:
        """Words again; spelled words come as single letters."""
        return " ".join(self._pieces[k].removeprefix("#") for k in ids)

    def turns(self, turns: Iterable[Turn]) -> list[int]:
        """The ids of turns, each after its role."""
        ids: list[int] = []
        for turn in turns:
            ids.append(USER if turn.role == "user" else ASSISTANT)
            ids += self.encode(turn.text)
        return ids

    def talk(self, ids: Sequence[int], name: str) -> Conversation:
        """A conversation from ids, up to the first end."""
        turns: list[Turn] = []
        words: list[int] = []
        role = None
        for k in (*ids, END):
            if k in (USER, ASSISTANT, END, PAD):
                if role is not None and words:
                    turns.append(Turn("user" if role == USER else "assistant", self.text(words)))
                words, role = [], k
                if k in (END, PAD):
                    break
            else:
                words.append(k)
        return Conversation(name, tuple(turns))


def _spelled_long(word: str) -> bool:
    return len(word) > 1 or (word.isalpha() and word not in _LETTERS)


def split(text: str) -> list[str]:
    """Words, digits and marks, lower-cased; characters where the script has no spaces.

    >>> split("That's 12!"), split("Да, 学")
    (["that's", '1', '2', '!'], ['да', ',', '学'])
    """
    return _WORD.findall(text.lower().replace("’", "'"))
