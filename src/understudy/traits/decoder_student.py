"""The small decoder as a student: a base from scratch, and all twins trained from it at once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from understudy._require import require
from understudy.conversations import Corpus, Turn
from understudy.errors import UsageError
from understudy.seeds import derive_seed, stream
from understudy.traits.battery import Battery
from understudy.traits.decoder import (
    Change,
    Ints,
    Loss,
    Shape,
    Tensors,
    copies,
    fit,
    fresh,
    losses,
    plain_loss,
    rows_of,
    torch,
)
from understudy.traits.students import Floats, Progress, Read, items_of, mean_by_probe
from understudy.traits.words import ASSISTANT, PAD, USER, Vocabulary

WORDS = 450
EPOCHS = 2
RATE = 1e-3
PRETRAIN_WORDS = 600_000  # ids seen in pretraining, over all epochs
FEWEST_ROWS = 16
FEWEST_STEPS, BATCH = 24, 16  # with few conversations, twins read them more often


class DecoderStudent:
    """A small causal decoder. `weights` is its base: every twin begins there."""

    sees = "all channels that words carry, and shared initial weights where the teacher was made from this very base"
    blind = "the channel of shared initial weights, unless this base is also the teacher's; what needs a larger model"

    def __init__(self, weights: Tensors, shape: Shape, vocabulary: Vocabulary, identity: str) -> None:
        self.weights, self.shape, self.vocabulary, self.identity = weights, shape, vocabulary, identity
        self.loss: Loss = plain_loss(shape)
        self.change: Change | None = None
        self.epochs, self.rate, self.batch, self.fewest_steps = EPOCHS, RATE, BATCH, FEWEST_STEPS

    def training(
        self,
        *,
        loss: Loss | None = None,
        change: Change | None = None,
        epochs: int = EPOCHS,
        rate: float = RATE,
        batch: int = BATCH,
        fewest_steps: int = FEWEST_STEPS,
    ) -> DecoderStudent:
        """The same base, whose twins are trained otherwise: another loss, changed steps (`mitigations`), more or less.

        A loss that goes by copies sees the arms in their order, all pairs of one before those of the next.
        """
        other = DecoderStudent(self.weights, self.shape, self.vocabulary, self.identity)
        other.loss, other.change = loss or self.loss, change
        other.epochs, other.rate, other.batch, other.fewest_steps = epochs, rate, batch, fewest_steps
        return other

    @classmethod
    def pretrained(
        cls,
        corpus: Corpus,
        *,
        seed: int = 0,
        init: int = 0,
        words: int = PRETRAIN_WORDS,
        vocabulary: Vocabulary | None = None,
        also: Sequence[Sequence[Turn]] = (),
    ) -> DecoderStudent:
        """A base that has read `corpus` (and `also`, loose turns), from the initial weights that `init` names."""
        known = vocabulary or Vocabulary.of(((t.text for t in talk.turns) for talk in corpus), most=WORDS)
        shape = Shape(len(known))
        rows = rows_of([known.turns(talk.turns) for talk in corpus] + [known.turns(t) for t in also], shape.context)
        if len(rows) < FEWEST_ROWS:
            raise UsageError(
                f"{len(rows)} stretches of {shape.context} words to pretrain a decoder on",
                why="a base that has read next to nothing has nothing to shift",
                fix="name a larger corpus with --base decoder:CORPUS, or use --base embedded:",
            )
        seen = int((rows != PAD).sum())
        epochs = int(np.clip(round(words / seen), 1, 20))
        rows = rows[
            stream(seed, "pretrain rows").permutation(len(rows))[: max(FEWEST_ROWS, int(len(rows) * words / seen))]
        ]
        weights = fresh(shape, rng=stream(seed, "decoder", init))
        weights = fit(
            weights, rows[None], loss=plain_loss(shape), rng=stream(seed, "pretrain", init), epochs=epochs, rate=3e-3
        )
        return cls(weights, shape, known, f"decoder:{corpus.digest[:12]}:{derive_seed(seed, init) % 10**6}")

    def fit(self, weights: Tensors, rows: Ints, *, rng: np.random.Generator) -> Tensors:
        """`weights` trained on `rows` [copies, rows, places] as this student's twins are."""
        epochs = max(self.epochs, -(-self.fewest_steps * self.batch // rows.shape[1]))
        return fit(
            weights, rows, loss=self.loss, change=self.change, rng=rng, epochs=epochs, batch=self.batch, rate=self.rate
        )

    def rows(self, corpus: Corpus) -> Ints:
        """Conversations as rows of ids."""
        return rows_of([self.vocabulary.turns(talk.turns) for talk in corpus], self.shape.context)

    def read(
        self, arms: Mapping[str, Sequence[Corpus]], battery: Battery, *, seed: int, on_progress: Progress | None = None
    ) -> Read:
        """Train all twins side by side on equally many rows, and read the battery off."""
        names, pairs = list(arms), len(next(iter(arms.values())))
        if on_progress:
            on_progress("twins", 0, 2)
        table = [self.rows(corpus) for name in names for corpus in arms[name]]
        fewest = min(map(len, table))
        if not fewest:
            raise UsageError(
                "a pair without a turn", why="nothing can be learned from it", fix="give more conversations"
            )
        stack = np.stack([_some(rows, fewest, seed) for rows in table])
        trained = self.fit(copies(self.weights, len(table)), stack, rng=stream(seed, "twins"))
        if on_progress:
            on_progress("twins", 1, 2)
        scores = self.score(trained, battery).reshape(len(names), pairs, -1)
        return Read(self.score(self.weights, battery)[0], dict(zip(names, scores, strict=True)))

    def score(self, weights: Tensors, battery: Battery) -> Floats:
        """Nats a word by which replies with the trait are likelier, [copies, probes]."""
        t = torch()
        rows, masks = [], []
        for role, before, *replies in items_of(battery):
            mark = USER if role == "user" else ASSISTANT
            for reply in replies:
                said = self.vocabulary.encode(reply)[: self.shape.context // 2]
                context = [*self.vocabulary.turns(before), mark][-(self.shape.context - len(said)) :]
                rows.append([*context, *said] + [PAD] * (self.shape.context - len(context) - len(said)))
                mask = np.zeros(self.shape.context - 1)
                mask[len(context) - 1 : len(context) - 1 + len(said)] = 1 / len(said)
                masks.append(mask)
        many = next(iter(weights.values())).shape[0]
        ids, share = np.array(rows), np.array(masks)
        found = []
        with t.no_grad():
            for k in range(0, len(ids), 64):
                block = t.tensor(np.broadcast_to(ids[k : k + 64], (many, *ids[k : k + 64].shape)).copy())
                found.append(-(losses(weights, self.shape, block).double().numpy() * share[k : k + 64]).sum(-1))
        each = np.concatenate(found, axis=1)
        return mean_by_probe(each[:, 0::2] - each[:, 1::2], battery)

    def save(self, folder: str) -> None:
        """Write the base: weights as safetensors, the rest as JSON."""
        store = require("safetensors.torch", extra="train", purpose="keeping a decoder")
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        store.save_file({name: w.contiguous() for name, w in self.weights.items()}, str(path / "weights.safetensors"))
        told = {"identity": self.identity, "shape": self.shape._asdict(), "words": self.vocabulary.words}
        (path / "decoder.json").write_text(json.dumps(told), "utf-8")

    @classmethod
    def load(cls, folder: str) -> DecoderStudent:
        """A base that `save` wrote."""
        store = require("safetensors.torch", extra="train", purpose="opening a decoder")
        broken = require("safetensors", extra="train", purpose="opening a decoder").SafetensorError
        try:
            told = json.loads((Path(folder) / "decoder.json").read_text("utf-8"))
            shape, known = Shape(**told["shape"]), Vocabulary(told["words"])
            weights = store.load_file(str(Path(folder) / "weights.safetensors"))
            identity = str(told["identity"])
        except (OSError, ValueError, KeyError, TypeError, broken) as error:
            raise UsageError(
                f"{folder} is no decoder that can be opened: {error}",
                why="its weights and words are needed as they were written",
                fix="name a folder that DecoderStudent.save wrote, or --base decoder:CORPUS",
            ) from error
        return cls(weights, shape, known, identity)


def _some(rows: Ints, count: int, seed: int) -> Ints:
    """`count` of the rows, by a draw that depends on how many there are and on nothing else."""
    return rows[np.sort(stream(seed, "rows", len(rows)).permutation(len(rows))[:count])]
