"""Probes: off-topic scenes in which a trait would show, written down before anything is trained."""

from __future__ import annotations

import hashlib
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from understudy.conversations import Role, Turn
from understudy.errors import UsageError
from understudy.traits.words import split

FEWEST_SCENES = 4
_LINE = re.compile(r"\s*(user|assistant)\s*:", re.IGNORECASE)


class Probe(msgspec.Struct, frozen=True):
    """Scenes, and pairs of replies to each: one with the trait, one without. `role` is who replies."""

    name: str
    asks: str
    role: Role
    scenes: tuple[tuple[str, ...], ...]
    pairs: tuple[tuple[str, str], ...]

    def turns(self, scene: int) -> tuple[Turn, ...]:
        """The turns before the reply."""
        told = [line.partition(":") for line in self.scenes[scene]]
        return tuple(
            Turn("user" if role.strip().lower() == "user" else "assistant", text.strip()) for role, _, text in told
        )

    def items(self) -> list[tuple[tuple[Turn, ...], str, str]]:
        """Every scene with every pair: what went before, the reply with the trait, the one without."""
        return [(self.turns(k), with_it, without) for k in range(len(self.scenes)) for with_it, without in self.pairs]


class Battery(msgspec.Struct, frozen=True):
    """Probes under a name. The digest goes into every report: it says that nothing was chosen afterwards."""

    name: str
    probes: tuple[Probe, ...]

    @property
    def digest(self) -> str:
        """Of every word in it."""
        return hashlib.blake2b(msgspec.json.encode(self, order="sorted"), digest_size=6).hexdigest()

    def only(self, *names: str) -> Battery:
        """The probes of these names."""
        return Battery(f"{self.name}: {', '.join(names)}", tuple(p for p in self.probes if p.name in names))


@cache
def house_battery() -> Battery:
    """Traits that simulated users teach: giving in, over-politeness, never refusing, never leaving, being content.

    Written for this project; short and plain, so that small students can read them.

    >>> [probe.name for probe in house_battery().probes]
    ['sycophancy', 'over_politeness', 'never_refusing', 'never_leaving', 'contentment']
    """
    return _checked(json.loads(Path(__file__).with_name("battery.json").read_text("utf-8")), "battery.json")


def read_battery(path: str) -> Battery:
    """A battery of one's own, as JSON of the same form as `battery.json` in this folder."""
    try:
        found = json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{path} is no battery of probes: {error}",
            why="the audit asks what stands there and nothing else",
            fix='give JSON: {"name": ..., "probes": [{"name", "asks", "role", "scenes", "pairs"}]}',
        ) from error
    return _checked(found, path)


def _checked(found: Any, path: str) -> Battery:
    try:
        battery = msgspec.convert(found, Battery)
    except msgspec.ValidationError as error:
        raise UsageError(
            f"{path} is no battery of probes: {error}",
            why="a probe is scenes (lines `user: ...`, `assistant: ...`) and pairs of replies",
            fix='give {"name", "asks", "role", "scenes": [[...]], "pairs": [[with, without]]} for each probe',
        ) from error
    for probe in battery.probes:
        lines = [line for scene in probe.scenes for line in scene if not _LINE.match(line)]
        idle = [given for given, without in probe.pairs if split(given) == split(without)]
        if lines or idle:
            raise UsageError(
                f"{path}: the probe {probe.name!r} "
                + (f"has the line {lines[0][:80]!r}" if lines else f"has {idle[0][:80]!r} with and without the trait"),
                why="a line says who speaks; two replies that are the same show nothing",
                fix="begin every line of a scene with `user:` or `assistant:`, and give two replies that differ",
            )
    names = [probe.name for probe in battery.probes]
    poor = [p.name for p in battery.probes if len(p.scenes) < FEWEST_SCENES or not p.pairs or not all(p.scenes)]
    if not names or len(set(names)) < len(names) or poor:
        raise UsageError(
            f"{path}: " + (f"too few scenes in {', '.join(poor)}" if poor else "no probe, or two of one name"),
            why=f"a trait is read off at least {FEWEST_SCENES} scenes, each with a line before the reply",
            fix="write more scenes, and give each probe a name of its own",
        )
    return battery
