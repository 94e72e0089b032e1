"""Simulated users that a language model with a low-rank adapter speaks for; trained by `training.adapters`.

A turn is one line of text after who speaks and what was said. A new line ends the turn, the model's end of text the
conversation: neither is a word that anybody could say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from understudy._require import require
from understudy.conversations import Ending, Turn
from understudy.errors import SimulatorError
from understudy.models.local import cache_argument
from understudy.seeds import stream
from understudy.users.profile import Profile
from understudy.users.simulator import UserTurn

SCHEMA = "understudy.adapted/1"
HEADER = "adapted.json"
WEIGHTS = "adapter_model.safetensors"
PURPOSE = "a language model with an adapter"
_MOST_TURNS = 12  # of the history that are read
_MOST_NUMBERS = 64  # of a turn
_TOP_P = 0.95


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`adapted.json`: which model, who it speaks for, and the digest of the adapter."""

    schema: str
    base: str
    profiles: list[Profile]
    corpus_digest: str
    seed: int
    digest: str


def prompt(profile: Profile, history: Sequence[Turn]) -> str:
    """What stands before a turn of the user.

    >>> from understudy.users.profile import Goal, Persona
    >>> who = Profile(id="p", user_id="u", persona=Persona("u", facts=("i have two dogs",)), goal=Goal(topic="pets"))
    >>> print(prompt(who, (Turn("assistant", "hello\\nthere"),)))
    About the user: i have two dogs; pets
    Partner: hello there
    User:
    """
    goal = profile.goal
    told = [*profile.persona.facts, goal.topic or "", *(text for _, text in goal.entities), goal.text]
    lines = ["About the user: " + "; ".join(_flat(text) for text in told if text.strip())]
    lines += [f"{'User' if t.role == 'user' else 'Partner'}: {_flat(t.text)}" for t in history[-_MOST_TURNS:]]
    return "\n".join([*lines, "User:"])


def _flat(text: str) -> str:
    return " ".join(text[:2000].split())


