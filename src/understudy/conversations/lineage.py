"""Every hand in a conversation: who generated, rewrote, filtered and judged it, kept in its provenance."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from understudy.conversations.corpus import Corpus
from understudy.conversations.records import Conversation, Role

Action = Literal["generate", "rewrite", "filter", "judge"]
KEY = "lineage"


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One hand: what was done, by whom, on which side (None: on both).

    `by` is the identity of a model, program or population; `model` the language model behind it, where `by` wraps
    one; `families` the base models that it goes back to, where its name does not tell (`families_of`). `prompt` is a
    digest of what it was told, `sampler` how it was sampled.
    """

    action: Action
    by: str
    side: Role | None = None
    model: str = ""
    families: tuple[str, ...] = ()
    prompt: str = ""
    sampler: Mapping[str, Any] = msgspec.field(default_factory=dict)
    seed: int | None = None


class Speaker(msgspec.Struct, frozen=True):
    """What a simulator or partner tells of the model behind it, in its attribute `hand`."""

    model: str
    prompt: str = ""
    sampler: Mapping[str, Any] = msgspec.field(default_factory=dict)


def spoken_by(speaker: Any, side: Role, *, seed: int | None = None) -> dict[str, Any]:
    """The step of a simulator or partner, as plain data for the provenance.

    >>> class Shop:
    ...     identity = "assistant:openai:gpt-4o"
    ...     hand = Speaker("openai:gpt-4o", prompt="1f0c")
    >>> spoken_by(Shop(), "assistant", seed=3)["prompt"]
    '1f0c'
    """
    hand = getattr(speaker, "hand", None) or Speaker("")
    step = Step("generate", speaker.identity, side, hand.model, prompt=hand.prompt, sampler=hand.sampler, seed=seed)
    plain: dict[str, Any] = msgspec.to_builtins(step)
    return plain


def with_step(corpus: Iterable[Conversation], step: Step) -> list[Conversation]:
    """The conversations, each with one more hand in its provenance.

    >>> talk = with_step([Conversation("a", ())], Step("rewrite", "openai:gpt-4o"))[0]
    >>> talk.provenance
    {'lineage': [{'action': 'rewrite', 'by': 'openai:gpt-4o'}]}
    """
    plain = msgspec.to_builtins(step)

    def one(talk: Conversation) -> Conversation:
        told = dict(talk.provenance or {})
        before = [msgspec.to_builtins(known) for known in steps_of(talk)]
        return msgspec.structs.replace(talk, provenance={**told, KEY: [*before, plain]})

    return [one(talk) for talk in corpus]


def steps_of(talk: Conversation) -> tuple[Step, ...]:
    """The hands of a conversation, in order; none where it does not say.

    Besides `provenance["lineage"]`, a `model` or `generator` named in a foreign provenance is taken for a generator.

    >>> [step.by for step in steps_of(Conversation("a", (), provenance={"model": "openai:gpt-4o"}))]
    ['openai:gpt-4o']
    """
    told = talk.provenance or {}
    found = told.get(KEY)
    if isinstance(found, (list, tuple)):
        return tuple(step for row in found if (step := _step(row)) is not None)
    simulated = [("simulator", "user"), ("partner", "assistant"), ("identity", None), ("model", None)]
    named = [(told[key], side) for key, side in simulated if isinstance(told.get(key), str) and told[key]]
    if not named and isinstance(told.get("generator"), str):
        named = [(told["generator"], None)]
    seed = told.get("seed")
    return tuple(
        Step("generate", by, side, seed=seed if isinstance(seed, int) else None)  # type: ignore[arg-type]
        for by, side in named
    )


def simulated(talk: Conversation) -> bool:
    """Whether a conversation says that a simulator wrote it; one of people may have been redacted or filtered.

    >>> people = Conversation("a", ())
    >>> simulated(people), simulated(with_step([people], Step("filter", "a rule"))[0])
    (False, False)
    """
    told = talk.provenance
    handled = told is not None and set(told) == {KEY} and all(s.action != "generate" for s in steps_of(talk))
    return talk.profile is not None or (told is not None and not handled)


