"""Simulated users that a small decoder speaks for: a population, its simulator, and their folder."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from understudy._require import require
from understudy.conversations import Ending, Turn
from understudy.errors import SimulatorError
from understudy.seeds import stream
from understudy.users.kinds import now_holds
from understudy.users.neural.decoder import PURPOSE, Shape, Weights, new_weights
from understudy.users.neural.language import Language
from understudy.users.neural.speaking import Asked, speak
from understudy.users.neural.subwords import Pieces, Subwords
from understudy.users.profile import Profile
from understudy.users.simulator import UserTurn

SCHEMA = "understudy.neural/1"
HEADER, PROFILES, WEIGHTS = "neural.json", "profiles.json", "weights.safetensors"
TOP_P = 0.95


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`neural.json`: the language, the sizes, where all of it came from, and the digest over the other two files."""

    schema: str
    shape: Shape
    pieces: Pieces
    intents: list[str]
    style_edges: dict[str, list[float]]
    sayable: list[int]
    corpus_digest: str
    seed: int
    top_p: float
    history: list[dict[str, Any]]  # of training: one entry a stage, with its settings and what came of it
    digest: str


class NeuralSession:
    """One user in one conversation; what it says depends on profile, seed and history alone."""

    def __init__(self, population: NeuralPopulation, profile: Profile, seed: int) -> None:
        self._population, self._seed = population, seed
        self._told = population.language.told(profile)

    async def reply(self, history: Sequence[Turn]) -> UserTurn:
        p = self._population
        rng = stream(self._seed, "turn", len(history))
        asked = Asked(p.language.scene(self._told, history), rng, may_leave=bool(history))
        return p.turn(speak(p.weights, p.language, [asked], top_p=p.top_p)[0])


class NeuralUser:
    """The simulator: one decoder for all profiles."""

    def __init__(self, population: NeuralPopulation) -> None:
        self._population, self.identity = population, population.identity

    def start(self, profile: Profile, *, seed: int) -> NeuralSession:
        return NeuralSession(self._population, profile, seed)


class NeuralPopulation:
    """A decoder and the profiles that it speaks for. The k-th draw takes each once a round, in the seed's order."""

    def __init__(
        self,
        language: Language,
        shape: Shape,
        weights: Weights,
        profiles: Sequence[Profile],
        *,
        corpus_digest: str,
        seed: int,
        top_p: float = TOP_P,
        history: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.language, self.shape, self.weights = language, shape, weights
        self.profiles = tuple(profiles)
        self.corpus_digest, self.seed, self.top_p = corpus_digest, seed, top_p
        self.history = tuple(dict(entry) for entry in history)
        self.identity = f"neural:{digest_of(weights)[:12]}:{corpus_digest[:12]}:{seed}"
        self._order = lru_cache(maxsize=8)(self._permuted)

    @property
    def n_sessions(self) -> int:
        return len(self.profiles)

    def _permuted(self, seed: int, block: int) -> np.ndarray:
        return stream(seed, "population", block).permutation(len(self.profiles))

    def draw(self, k: int, *, seed: int) -> Profile:
        block, at = divmod(k, len(self.profiles))
        profile = self.profiles[int(self._order(seed, block)[at])]
        if not block:
            return profile
        name = f"{profile.user_id}-{block}"
        persona = msgspec.structs.replace(profile.persona, id=name)
        return msgspec.structs.replace(profile, id=f"{profile.id}-{block}", user_id=name, persona=persona)

    def simulator(self) -> NeuralUser:
        return NeuralUser(self)

    def turn(self, numbers: Sequence[int]) -> UserTurn:
        """What the decoder's numbers say, as a turn."""
        text, intent, leaves = self.language.heard(numbers)
        return UserTurn(text, intent, ending=Ending("user", "left") if leaves else None)

    def trained(self, weights: Weights, entry: Mapping[str, Any]) -> NeuralPopulation:
        """The same users with other weights, and how these came about."""
        return NeuralPopulation(
            self.language, self.shape, weights, self.profiles, corpus_digest=self.corpus_digest, seed=self.seed,
            top_p=self.top_p, history=[*self.history, entry],
        )  # fmt: skip

    def save(self, folder: str | Path) -> None:
        """Write the folder, whole or not at all: JSON and safetensors. It holds what profiles say of people."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        tensors = require("safetensors.torch", extra="train", purpose=PURPOSE)
        files = {
            WEIGHTS: tensors.save({name: t.detach().contiguous() for name, t in self.weights.items()}),
            PROFILES: msgspec.json.encode(self.profiles),
        }
        header = Header(
            schema=SCHEMA, shape=self.shape, pieces=self.language.words.pieces, intents=self.language.intents,
            style_edges=self.language.style_edges,
            sayable=self.language.sayable, corpus_digest=self.corpus_digest, seed=self.seed,
            top_p=self.top_p, history=list(self.history), digest=_digest(files),
        )  # fmt: skip
        files[HEADER] = msgspec.json.format(msgspec.json.encode(header))
        (folder / HEADER).unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".draft-") as draft:
            for name, data in files.items():  # the header comes last: a folder without one is no population
                (Path(draft) / name).write_bytes(data)
                os.replace(Path(draft) / name, folder / name)
        now_holds(folder, HEADER)


def _digest(files: Mapping[str, bytes]) -> str:
    return hashlib.sha256(files[WEIGHTS] + files[PROFILES]).hexdigest()


def digest_of(weights: Weights) -> str:
    """A digest of weights, by name and value."""
    state = hashlib.sha256()
    for name in sorted(weights):
        state.update(name.encode())
        state.update(weights[name].detach().cpu().contiguous().numpy().tobytes())
    return state.hexdigest()


def is_neural(folder: Path) -> bool:
    """Whether a folder was written by `NeuralPopulation.save`."""
    return (folder / HEADER).is_file()


def load_neural(folder: str | Path) -> NeuralPopulation:
    """The population that `save` wrote. `SimulatorError` where the folder holds none, or another than was written."""
    folder = Path(folder)
    tensors = require("safetensors.torch", extra="train", purpose=PURPOSE)
    broken = require("safetensors", extra="train", purpose=PURPOSE).SafetensorError
    try:
        header = msgspec.json.decode((folder / HEADER).read_bytes(), type=Header)
        files = {name: (folder / name).read_bytes() for name in (WEIGHTS, PROFILES)}
        if header.schema != SCHEMA or _digest(files) != header.digest:
            raise ValueError("its files are not those that its header was written with")
        weights = tensors.load(files[WEIGHTS])
        profiles = msgspec.json.decode(files[PROFILES], type=list[Profile])
        language = Language(Subwords(header.pieces), header.intents, header.style_edges, header.sayable)
        expected = {name: t.shape for name, t in new_weights(header.shape, seed=0).items()}
        if {name: t.shape for name, t in weights.items()} != expected or header.shape.vocabulary != len(language.words):
            raise ValueError("the weights are of other sizes than it says")
        if not profiles:
            raise ValueError("it has no profiles")
    except (OSError, ValueError, msgspec.MsgspecError, broken) as error:
        raise SimulatorError(
            f"{folder}: no trained users ({error})",
            why="a folder of users is read whole or not at all",
            fix="train them again: understudy train REAL --real REAL --out model/",
        ) from error
    return NeuralPopulation(
        language, header.shape, weights, profiles, corpus_digest=header.corpus_digest, seed=header.seed,
        top_p=header.top_p, history=header.history,
    )  # fmt: skip