class AdaptedPopulation:
    """A language model with an adapter, and the profiles that it speaks for."""

    def __init__(
        self, model: Any, tokenizer: Any, profiles: Sequence[Profile], *, base: str, corpus_digest: str, seed: int
    ) -> None:
        self.model, self.tokenizer, self.base = model, tokenizer, base
        self.profiles = tuple(profiles)
        self.corpus_digest, self.seed = corpus_digest, seed
        self.identity = f"adapted:{Path(base).name}:{self._digest()[:12]}:{corpus_digest[:12]}:{seed}"
        self._order = lru_cache(maxsize=8)(self._permuted)

    def _digest(self) -> str:
        state = hashlib.sha256()
        for name, t in sorted(self.model.named_parameters(), key=lambda item: str(item[0])):
            if "lora_" in name:
                state.update(t.detach().cpu().numpy().tobytes())
        return state.hexdigest()

    @property
    def n_sessions(self) -> int:
        return len(self.profiles)

    def _permuted(self, seed: int, block: int) -> np.ndarray:
        return stream(seed, "population", block).permutation(len(self.profiles))

    def draw(self, k: int, *, seed: int) -> Profile:
        block, at = divmod(k, len(self.profiles))
        profile = self.profiles[int(self._order(seed, block)[at])]
        name = f"{profile.user_id}-{block}"
        return msgspec.structs.replace(profile, id=f"{profile.id}-{block}", user_id=name) if block else profile

    def simulator(self) -> AdaptedUser:
        return AdaptedUser(self)

    def save(self, folder: str | Path) -> None:
        """Write adapter (safetensors) and header; the base model stays where it is."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / HEADER).unlink(missing_ok=True)
        self.model.save_pretrained(str(folder), safe_serialization=True)
        header = Header(
            schema=SCHEMA, base=self.base, profiles=list(self.profiles), corpus_digest=self.corpus_digest,
            seed=self.seed, digest=hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest(),
        )  # fmt: skip
        (folder / HEADER).write_bytes(msgspec.json.format(msgspec.json.encode(header)))


class AdaptedUser:
    """The simulator: one model for all profiles."""

    def __init__(self, population: AdaptedPopulation) -> None:
        self._population, self.identity = population, population.identity

    def start(self, profile: Profile, *, seed: int) -> AdaptedSession:
        return AdaptedSession(self._population, profile, seed)


class AdaptedSession:
    """One user in one conversation; what it says depends on profile, seed and history alone."""

    def __init__(self, population: AdaptedPopulation, profile: Profile, seed: int) -> None:
        self._population, self._profile, self._seed = population, profile, seed

    async def reply(self, history: Sequence[Turn]) -> UserTurn:
        p = self._population
        rng = stream(self._seed, "turn", len(history))
        text, leaves = _line(p.model, p.tokenizer, prompt(self._profile, history), rng, may_leave=bool(history))
        return UserTurn(text, ending=Ending("user", "left") if leaves else None)


def _line(model: Any, tokenizer: Any, before: str, rng: np.random.Generator, *, may_leave: bool) -> tuple[str, bool]:
    """One line, drawn number by number; whether the text ended with it."""
    torch = require("torch", extra="train", purpose=PURPOSE)
    given = torch.tensor([tokenizer.encode(before, add_special_tokens=False)], device=model.device)
    said, past = list[int](), None
    cache = cache_argument(model.get_base_model())
    with torch.no_grad():
        while len(said) < _MOST_NUMBERS:
            out = model(input_ids=given, use_cache=True, **{cache: past})
            past = out.past_key_values
            logits = out.logits[0, -1].double().cpu().numpy()
            if not (may_leave or tokenizer.decode(said).strip()):
                logits[tokenizer.eos_token_id] = -np.inf
            number = _draw(logits, rng)
            text = tokenizer.decode([*said, number], skip_special_tokens=True)
            if number == tokenizer.eos_token_id:
                return _flat(tokenizer.decode(said)), may_leave
            if "\n" in text and text.split("\n")[0].strip():
                return _flat(text.split("\n")[0]), False
            if "\n" not in text:  # a turn says something before it ends
                said.append(number)
            given = torch.tensor([[said[-1] if said else number]], device=model.device)
    return _flat(tokenizer.decode(said)) or "...", False


def _draw(logits: np.ndarray, rng: np.random.Generator) -> int:
    share = np.exp(logits - logits.max())
    order = np.argsort(-share, kind="stable")
    total = np.cumsum(share[order]) / share.sum()
    kept = order[: int(np.searchsorted(total, _TOP_P)) + 1]
    spread = np.cumsum(share[kept])
    return int(kept[min(int(np.searchsorted(spread, rng.random() * spread[-1], side="right")), len(kept) - 1)])


def is_adapted(folder: Path) -> bool:
    """Whether a folder was written by `AdaptedPopulation.save`."""
    return (folder / HEADER).is_file()


def load_adapted(folder: str | Path) -> AdaptedPopulation:
    """The population that `save` wrote; its base model is opened from where it came. Safetensors only."""
    folder = Path(folder)
    peft = require("peft", extra="train", purpose=PURPOSE)
    try:
        header = msgspec.json.decode((folder / HEADER).read_bytes(), type=Header)
        if header.schema != SCHEMA or hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest() != header.digest:
            raise ValueError("its adapter is not that which its header was written with")
        if not header.profiles:
            raise ValueError("it has no profiles")
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise SimulatorError(
            f"{folder}: no users with an adapter ({error})",
            why="a folder of users is read whole or not at all",
            fix="train them again: understudy train REAL --real REAL --base hf:MODEL --out model/",
        ) from error
    model, tokenizer = open_base(header.base)
    adapted = peft.PeftModel.from_pretrained(model, str(folder)).eval()
    return AdaptedPopulation(
        adapted, tokenizer, header.profiles, base=header.base, corpus_digest=header.corpus_digest, seed=header.seed
    )


def open_base(base: str) -> tuple[Any, Any]:
    """A causal language model and its tokenizer, by name or path."""
    transformers = require("transformers", extra="train", purpose=PURPOSE)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(base)
        model = transformers.AutoModelForCausalLM.from_pretrained(base, use_safetensors=True)
    except (OSError, ValueError) as error:
        raise SimulatorError(
            f"{base}: no causal language model to be opened ({' '.join(str(error).split())[:200]})",
            why="the users are that model with an adapter",
            fix="give the name of a model of transformers with safetensors, or its folder",
        ) from error
    return model, tokenizer