def _step(row: object) -> Step | None:
    try:
        return msgspec.convert(row, Step)
    except msgspec.ValidationError:  # A foreign list under the same name; it tells nothing that can be read.
        return None


def generators(corpus: Corpus) -> tuple[str, ...]:
    """Who wrote the conversations of `corpus`, each once."""
    return tuple(dict.fromkeys(s.model or s.by for talk in corpus for s in steps_of(talk) if s.action == "generate"))


# Names of published bases, and of models known to be trained on from them. The first column is the family.
_BASES = (
    ("gpt", r"gpt-?(?:3\.5|4|5)|chatgpt|davinci|(?<![a-z0-9])o[134](?:-mini|-preview|-pro)?(?![a-z0-9])"),
    ("gpt-oss", r"gpt-?oss"),
    ("gpt2", r"gpt-?2|distilgpt2"),
    ("claude", r"claude"),
    ("gemini", r"gemini"),
    ("gemma", r"gemma"),
    ("llama", r"llama|vicuna|alpaca|tulu|hermes|nemotron"),
    ("qwen", r"qwen|qwq"),
    ("mistral", r"mistral|mixtral|ministral|zephyr|magistral|codestral"),
    ("phi", r"(?<![a-z])phi-?\d"),
    ("deepseek", r"deepseek"),
    ("command", r"command-?[ra]|cohere|aya-"),
    ("olmo", r"olmo"),
    ("pythia", r"pythia"),
    ("smollm", r"smollm"),
    ("falcon", r"falcon"),
    ("glm", r"(?<![a-z])glm-?\d|chatglm"),
    ("kimi", r"kimi|moonshot"),
    ("grok", r"(?<![a-z])grok"),
    ("granite", r"granite"),
    ("yi", r"(?<![a-z])yi-\d"),
)  # fmt: skip
_SCHEME = re.compile(r"^(?:openai|hf|assistant|whole|turns|model):")
_PLACE = re.compile(r"@[^|]*")
_SIZE = re.compile(r"[-_.](?:\d+(?:\.\d+)?[bm]|instruct|chat|it|base|sft|dpo|v\d[\d.]*|\d+)(?=[-_.]|$)", re.I)
_FITTED = re.compile(r"(?:fitted|decoder|trained):(?:[a-z-]+:)?([0-9a-f]{8,})")


def families_of(identity: str) -> frozenset[str]:
    """The base models that a model of this name goes back to, as far as its name tells; several for a distillate.

    Cautious on purpose: a family is a name on the label, and covers every size and version. For users fitted to a
    corpus it is that corpus; for a name that is not known, the name without size and form.

    >>> sorted(families_of("hf:deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"))
    ['deepseek', 'qwen']
    >>> sorted(families_of("fitted:guarded:0f1e2d3c4b5a:0")), sorted(families_of("hf:acme/Rover-7B-Instruct"))
    (['fitted:0f1e2d3c4b5a'], ['rover'])
    >>> sorted(families_of("openai:gpt-4.1-nano@https://api.example.org/v1"))
    ['gpt']
    """
    name = _PLACE.sub("", identity.strip())
    fitted = _FITTED.findall(name)
    known = {family for family, pattern in _BASES if re.search(pattern, name, re.I)}
    if "gpt-oss" in known:
        known.discard("gpt")
    if known or fitted:
        return frozenset(known | {f"fitted:{digest}" for digest in fitted})
    while _SCHEME.match(name):
        name = _SCHEME.sub("", name)
    bare = _SIZE.sub("", name.rpartition("/")[2] or name).lower().strip(" :-_.")
    return frozenset({bare} if bare else ())


def families(step: Step) -> frozenset[str]:
    """The families of a hand: as it says, else by the name of its model, else by its own."""
    return frozenset(step.families) or families_of(step.model or step.by)
