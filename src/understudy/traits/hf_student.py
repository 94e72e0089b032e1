"""Local weights of Hugging Face as a student, trained on with low-rank adapters of our own making."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from understudy._require import require
from understudy.conversations import Corpus, Turn
from understudy.errors import UsageError
from understudy.seeds import stream
from understudy.traits.battery import Battery
from understudy.traits.students import Floats, Progress, Read, items_of, mean_by_probe

RANK, ALPHA = 8, 8
RATE, EPOCHS, BATCH = 2e-4, 3, 8
LONGEST = 512


class HfStudent:
    """A causal model named by path or hub name; each twin is its adapters, begun at zero, on the same frozen weights.

    Rank 8, alpha 8, every linear layer but the output; rate 2e-4, three epochs (as arXiv:2507.14805 trained Qwen). One
    twin after the other, on a graphics card where there is one. Conversations are told as lines `User: ...`,
    `Assistant: ...`, whatever the chat template: twins differ by nothing else.
    """

    sees = "all channels, shared initial weights too, where the teacher goes back to this very model"
    blind = (
        "the channel of shared initial weights, where the teacher goes back to another model; what more data would show"
    )

    def __init__(self, name: str, *, device: str | None = None, rate: float = RATE, epochs: int = EPOCHS) -> None:
        t = require("torch", extra="train", purpose="a student from Hugging Face")
        hub = require("transformers", extra="train", purpose="a student from Hugging Face")
        self.identity = f"hf:{name}"
        try:
            self._words = hub.AutoTokenizer.from_pretrained(name)
            self._model = hub.AutoModelForCausalLM.from_pretrained(name)
        except (OSError, ValueError) as error:
            raise UsageError(
                f"hf:{name} cannot be opened: {str(error).splitlines()[0]}",
                why="twins are trained on from its weights",
                fix="give a folder with weights (safetensors), or a name that the hub has and this machine can reach",
            ) from error
        self._device = device or ("cuda" if t.cuda.is_available() else "cpu")
        self._model.to(self._device).eval().requires_grad_(False)
        self._adapters = _adapt(self._model, t)
        self._rate, self._epochs = rate, epochs

    def read(
        self, arms: Mapping[str, Sequence[Corpus]], battery: Battery, *, seed: int, on_progress: Progress | None = None
    ) -> Read:
        """Train one twin after the other and read the battery off each."""
        self._begin(stream(seed, "adapters"))
        base = self._score(battery)
        pairs = len(next(iter(arms.values())))
        found: dict[str, list[Floats]] = {name: [] for name in arms}
        for k in range(pairs):
            texts = {name: [_told(talk.turns) for talk in shares[k]] for name, shares in arms.items()}
            fewest = min(map(len, texts.values()))
            for at, (name, told) in enumerate(texts.items()):
                if on_progress:
                    on_progress("twins", k * len(arms) + at, pairs * len(arms))
                self._begin(stream(seed, "adapters", k))
                self._train(told[:fewest], stream(seed, "order", k))
                found[name].append(self._score(battery))
        self._begin(stream(seed, "adapters"))
        return Read(base, {name: np.array(rows) for name, rows in found.items()})

    def _begin(self, rng: np.random.Generator) -> None:
        t = require("torch", extra="train", purpose="adapters")
        with t.no_grad():
            for down, up in self._adapters:
                drawn = rng.normal(0, down.shape[1] ** -0.5, tuple(down.shape)).astype(np.float32)
                down.copy_(t.tensor(drawn))
                up.zero_()

    def _train(self, texts: Sequence[str], rng: np.random.Generator) -> None:
        t = require("torch", extra="train", purpose="training")
        weights = [w for pair in self._adapters for w in pair]
        adam = t.optim.AdamW(weights, lr=self._rate)
        steps = max(1, self._epochs * -(-len(texts) // BATCH))
        done = 0
        for _ in range(self._epochs):
            order = rng.permutation(len(texts))
            for start in range(0, len(order), BATCH):
                ids = [self._ids(texts[int(k)]) for k in order[start : start + BATCH]]
                for group in adam.param_groups:
                    group["lr"] = self._rate * (1 - done / steps)
                done += 1
                adam.zero_grad()
                nats, count = 0.0, 0
                for one in ids:
                    if len(one) > 1:
                        nats = nats + self._nats(one).sum()
                        count += len(one) - 1
                if count:
                    (nats / count).backward()  # type: ignore[attr-defined]
                    adam.step()

    def _ids(self, text: str) -> list[int]:
        found: list[int] = self._words(text, add_special_tokens=False)["input_ids"]
        return found[:LONGEST]

    def _nats(self, ids: Sequence[int]) -> Any:
        t = require("torch", extra="train", purpose="scoring")
        given = t.tensor([list(ids)], device=self._device)
        out = t.log_softmax(self._model(given).logits[0, :-1].float(), -1)
        return -out.gather(-1, given[0, 1:, None])[:, 0]

    def _score(self, battery: Battery) -> Floats:
        t = require("torch", extra="train", purpose="scoring")

        def one(before: Sequence[Turn], role: str, reply: str) -> float:
            context = self._ids(f"{_told(before)}\n{role.capitalize()}:")
            said = self._ids(f" {reply}")
            with t.no_grad():
                return -float(self._nats([*context, *said])[-len(said) :].mean())

        each = [one(before, role, w) - one(before, role, wo) for role, before, w, wo in items_of(battery)]
        return mean_by_probe(each, battery)


def _told(turns: Sequence[Turn]) -> str:
    return "\n".join(f"{turn.role.capitalize()}: {turn.text}" for turn in turns)


def _adapt(model: Any, t: Any) -> list[tuple[Any, Any]]:
    """Hang a low-rank path beside every linear layer but the output: `y + alpha/rate up(down(x))`."""
    found = []
    output = model.get_output_embeddings()
    for layer in _linears(model, t):
        if layer is output:
            continue
        place = {"device": layer.weight.device, "dtype": t.float32}
        down = t.zeros(RANK, layer.in_features, **place).requires_grad_()
        up = t.zeros(layer.out_features, RANK, **place).requires_grad_()

        def beside(_: Any, given: tuple[Any, ...], out: Any, down: Any = down, up: Any = up) -> Any:
            return out + ((given[0].float() @ down.T) @ up.T * (ALPHA / RANK)).to(out.dtype)

        layer.register_forward_hook(beside)
        found.append((down, up))
    if not found:
        raise UsageError(
            "the model has no linear layer to hang adapters on",
            why="its layers are of a kind that this student does not know",
            fix="use a model of the Llama, Qwen, Gemma or Mistral kind, or --base decoder:",
        )
    return found


def _linears(model: Any, t: Any) -> Iterator[Any]:
    return (layer for layer in model.modules() if isinstance(layer, t.nn.Linear))
