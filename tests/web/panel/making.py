"""Small panels: corpora whose turns say which side they are from, and what is shown of them."""

from __future__ import annotations

from pathlib import Path

from understudy.conversations import Conversation, Corpus, CorpusCard, Turn
from understudy.rollouts.partners import function_partner
from understudy.web.panel.sessions import Design
from understudy.web.panel.storage import PanelStore
from understudy.web.panel.tasks import Wanted, make_stimuli

HOSTILE = "<script>alert(1)</script>\" onclick='x' &lt;b&gt; \u202egnirts \ud800 \x00"
FEW = Wanted(pairs=4, catches=1, ratings=2, pool=20, rated_pool=10)


def corpus(side: str, count: int = 60, users: int = 40, topics: int = 2) -> Corpus:
    """Talks of 4 to 8 turns. The word `person` or `machine` gives each away to whoever looks for it."""
    word = {"real": "person", "synthetic": "machine"}[side]
    talks = []
    for k in range(count):
        turns = []
        for t in range(2 + k % 3):
            turns.append(Turn("user", f"{word} {k} asks {t} about the sea and the ships {'again ' * (k % 4)}"))
            turns.append(Turn("assistant", f"about {t} there is much to say"))
        talks.append(Conversation(f"{side}-{k}", tuple(turns), f"{side}-u{k % users}", f"topic {k % topics}"))
    return Corpus(talks, CorpusCard("real" if side == "real" else "synthetic", f"{side}.jsonl"))


def design(wanted: Wanted = FEW, *, seed: int = 0, chat: bool = True, real: Corpus | None = None) -> Design:
    """A panel on those corpora."""
    people, simulated = real or corpus("real"), corpus("synthetic")
    told = {"partner": "echo" if chat else None, "synthetic": {"digest": simulated.digest}}
    return Design(seed, wanted, make_stimuli(people, simulated, wanted, seed=seed), chat, told)


def store(folder: Path, made: Design | None = None) -> PanelStore:
    """A panel in a new file."""
    return PanelStore.create(folder / "panel.db", made or design())


ECHO = function_partner(lambda history: f"you said: {history[-1].text}", identity="echo")


def real_side(talks: list[list[str]]) -> int:
    """Which of two conversations has the real user, for who looks for the word; a scrambled one never."""
    whole = [sum(turn.startswith("person ") for turn in talk) for talk in talks]
    return int(whole[1] > whole[0])
