"""The turn latent v_t: what the next user turn is for, and when the user leaves; drawn step by step, never ahead."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus
from understudy.conversations.text import tokens
from understudy.errors import SimulatorError
from understudy.users.intents import NONE, IntentModel, form_features, label_turns, leaving_odds, quarters
from understudy.users.material import Ints, Side, flatten
from understudy.users.retrieval import build_table
from understudy.users.vectors import WordVectors, fit_vectors

Probabilities = npt.NDArray[np.float64]
_TYPICAL_WORDS = 6


class TurnLatents(Protocol):
    """pi(v_t | previous intent, partner's act, way), and the hazard of leaving. All of it knowable before the turn."""

    identity: str
    names: tuple[str, ...]
    speaks_last: float  # share of users who have the last word

    def describe(self, name: str) -> str: ...
    def act(self, text: str, acts: Sequence[str]) -> int: ...
    def probabilities(self, previous: str | None, act: int, way: float) -> Probabilities: ...
    def hazard(self, said: int, act: int = NONE) -> float: ...
    def realised(self, text: str) -> str: ...


class DefaultLatents:
    """A stated default where there are no real conversations to fit: nobody measured it, and it says so.

    Five intents, the transitions below, and a hazard of 0.18 after every turn but the first (a mean of six to seven
    user turns). `realised` goes by form alone, in any language: a question mark is `ask`, at most three words
    `react`, all else `tell`, which therefore also stands for `object` and `digress`: these two have no form of their
    own that would hold in every language, and a word list would only find the users who use its words. A comparison
    of planned and realised intents has to be read at these three forms; `FittedLatents` tells more apart.

    >>> latents = DefaultLatents()
    >>> latents.realised("Is it open on Sunday?"), latents.realised("ok"), latents.hazard(1)
    ('ask', 'react', 0.0)
    """

    identity: str = "stated-default/1"
    names: tuple[str, ...] = ("tell", "ask", "react", "object", "digress")
    speaks_last: float = 0.7
    hazard_per_turn = 0.18
    transitions: Mapping[str | None, tuple[float, ...]] = {
        None: (0.60, 0.40, 0.0, 0.0, 0.0),
        "tell": (0.35, 0.25, 0.25, 0.10, 0.05),
        "ask": (0.25, 0.30, 0.30, 0.10, 0.05),
        "react": (0.35, 0.40, 0.10, 0.10, 0.05),
        "object": (0.35, 0.25, 0.25, 0.10, 0.05),
        "digress": (0.35, 0.35, 0.15, 0.10, 0.05),
    }
    _words: Mapping[str, str] = {
        "tell": "say something you want or something about your situation, or answer what you were asked",
        "ask": "ask a question",
        "react": "react in a few words to what was just said",
        "object": "object, correct, or say that something does not suit you",
        "digress": "drift to something beside the point for a moment",
    }

    def describe(self, name: str) -> str:
        """The intent in words."""
        return self._words[name]

    def act(self, text: str, acts: Sequence[str]) -> int:
        """Nothing is known of how partners' acts matter."""
        return NONE

    def probabilities(self, previous: str | None, act: int, way: float) -> Probabilities:
        """The stated transitions."""
        return np.array(self.transitions.get(previous, self.transitions["tell"]))

    def hazard(self, said: int, act: int = NONE) -> float:
        """The chance of leaving after `said` turns, for whoever is still there."""
        return self.hazard_per_turn if said > 1 else 0.0

    def realised(self, text: str) -> str:
        """The intent that the form of `text` shows."""
        if "?" in text or "？" in text:
            return "ask"
        return "react" if len(tokens(text[:200])) <= 3 else "tell"


class FittedLatents:
    """Intents, their transitions and the hazard of leaving of the users of a corpus.

    Intents are the corpus's own acts where most user turns carry them, else clusters, described by form and typical
    words. `pi` is smoothed by backing off (`IntentModel`); the hazard is that of the number of user turns, shifted
    by the log odds of leaving after each act of the partner. Source: latent-variable user turns, arXiv:2305.07961,
    which names the variables and leaves their distribution open; here it is fitted, one condition at a time.
    """

    def __init__(self, corpus: Corpus, *, seed: int) -> None:
        turns = flatten(corpus)
        if not turns.is_user.any():
            raise SimulatorError(
                f"none of the {len(corpus)} conversations has a user turn",
                why="intents are fitted to what users said",
                fix="check the corpus, or name the user's role with --user-role",
            )
        self._vectors = fit_vectors(turns.texts, seed=seed)
        embedded = self._vectors.embed_many(turns.texts)
        sides, own = {}, {}
        for is_user in (True, False):
            mine = np.flatnonzero(turns.is_user == is_user)
            texts, acts = [turns.texts[k] for k in mine], [turns.acts[k] for k in mine]
            names, label, from_acts = label_turns(texts, acts, embedded[mine], seed=seed)
            sides[is_user] = Side(names, label, np.zeros((0, embedded.shape[1]), np.float32), from_acts)
            own[is_user] = _Nearest(texts, embedded[mine], label, len(names), self._vectors)
        table = build_table(turns, sides[True], sides[False], embedded, user_side=True)
        self.names = tuple(sides[True].labels)
        self._number = {name: k for k, name in enumerate(self.names)}
        self._of_user, self._of_partner = own[True], own[False]
        self._acts = {name: k for k, name in enumerate(sides[False].labels)} if sides[False].from_acts else {}
        self.model = IntentModel(
            table.intent,
            table.previous,
            table.before_act,
            quarters(table.position, table.length),
            intents=len(self.names),
            acts=len(sides[False].labels),
        )
        over = table.position == table.length - 1
        self._departures = leaving_odds(table.before_act, table.position, over, acts=len(sides[False].labels))
        lengths = table.length[over]
        at_risk = (lengths[:, None] >= np.arange(lengths.max() + 1)).sum(axis=0)
        self._hazards = np.bincount(lengths, minlength=len(at_risk)) / np.maximum(at_risk, 1)
        able = np.diff(table.first_row) > 0
        self.speaks_last = float(table.spoke_last[able].mean())
        self._words = _descriptions(sides[True], [turns.texts[k] for k in table.corpus_row])
        digest = hashlib.blake2b(msgspec.json.encode([corpus.digest, self.names, seed]), digest_size=6)
        self.identity = f"fitted:{digest.hexdigest()}"

    def describe(self, name: str) -> str:
        """The intent in words."""
        return self._words[self._number[name]]

    def act(self, text: str, acts: Sequence[str]) -> int:
        """The number of the partner's act: its label where it brought one of the corpus's, else its like's."""
        named = self._acts.get("+".join(sorted(set(acts))), NONE)
        return named if named != NONE or not text.strip() else self._of_partner.label(text)

    def probabilities(self, previous: str | None, act: int, way: float) -> Probabilities:
        """`pi` over `names`; `way` is how far through the conversation the user is, 0 to 1."""
        before = NONE if previous is None else self._number.get(previous, NONE)
        share: Probabilities = np.exp(self.model.log_probabilities(before, act, way))
        whole: Probabilities = share / share.sum()
        return whole

    def hazard(self, said: int, act: int = NONE) -> float:
        """The chance of leaving after `said` turns, for whoever is still there."""
        if said >= len(self._hazards) - 1:
            return 1.0
        chance = float(self._hazards[said])
        if not 0 < chance < 1:
            return chance
        return 1 / (1 + math.exp(-(math.log(chance / (1 - chance)) + float(self._departures[act + 1]))))

    def realised(self, text: str) -> str:
        """The intent of the real turns that `text` is most like, in words and form."""
        return self.names[self._of_user.label(text)]


class _Nearest:
    """The label whose turns a text is most like: nearest mean of word directions and form."""

    def __init__(
        self, texts: Sequence[str], own: npt.NDArray[np.float32], label: Ints, labels: int, vectors: WordVectors
    ) -> None:
        form = form_features(texts)
        self._centre = form.mean(axis=0) if len(texts) else np.zeros(5)
        spread = form.std(axis=0) if len(texts) else np.ones(5)
        self._spread = np.where(spread > 0, spread, 1)
        self._vectors = vectors
        space = np.hstack([own, self._form(form)])
        seen = [space[label == k] for k in range(labels)]
        self._means = np.stack([s.mean(axis=0) if len(s) else np.full(space.shape[1], 1e3) for s in seen])

    def _form(self, form: Probabilities) -> Probabilities:
        scaled: Probabilities = 0.5 * (form - self._centre) / self._spread
        return scaled

    def label(self, text: str) -> int:
        point = np.concatenate([self._vectors.embed(text), self._form(form_features([text]))[0]])
        return int(((self._means - point) ** 2).sum(axis=1).argmin())


def _descriptions(side: Side, texts: Sequence[str]) -> list[str]:
    """Each label in words: an act by its name, a cluster by its length, its questions and its typical words."""
    told = [Counter(tokens(text[:400])) for text in texts]
    whole: Counter[str] = Counter()
    for words in told:
        whole.update(words.keys())
    lines = []
    for k, name in enumerate(side.labels):
        rows = np.flatnonzero(side.label == k).tolist()
        inside = Counter(word for row in rows for word in told[row])
        score = {w: n * math.log(1 + len(texts) * n / (max(len(rows), 1) * whole[w])) for w, n in inside.items()}
        typical = sorted(score, key=lambda w: (-score[w], w))[:_TYPICAL_WORDS]
        length = float(np.median([sum(told[row].values()) for row in rows])) if rows else 0.0
        asks = float(np.mean(["?" in texts[row] or "？" in texts[row] for row in rows])) if rows else 0.0
        form = f"about {max(1, round(length))} words{', a question' if asks > 0.5 else ''}"
        label = name.replace("+", ", ").replace("_", " ")
        like = f"{form}; such turns have words like {', '.join(typical)}"
        lines.append(f"{label} ({form})" if side.from_acts else like)
    return lines
