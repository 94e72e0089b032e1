"""Users who exchange entities and nothing else: goals of real people with the entities swapped, and a recommender.

The user is `structured` (goal -> attribute tokens: always truthful, on topic, patient, complete); the partner
recommends the best match of what was said. What such a pair says about a title is always right and always said.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from understudy.conversations import Conversation, Corpus, Turn
from understudy.rollouts.partner import PartnerTurn
from understudy.rollouts.simulate import simulate
from understudy.seeds import derive_seed, stream
from understudy.transfer.tasks.offers import offers_of
from understudy.users import Goal
from understudy.users.structured import GoalOf, StructuredPopulation

MOVIE, WORD = "movie", "entity"


class Catalogue(NamedTuple):
    """What is known of the items: each movie's genres (words said of it by anybody), and how often it is named."""

    genres: dict[str, tuple[str, ...]]
    movies_of: dict[str, tuple[str, ...]]
    named: dict[str, int]


def catalogue(corpus: Corpus, words: frozenset[str]) -> Catalogue:
    """Movies with the genre `words` that stand in the same turns, the commoner first."""
    said: dict[str, Counter[str]] = defaultdict(Counter)
    named: Counter[str] = Counter()
    for talk in corpus:
        for turn in talk.turns:
            pairs = turn.meta.get("entities") or ()
            movies = [surface for kind, surface in pairs if kind == MOVIE]
            genres = [surface.lower() for kind, surface in pairs if kind == WORD and surface.lower() in words]
            named.update(movies)
            for movie in movies:
                said[movie].update(genres)
    genres = {movie: tuple(name for name, _ in c.most_common(3)) for movie, c in sorted(said.items()) if c}
    movies_of: dict[str, list[str]] = defaultdict(list)
    for movie, names in genres.items():
        for name in names:
            movies_of[name].append(movie)
    return Catalogue(genres, {name: tuple(movies) for name, movies in movies_of.items()}, dict(named))


def swapped_goals(corpus: Corpus, known: Catalogue, count: int, *, seed: int) -> list[GoalOf]:
    """`count` goals with the kinds of entity that real seekers name and, in their place, attributes of a hidden item.

    A word becomes a genre of the hidden item, a movie another one that shares a genre with it.
    """
    shapes = [item.goal for item in StructuredPopulation.from_corpus(corpus).goals]
    movies = list(known.genres)
    weight = np.array([known.named[movie] for movie in movies], dtype=float)
    goals = []
    for k in range(count):
        rng = stream(seed, "goal", k)
        shape = shapes[int(rng.integers(len(shapes)))]
        hidden = movies[int(rng.choice(len(movies), p=weight / weight.sum()))]
        genres = known.genres[hidden]
        said = []
        for kind, _ in shape.entities:
            genre = genres[int(rng.integers(len(genres)))]
            alike = known.movies_of[genre]
            said.append((kind, alike[int(rng.integers(len(alike)))]) if kind == MOVIE else (WORD, genre))
        goals.append(GoalOf(Goal(topic=shape.topic, entities=tuple(said) or ((WORD, genres[0]),)), k))
    return goals


class Recommender:
    """Names the movie that shares most genres with what the user has said, and its genres."""

    embedded = True
    identity = "entity-recommender"

    def __init__(self, known: Catalogue) -> None:
        self.known = known

    def start(self, *, topic: str | None, seed: int) -> _Recommends:
        return _Recommends(self.known, seed)


class _Recommends:
    def __init__(self, known: Catalogue, seed: int) -> None:
        self.known, self.seed = known, seed

    async def reply(self, history: Sequence[Turn]) -> PartnerTurn:
        told: Counter[str] = Counter()
        for turn in history:
            if turn.role == "user":
                kind, _, value = turn.text.partition(": ")
                told.update(self.known.genres.get(value, ()) if kind == MOVIE else [value])
        before = {
            turn.text.removeprefix("How about ").partition("?")[0] for turn in history if turn.role == "assistant"
        }
        rng = stream(self.seed, "recommends", len(history))
        wanted = [name for name, _ in told.most_common(1) if name in self.known.movies_of]
        pool = self.known.movies_of[wanted[0]] if wanted else tuple(self.known.genres)
        fresh = [movie for movie in pool if movie not in before and movie not in history[-1].text] or list(pool)
        share = np.array([sum(told[g] for g in self.known.genres[movie]) for movie in fresh], dtype=float)
        best = np.flatnonzero(share == share.max())
        movie = fresh[int(best[rng.integers(len(best))])]
        return PartnerTurn(f"How about {movie}?", meta={"entities": [[MOVIE, movie]]})


def entity_swap(real: Corpus, count: int, *, seed: int, name: str) -> Corpus:
    """`count` conversations of entity-swap users with the recommender, from the goals and the items of `real`."""
    words = frozenset(value for _, value in offers_of(real).attributes)
    known = catalogue(real, words)
    people = StructuredPopulation(swapped_goals(real, known, count, seed=seed))
    talks = simulate(people, Recommender(known), n=count, seed=derive_seed(seed, name)).conversations
    return Corpus([_named(talk, name) for talk in talks])


def _named(talk: Conversation, name: str) -> Conversation:
    """Users of two draws are two people, whatever goal they drew."""
    return msgspec.structs.replace(talk, id=f"{name}-{talk.id}", user_id=f"{name}-{talk.user_id}")
