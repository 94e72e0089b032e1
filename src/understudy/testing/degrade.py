"""Known ways to spoil a corpus of user turns, so that a measure can be shown to see them.

Each is a pure function `Corpus -> Corpus`: conversation ids, users, topics and assistant turns stay as they are
(`truncated` and `over_clean` drop some turns), so that a spoiled set pairs with the untouched one, unit by unit.
None needs to know the language; the phrases of `over_clean` and `assistant_voice` are English by default.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from understudy.conversations import Conversation, Corpus, Turn
from understudy.conversations.text import TOKEN_PATTERN, tokens

HEDGES = (
    "i think", "i guess", "i suppose", "i believe", "maybe", "perhaps", "probably", "possibly", "kind of",
    "sort of",
    "kinda", "sorta", "um", "umm", "uh", "uhh", "hmm", "hm", "er", "well", "you know", "i mean", "like,",
    "actually",
    "basically", "lol", "haha", "not sure", "or something", "or so", "a bit", "a little",
)  # fmt: skip
SPELLING = {
    "u": "you", "ur": "your", "r": "are", "im": "I'm", "ive": "I've", "dont": "don't", "doesnt": "doesn't",
    "didnt": "didn't", "cant": "can't", "wont": "won't", "isnt": "isn't", "thats": "that's", "whats": "what's",
    "i": "I", "pls": "please", "plz": "please", "thx": "thanks", "ty": "thank you", "gonna": "going to",
    "wanna": "want to", "yeah": "yes", "yep": "yes", "yup": "yes", "nope": "no", "ok": "okay", "teh": "the",
}  # fmt: skip
ASSISTANT_PHRASES = (
    ("Certainly! ", " Please let me know if there is anything else I can help with."),
    ("Of course! I'd be happy to share: ", " Is there anything else you would like to know?"),
    ("Thank you for asking. ", " I hope this helps!"),
)
FRAGMENT = 3
_TOKEN = re.compile(TOKEN_PATTERN)


def _rewrite(corpus: Corpus, change: Callable[[Conversation], Sequence[Turn]]) -> Corpus:
    return Corpus([msgspec.structs.replace(c, turns=tuple(change(c))) for c in corpus], corpus.card)


def _said(turn: Turn, text: str) -> Turn:
    """The turn with other words; labels of the old words go with them."""
    return Turn(turn.role, text)


def shuffled_turns(corpus: Corpus, *, rng: np.random.Generator) -> Corpus:
    """The user turns of each conversation in random order: same words, no sequence.

    >>> talk = Conversation("a", (Turn("user", "hi"), Turn("assistant", "hello"), Turn("user", "bye")))
    >>> spoiled = shuffled_turns(Corpus([talk]), rng=np.random.default_rng(1))
    >>> sorted(t.text for t in spoiled[0].turns if t.role == "user"), spoiled[0].turns[1].text
    (['bye', 'hi'], 'hello')
    """

    def change(conversation: Conversation) -> list[Turn]:
        own = [turn for turn in conversation.turns if turn.role == "user"]
        order = iter(rng.permutation(len(own)).tolist())
        return [own[next(order)] if turn.role == "user" else turn for turn in conversation.turns]

    return _rewrite(corpus, change)


def other_users_replies(corpus: Corpus, *, rng: np.random.Generator) -> Corpus:
    """Every user turn replaced by another unit's turn from the same place (first, second, ... sixth and later):
    same words and positions over the corpus, but no user, no topic and no answer to the partner."""
    _, unit = np.unique(corpus.unit_ids, return_inverse=True)
    places: dict[int, list[tuple[int, Turn]]] = {}
    for row, conversation in enumerate(corpus):
        own = [turn for turn in conversation.turns if turn.role == "user"]
        for place, turn in enumerate(own):
            places.setdefault(min(place, 5), []).append((row, turn))
    swapped: dict[int, list[Turn]] = {}
    for _, members in sorted(places.items()):
        owner = unit[[row for row, _ in members]]
        order = rng.permutation(len(members))
        for _ in range(20):
            clash = np.flatnonzero(owner[order] == owner)
            if not len(clash):
                break
            partners = rng.integers(0, len(members), len(clash))
            for a, b in zip(clash.tolist(), partners.tolist(), strict=True):
                order[a], order[b] = order[b], order[a]
        for (row, _), source in zip(members, order.tolist(), strict=True):
            swapped.setdefault(row, []).append(members[source][1])
    streams = [iter(swapped.get(row, ())) for row in range(len(corpus))]
    rows = iter(range(len(corpus)))

    def change(conversation: Conversation) -> list[Turn]:
        turns = streams[next(rows)]
        return [next(turns) if turn.role == "user" else turn for turn in conversation.turns]

    return _rewrite(corpus, change)


def truncated(corpus: Corpus, *, rng: np.random.Generator, keep: float = 0.5) -> Corpus:
    """Conversations cut after a `keep` share of their user turns (rounded up or down at random, at least one)."""

    def change(conversation: Conversation) -> tuple[Turn, ...]:
        own = [i for i, turn in enumerate(conversation.turns) if turn.role == "user"]
        count = max(1, int(np.floor(keep * len(own) + rng.random())))
        return conversation.turns if count >= len(own) else conversation.turns[: own[count - 1] + 1]

    return _rewrite(corpus, change)


def _deletions(word: str) -> set[str]:
    return {word[:i] + word[i + 1 :] for i in range(len(word))}


def _spelling(corpus: Corpus) -> dict[str, str]:
    """Words said once that are one letter away from a word said at least 20 times."""
    seen = Counter(w for c in corpus for t in c.turns if t.role == "user" for w in tokens(t.text))
    frequent = {word for word, count in seen.items() if count >= 20 and len(word) >= 4}
    shorter = {variant: word for word in sorted(frequent) for variant in _deletions(word)}
    fixed = dict(SPELLING)
    for word in sorted(w for w, count in seen.items() if count == 1 and len(w) >= 5 and w.isalpha()):
        near = _deletions(word)
        match = shorter.get(word) or next((w for w in sorted(near) if w in frequent), None)
        match = match or next((shorter[w] for w in sorted(near) if w in shorter), None)
        if match:
            fixed[word] = match
    return fixed


def over_clean(corpus: Corpus, *, rng: np.random.Generator, hedges: Sequence[str] = HEDGES) -> Corpus:
    """Hedges, fillers and fragments removed, typos and chat spelling mended, sentences begun large and closed.

    Turns of three words or fewer go (one turn stays), as simulators tend to write full sentences only.

    >>> talk = Conversation("a", (Turn("user", "um i think u have  it!!!"), Turn("user", "ok")))
    >>> [t.text for t in over_clean(Corpus([talk]), rng=np.random.default_rng(0))[0].turns]
    ['You have it!']
    """
    del rng  # the same for every seed; the signature is shared
    longest = sorted(hedges, key=len, reverse=True)
    hedge = re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, longest)) + r")(?!\w),?\s*", re.IGNORECASE)
    spelling = _spelling(corpus)

    def clean(text: str) -> str:
        text = re.sub(r"([!?.,])[!?.,]+", r"\1", hedge.sub("", text))
        text = re.sub(r"([^\W\d_])\1{2,}", r"\1\1", text)
        text = _TOKEN.sub(lambda m: spelling.get(m.group().lower(), m.group()), text)
        text = re.sub(r"\s+([.,!?])", r"\1", re.sub(r"\s+", " ", text)).strip(" ,")
        text = re.sub(r"(^|[.!?]\s+)(\w)", lambda m: m.group(1) + m.group(2).upper(), text)
        return text if not text or not text[-1].isalnum() else text + "."

    def change(conversation: Conversation) -> list[Turn]:
        turns = [_said(t, clean(t.text)) if t.role == "user" else t for t in conversation.turns]
        lengths = [len(tokens(t.text)) if t.role == "user" else FRAGMENT + 1 for t in turns]
        own = [i for i, t in enumerate(turns) if t.role == "user"]
        spared = max(own, key=lambda i: lengths[i], default=-1)
        return [t for i, t in enumerate(turns) if lengths[i] > FRAGMENT or i == spared]

    return _rewrite(corpus, change)


def _cut(text: str, words: int) -> str:
    """The first `words` tokens of `text`, with what stands between them."""
    spans = list(_TOKEN.finditer(text))
    return text if len(spans) <= words else text[: spans[words - 1].end()]


def parrot(corpus: Corpus, *, rng: np.random.Generator) -> Corpus:
    """Every user turn says the partner's last words back, as many as the user would have said and at least three.

    Turns before the partner has spoken stay.

    >>> talk = Conversation("a", (Turn("assistant", "Which film do you like?"), Turn("user", "no idea, sorry")))
    >>> parrot(Corpus([talk]), rng=np.random.default_rng(0))[0].turns[1].text
    'Which film do'
    """
    del rng

    def change(conversation: Conversation) -> list[Turn]:
        heard, out = "", []
        for turn in conversation.turns:
            if turn.role == "assistant":
                heard = turn.text
            elif heard.strip():
                turn = _said(turn, _cut(heard, max(3, len(tokens(turn.text)))))
            out.append(turn)
        return out

    return _rewrite(corpus, change)


def single_template(corpus: Corpus, *, rng: np.random.Generator) -> Corpus:
    """All users say what the user of one conversation of median length said, turn for turn."""
    lengths = np.array([sum(t.role == "user" for t in c.turns) for c in corpus])
    typical = np.flatnonzero(np.abs(lengths - np.median(lengths[lengths > 0])) <= 0.5)
    chosen = corpus[int(rng.choice(typical if len(typical) else np.flatnonzero(lengths)))]
    script = [turn.text for turn in chosen.turns if turn.role == "user"]

    def change(conversation: Conversation) -> list[Turn]:
        out, place = [], 0
        for turn in conversation.turns:
            if turn.role == "user":
                turn = _said(turn, script[min(place, len(script) - 1)])
                place += 1
            out.append(turn)
        return out

    return _rewrite(corpus, change)


def assistant_voice(
    corpus: Corpus, *, rng: np.random.Generator, phrases: Sequence[tuple[str, str]] = ASSISTANT_PHRASES
) -> Corpus:
    """Every user turn wrapped in the courtesies of an assistant: the commonest fault of prompted users."""

    def voice(text: str) -> str:
        before, after = phrases[int(rng.integers(len(phrases)))]
        text = text.strip()
        text = text[:1].upper() + text[1:]
        return f"{before}{text}{'' if text[-1:] in '.!?' else '.'}{after}"

    return _rewrite(corpus, lambda c: [_said(t, voice(t.text)) if t.role == "user" else t for t in c.turns])


DEGRADATIONS: dict[str, Callable[..., Corpus]] = {
    "shuffled turns": shuffled_turns,
    "other users' replies": other_users_replies,
    "truncated": truncated,
    "over-clean": over_clean,
    "parrot": parrot,
    "single template": single_template,
    "assistant voice": assistant_voice,
}
