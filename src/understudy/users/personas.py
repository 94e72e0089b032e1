"""Personas learned from a log: typed slots, their words, what is remembered, and every version there was."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from understudy.conversations import Conversation, Corpus
from understudy.conversations.text import tokens
from understudy.errors import SimulatorError
from understudy.users.copy_guard import CopyGuard
from understudy.users.memory import Episode, SemanticMemory

SCHEMA = "understudy.personas/1"
FILE = "personas.json"
COPIED = 5  # words in a row of a person's own that no persona may hold

_SAYS = {
    "writes_long": ("writes longer turns", "writes shorter turns"),
    "questions": ("asks more questions", "asks fewer questions"),
    "exclaims": ("exclaims more", "exclaims less"),
    "digits": ("gives more numbers", "gives fewer numbers"),
    "full_stops": ("ends more turns with a full stop", "leaves out more full stops"),
    "lower_case": ("writes more in lower case", "writes less in lower case"),
    "pushes_back": ("pushes back more", "pushes back less"),
    "agrees": ("agrees more", "agrees less"),
    "polite": ("is more polite", "is less polite"),
    "hedges": ("hedges more", "hedges less"),
    "greets": ("greets more", "greets less"),
    "asks_for": ("asks more often for things", "asks less often for things"),
    "states_wishes": ("says more of what it wants", "says less of what it wants"),
    "leaves": ("leaves sooner", "stays longer"),
}


class Version(msgspec.Struct, frozen=True, omit_defaults=True):
    """One attempt to bring a persona nearer to its person, and what came of it.

    `diff` has the slots that were to change, old and new. Losses are in nats a turn, on sessions that the proposal had
    not seen. `p_value`: how often average people's sessions would have gained as much. `later`: losses before and after
    on the later half of these sessions, where the earlier half alone decides: nothing was chosen by them.
    """

    outcome: Literal["accepted", "rolled back", "untouched"]
    reason: str
    diff: Mapping[str, tuple[float, float]] = msgspec.field(default_factory=dict)
    loss_before: float | None = None
    loss_after: float | None = None
    p_value: float | None = None
    later: tuple[float, float] | None = None
    sessions: int = 0
    held_out: int = 0
    log: str = ""
    seed: int = 0
    by: str = "search"
    feedback: str = ""


class PersonaRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """A simulated user's persona with its past. `source` is a digest of the person's id in the log; `sessions` are
    the topics of the log's sessions, which the user goes through in its turn."""

    id: str
    source: str
    sessions: tuple[str | None, ...]
    slots: Mapping[str, float] = msgspec.field(default_factory=dict)
    facts: tuple[str, ...] = ()
    semantic: SemanticMemory = SemanticMemory()
    episodes: tuple[Episode, ...] = ()
    history: tuple[Version, ...] = ()

    @property
    def text(self) -> str:
        """The slots in words, the strongest first, and what a model added."""
        return " ".join([in_words(self.slots), *self.facts]).strip()


class Personas(msgspec.Struct, frozen=True, kw_only=True):
    """`personas.json` of a users folder: `population` names the fitted one that they speak through."""

    schema: str = SCHEMA
    population: str
    log: str
    personas: tuple[PersonaRecord, ...]


def in_words(slots: Mapping[str, float]) -> str:
    """Slots as a sentence a person can read.

    >>> in_words({"writes_long": 1.25, "leaves": -0.5, "intent:greet": 0.75})
    'Than others, this user much writes longer turns; more often does greet; stays longer.'
    """
    said = []
    for name, value in sorted(slots.items(), key=lambda pair: (-abs(pair[1]), pair[0])):
        much = "much " if abs(value) >= 1 else ""
        kind, _, label = name.partition(":")
        if name in _SAYS:
            said.append(much + _SAYS[name][value < 0])
        elif kind == "item":
            said.append(f"{much}{'more' if value > 0 else 'less'} often names things of group {label}")
        else:
            said.append(f"{much}{'more' if value > 0 else 'less'} often does {label}")
    return f"Than others, this user {'; '.join(said)}." if said else ""


def digest_of(text: str) -> str:
    """A name for something in a log that does not say what it is."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def session_digest(talk: Conversation) -> str:
    """The provenance of an episode: the same conversation has the same digest in any log."""
    return digest_of("\x1f".join([talk.id, *(f"{turn.role}:{turn.text}" for turn in talk.turns)]))


class Wording:
    """Says whether a text holds words in a row that a person of the log wrote: a persona must not.

    >>> from understudy.conversations import Turn
    >>> log = Corpus([Conversation("a", (Turn("user", "my cat sat on the old red mat"),))])
    >>> wording = Wording(log)
    >>> wording.copied("Says that the cat sat on the old mat."), wording.copied("Talks of a cat.")
    ('cat sat on the old', None)
    """

    def __init__(self, log: Corpus) -> None:
        said = ((turn.text, 0) for talk in log for turn in talk.turns if turn.role == "user")
        self._guard = CopyGuard.of(said, common=2**31, size=COPIED)

    def copied(self, text: str) -> str | None:
        """The first words in a row that stand in the log, or None."""
        words = tokens(text)
        place = self._guard.first_copy(words)
        return None if place is None else " ".join(words[slice(*place)])

    def check(self, records: Iterable[PersonaRecord]) -> None:
        """Raise `SimulatorError` where what was written of a persona holds the log's words."""
        for record in records:
            for text in (*record.facts, *(v.feedback for v in record.history)):
                if (words := self.copied(text)) is not None:
                    raise SimulatorError(
                        f"the persona {record.id} says {words!r}, which stands in the log",
                        why="a persona that quotes its person would make the person's words come back",
                        fix="align again; what a model proposes is checked and dropped where it quotes",
                    )


def save_personas(personas: Personas, folder: Path) -> None:
    """Write `personas.json`, whole or not at all."""
    draft = folder / f".{FILE}.draft"
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(personas), indent=1) + b"\n")
    draft.replace(folder / FILE)


def load_personas(folder: Path) -> Personas:
    """Read what `save_personas` wrote."""
    try:
        found = msgspec.json.decode((folder / FILE).read_bytes(), type=Personas)
        wrong = "" if found.schema == SCHEMA else f"its schema is {found.schema!r}, this version reads {SCHEMA!r}"
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        wrong = str(error)
    if wrong:
        raise SimulatorError(
            f"{folder / FILE} cannot be read: {wrong}",
            why="without it nobody knows who these users are",
            fix="align again: understudy align USERS --log REAL --out USERS2",
        )
    return found


def personas_digest(records: Sequence[PersonaRecord]) -> str:
    """What decides how the users behave, as one short name."""
    return digest_of(msgspec.json.encode([(r.id, r.slots, r.facts, r.sessions, r.episodes) for r in records]).decode())
