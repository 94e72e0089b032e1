"""Supervised training of a language model's low-rank adapter on what users said. Any causal model of transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from understudy._require import require
from understudy.seeds import stream
from understudy.training.lessons import Lessons
from understudy.training.supervised import OnProgress
from understudy.users.adapted import PURPOSE, AdaptedPopulation, open_base, prompt


class Adaptation(msgspec.Struct, frozen=True):
    """How to adapt: rank and scale of the adapter, and how to learn. `longest`: numbers of a lesson that are read."""

    rank: int = 8
    scale: int = 16
    epochs: int = 2
    batch: int = 8
    rate: float = 2e-4
    longest: int = 512


def adapt(
    taught: Lessons, base: str, how: Adaptation, *, corpus_digest: str, seed: int, on_progress: OnProgress
) -> tuple[AdaptedPopulation, list[float]]:
    """Users that `base` (a name or folder of transformers) speaks for, and nats per number learned, an epoch each.

    Only what users said is learned; who they are, what was said before and the partner's turns are read.
    """
    torch = require("torch", extra="train", purpose=PURPOSE)
    model, tokenizer = _with_adapter(base, how, seed)
    rows = _rows(taught, tokenizer, how.longest)
    weights = [t for t in model.parameters() if t.requires_grad]
    optimiser = torch.optim.AdamW(weights, lr=how.rate, weight_decay=0.0)
    losses = []
    for epoch in range(how.epochs):
        order = stream(seed, "adapt", epoch).permutation(len(rows)).tolist()
        total = count = 0.0
        for start in range(0, len(order), how.batch):
            on_progress("adapting", epoch * len(order) + start, how.epochs * len(order))
            part = [rows[k] for k in order[start : start + how.batch]]
            loss, numbers = _loss(model, part)
            (loss / numbers).backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimiser.step()
            optimiser.zero_grad()
            total, count = total + float(loss.detach()), count + numbers
        losses.append(total / max(count, 1.0))
    users = AdaptedPopulation(
        model.eval(), tokenizer, taught.profiles, base=base, corpus_digest=corpus_digest, seed=seed
    )
    return users, losses


def _with_adapter(base: str, how: Adaptation, seed: int) -> tuple[Any, Any]:
    """The base model with a fresh adapter, which depends on `seed` alone."""
    torch = require("torch", extra="train", purpose=PURPOSE)
    peft = require("peft", extra="train", purpose=PURPOSE)
    model, tokenizer = open_base(base)
    config = peft.LoraConfig(
        r=how.rank, lora_alpha=how.scale, lora_dropout=0.0, task_type="CAUSAL_LM", target_modules="all-linear"
    )
    with torch.random.fork_rng(devices=[]):  # peft draws first weights from the global generator; ours replace them
        adapted = peft.get_peft_model(model, config)
    with torch.no_grad():
        for name, t in adapted.named_parameters():
            if "lora_A" in name:
                draws = stream(seed, "adapter", name).normal(0, 1 / np.sqrt(t.shape[1]), tuple(t.shape))
                t.copy_(torch.from_numpy(draws).to(t.dtype))
    return adapted, tokenizer


Row = tuple[list[int], int]  # numbers, and how many of them are only read


def _rows(taught: Lessons, tokenizer: Any, longest: int) -> list[Row]:
    """A row a user turn: the end of what stood before it, and the turn, up to and with its end."""
    rows: list[Row] = []
    for profile, turns in zip(taught.profiles, taught.turns, strict=True):
        for k, turn in enumerate(turns):
            if turn.role != "user":
                continue
            before = tokenizer.encode(prompt(profile, turns[:k]), add_special_tokens=False)
            said = " " + " ".join(turn.text.split())
            end = [tokenizer.eos_token_id] if k == len(turns) - 1 else tokenizer.encode("\n", add_special_tokens=False)
            chosen = [*tokenizer.encode(said, add_special_tokens=False), *end][: longest // 2]
            before = before[-(longest - len(chosen)) :]
            rows.append(([*before, *chosen], len(before)))
    return rows


def _loss(model: Any, rows: Sequence[Row]) -> tuple[Any, int]:
    """Nats of all numbers that users chose, and how many they are."""
    torch = require("torch", extra="train", purpose=PURPOSE)
    longest = max(len(numbers) for numbers, _ in rows)
    given = torch.zeros(len(rows), longest, dtype=torch.long)
    there = torch.zeros(len(rows), longest, dtype=torch.long)
    wanted = torch.full((len(rows), longest), -100)
    for k, (numbers, read) in enumerate(rows):
        given[k, : len(numbers)] = torch.tensor(numbers)
        there[k, : len(numbers)] = 1
        wanted[k, read : len(numbers)] = torch.tensor(numbers[read:])
    logits = model(input_ids=given.to(model.device), attention_mask=there.to(model.device)).logits[:, :-1]
    target = wanted[:, 1:].to(model.device)
    loss = torch.nn.functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]).float(), target.reshape(-1), ignore_index=-100, reduction="sum"
    )
    return loss, int((target >= 0).sum())
