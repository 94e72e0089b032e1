"""Who a speaker is said to be, and which of their lines can be judged at all."""

from __future__ import annotations

import re
from collections.abc import Sequence

from understudy.conversations import Conversation, Role
from understudy.conversations.text import tokens

SPAN = 5
COPIED = 0.8
_KEYS: dict[Role, tuple[str, ...]] = {
    "user": ("persona", "user_persona", "persona_1"),
    "assistant": ("assistant_persona", "persona_2"),
}
_SENTENCE = re.compile(r"(?<=[.!?。！？])\s+")
# Text that a speaker never says in a conversation: prompts, markup, words to whoever judges.
_ECHO = re.compile(
    r"\[/?INST\]|<\|[^|]*\|>|</?(?:p|div|br|span|html|body|script)\b|```|^\s*(?:system|assistant|user|human|persona|"
    r"instructions?)\s*:|\bas an ai\b|\b(?:language|ai) model\b|\byour (?:task|role) is\b|"
    r"\brespond (?:only )?(?:with|as)\b",
    re.IGNORECASE | re.MULTILINE,
)
_TO_JUDGE = re.compile(
    r"\b(?:this|my|the) (?:line|response|reply|answer|utterance) (?:is|was) (?:fully |perfectly |completely )?"
    r"(?:consistent|correct|in character)|\b(?:dear |to the )?(?:judge|evaluator|grader)\b|\bverdict\s*:|"
    r"\b(?:score|rate|mark) (?:this|me|it)\b|\bin line with (?:my|the) persona\b",
    re.IGNORECASE,
)


def sentences(text: str) -> tuple[str, ...]:
    """The sentences of a text.

    >>> sentences("I am a nurse. I have two dogs!")
    ('I am a nurse.', 'I have two dogs!')
    """
    return tuple(part.strip() for part in _SENTENCE.split(text) if part.strip())


def persona_of(talk: Conversation, role: Role) -> tuple[str, ...]:
    """The sentences about the speaker of `role`: from the metadata, else the facts of a simulated user's profile.

    Keys read: `persona`, `user_persona`, `persona_1` for the user, `assistant_persona`, `persona_2` for the partner,
    each a text or a list of sentences. Empty where the conversation says nothing.

    >>> persona_of(Conversation("c", (), meta={"persona": "I am a nurse. I have two dogs."}), "user")
    ('I am a nurse.', 'I have two dogs.')
    """
    for key in _KEYS[role]:
        told = talk.meta.get(key)
        if isinstance(told, str) and told.strip():
            return sentences(told.strip().strip('"'))
        if isinstance(told, list | tuple) and told:
            return tuple(str(part).strip() for part in told if str(part).strip())
    profile = talk.profile
    if role == "user" and isinstance(profile, dict):
        facts = (profile.get("persona") or {}).get("facts") or ()
        return tuple(str(fact) for fact in facts if str(fact).strip())
    return ()


def unscorable(line: str, *, persona: Sequence[str] = (), before: Sequence[str] = ()) -> str:
    """Why nothing can be learned from a line about who speaks; empty where something can.

    blank: no word in it; short: one. echo: a prompt, markup, or words to the judge. copy: five words in a row of the
    persona, or four fifths of the line from one sentence of it. repeat: said before, word for word.

    >>> unscorable("___"), unscorable("I work nights at the old harbour now", persona=["I work nights at the harbour."])
    ('blank', 'copy')
    >>> unscorable("ok then", before=["Ok then."]), unscorable("my dogs keep me busy", persona=["I have two dogs."])
    ('repeat', '')
    """
    words = tokens(line)
    if not words:
        return "blank"
    if len(words) == 1:
        return "short"
    if _ECHO.search(line) or _TO_JUDGE.search(line):
        return "echo"
    if any(tokens(other) == words for other in before):
        return "repeat"
    told = [tokens(sentence) for sentence in persona]
    spans = {tuple(sentence[k : k + SPAN]) for sentence in told for k in range(len(sentence) - SPAN + 1)}
    if any(tuple(words[k : k + SPAN]) in spans for k in range(len(words) - SPAN + 1)):
        return "copy"
    if len(words) >= 3 and any(sum(w in set(sentence) for w in words) >= COPIED * len(words) for sentence in told):
        return "copy"
    return ""
