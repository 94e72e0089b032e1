"""Does what a user says make a difference to what comes back, beyond what asking again makes?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from understudy.conversations import Conversation, Corpus, Turn
from understudy.conversations.text import tokens
from understudy.errors import UsageError
from understudy.rollouts.partner import Partner
from understudy.seeds import derive_seed, stream

ROLLS = 6
TURNS = 2
CLUSTERS = 12
_LENGTHS = (3, 8, 20)
_ALIKE = 0.5  # a turn in another's place has between half and twice its words, where there is one


class Influence(msgspec.Struct, frozen=True):
    """Mean over conversations of `exchanged` less `again`, in bits, with its 95 % interval; and by conversation.

    `exchanged`: Jensen-Shannon divergence of what the partner does after the user's turn and after another in its
    place; `again`: of what it does after the same turn, asked twice. None where nothing could be asked, with `reason`.
    """

    value: float | None
    interval: tuple[float, float] | None
    exchanged: float | None
    again: float | None
    by_conversation: tuple[float, ...]
    turns: int
    reason: str = ""


class _Probe(NamedTuple):
    talk: int
    topic: str | None
    seed: int
    asked: tuple[Turn, ...]
    other: tuple[Turn, ...]


def counterfactual_influence(
    partner: Partner, corpus: Corpus, *, seed: int, rolls: int = ROLLS, turns: int = TURNS, most: int = 100
) -> Influence:
    """How much does what a user says change what this partner says next, beyond what chance changes?

    Of up to `most` conversations, `turns` user turns each: the partner replies `rolls` times to the history with that
    turn, as often again, and as often to the history with the turn of another conversation in its place (the same
    acts where labelled, about as many words), each time with seeds of its own. Replies are read as one of
    `CLUSTERS` kinds of wording, by length and by whether they ask. With F the distribution of these,

        influence = JSD(F(true), F(other)) - JSD(F(true), F(true again))

    in bits, at most 1; 0 where the partner would have said the same kind of thing anyway. Both terms have the same
    number of replies, none with the seed of another, so what few replies make of chance cancels. Interval: t, by
    conversation.

    >>> from understudy.rollouts.partners import function_partner
    >>> from understudy.testing.partners import asking
    >>> deaf = function_partner(lambda history: "ok")
    >>> found = counterfactual_influence(deaf, asking(4, seed=0), seed=0)
    >>> found.value, found.turns
    (0.0, 8)

    Raises UsageError for fewer than one roll or turn.
    """
    if min(rolls, turns, most) < 1:
        raise UsageError("counterfactual influence of no turn", why="it compares replies", fix="give 1 or more of each")
    probes = _probes(corpus, seed=seed, turns=turns, most=most)
    if not probes:
        return Influence(None, None, None, None, (), 0, "no user turn has a turn of another conversation like it")
    replies = asyncio.run(_ask(partner, probes, rolls))
    kinds = _kinds([text for roll in replies for text in roll], seed)
    shares = np.eye(int(kinds.max()) + 1)[kinds].reshape(len(probes), 3, rolls, -1).mean(axis=2)
    exchanged, again = _jsd(shares[:, 0], shares[:, 2]), _jsd(shares[:, 0], shares[:, 1])
    talk = np.array([probe.talk for probe in probes])
    names = np.unique(talk)
    by = np.array([(exchanged - again)[talk == name].mean() for name in names])
    return Influence(
        float(by.mean()), _interval(by), float(exchanged.mean()), float(again.mean()), tuple(by.tolist()), len(probes)
    )


def _probes(corpus: Corpus, *, seed: int, turns: int, most: int) -> list[_Probe]:
    talks: Sequence[Conversation] = list(corpus)
    _, unit = np.unique(corpus.unit_ids, return_inverse=True)
    said = [(k, turn, len(tokens(turn.text))) for k, talk in enumerate(talks) for turn in talk.turns
            if turn.role == "user" and turn.text.strip()]  # fmt: skip
    found = []
    for k in np.sort(stream(seed, "influence").permutation(len(talks))[:most]).tolist():
        rng = stream(seed, "influence", k)
        own = [at for at, turn in enumerate(talks[k].turns) if turn.role == "user" and turn.text.strip()]
        for at in sorted(rng.permutation(own)[:turns].tolist()) if own else []:
            turn = talks[k].turns[at]
            size = max(len(tokens(turn.text)), 1)
            fits = [t for j, t, n in said if unit[j] != unit[k] and t.acts == turn.acts and t.text != turn.text
                    and _ALIKE <= max(n, 1) / size <= 1 / _ALIKE]  # fmt: skip
            if fits:
                other = fits[int(rng.integers(len(fits)))]
                history = tuple(talks[k].turns[:at])
                own_seed = derive_seed(seed, "influence", k, at)
                found.append(_Probe(k, talks[k].topic, own_seed, (*history, turn), (*history, other)))
    return found


async def _ask(partner: Partner, probes: Sequence[_Probe], rolls: int) -> list[list[str]]:
    """For each probe the replies to the true turn, to it again, and to the other one."""
    found = []
    for probe in probes:
        texts = []
        for history, first in ((probe.asked, 0), (probe.asked, rolls), (probe.other, 2 * rolls)):
            for roll in range(rolls):
                session = partner.start(topic=probe.topic, seed=derive_seed(probe.seed, first + roll))
                texts.append((await session.reply(history)).text)
        found.append(texts)
    return found


def _kinds(texts: list[str], seed: int) -> npt.NDArray[np.int64]:
    """What kind of reply each is: cluster of its words, length, whether it asks."""
    from sklearn.cluster import KMeans
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = [" ".join(tokens(text)) or "-" for text in texts]
    vectors = TfidfVectorizer(token_pattern=r"\S+", max_features=4000, sublinear_tf=True).fit_transform(words)
    wanted = min(CLUSTERS, len(set(words)))
    state = int(stream(seed, "kinds").integers(2**31))
    cluster = KMeans(wanted, n_init=1, random_state=state).fit_predict(vectors) if wanted > 1 else np.zeros(len(texts))
    length = np.searchsorted(_LENGTHS, [len(tokens(text)) for text in texts], side="right")
    asks = np.array([text.rstrip().endswith(("?", "？")) for text in texts], dtype=np.int64)
    joint = (np.asarray(cluster, dtype=np.int64) * (len(_LENGTHS) + 1) + length) * 2 + asks
    return np.asarray(np.unique(joint, return_inverse=True)[1], dtype=np.int64)


def _jsd(p: npt.NDArray[np.float64], q: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    def entropy(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray(-(x * np.log2(x, out=np.zeros_like(x), where=x > 0)).sum(axis=-1))

    return np.asarray(entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2)


def _interval(by: npt.NDArray[np.float64]) -> tuple[float, float] | None:
    if len(by) < 2:
        return None
    from scipy import stats

    reach = float(stats.t.ppf(0.975, len(by) - 1) * by.std(ddof=1) / np.sqrt(len(by)))
    return float(by.mean()) - reach, float(by.mean()) + reach
