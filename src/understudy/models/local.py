"""`hf:NAME_OR_PATH`: weights on this machine, through transformers; calls that come together run as one batch."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from understudy._require import require
from understudy.errors import UsageError
from understudy.models.answers import broken
from understudy.models.model import (
    NOTHING_USED,
    Completion,
    Message,
    Request,
    TerminalFault,
    TruncatedFault,
    Usage,
)
from understudy.seeds import derive_seed

MOST_TOKENS = 512
BATCH = 16
_GATHER_S = 0.005
_PURPOSE = "a model on this machine (hf:)"


class _Call(NamedTuple):
    request: Request
    answer: asyncio.Future[Completion]


class _Settings(NamedTuple):
    """What calls must share to be generated together."""

    temperature: float
    top_p: float
    max_tokens: int
    stop: tuple[str, ...]


class LocalModel:
    """A causal language model with its own chat template; safetensors only, no code from its folder is run.

    Greedy where `temperature` is 0 (the default here), else sampled, each call from its own stream, derived from
    its seed and messages. Calls with equal settings run in one batch. Padding moves logits in their last digits,
    so that a near-tie may fall otherwise in another batch; `batch=1` excludes that. A request with a
    `response_schema` is refused, as nothing here enforces one. `score` gives log-probabilities.
    """

    structured = False

    def __init__(self, name: str, *, device: str | None = None, batch: int = BATCH, seed: int = 0) -> None:
        torch = require("torch", extra="hf", purpose=_PURPOSE)
        transformers = require("transformers", extra="hf", purpose=_PURPOSE)
        self._torch = torch
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(name, padding_side="left")
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        if not self._tokenizer.chat_template:
            raise UsageError(
                f"hf:{name} has no chat template",
                why="it is a base model: nobody told it what a conversation looks like",
                fix="use the model's instruct or chat version",
            )
        loaded = transformers.AutoModelForCausalLM.from_pretrained(name, use_safetensors=True)
        self._weights = loaded.to(self._device).eval()
        self.identity = f"hf:{name}"
        self._batch = batch
        self._seed = seed
        self._calls: list[_Call] = []
        self._running: asyncio.Task[None] | None = None
        self._longest: int | None = getattr(loaded.config, "max_position_embeddings", None)
        self._thread: ThreadPoolExecutor | None = None

    async def complete(self, request: Request) -> Completion:
        """The model's answer up to its end token; one that stops at `max_tokens` is a `TruncatedFault`."""
        if request.response_schema is not None:
            raise TerminalFault(
                "unsupported_schema",
                f"{self.identity} cannot keep to a response_schema",
                why="nothing here constrains what is generated",
                fix="ask without response_schema, or serve the model (vLLM, llama.cpp) and use openai:",
                usage=NOTHING_USED,
            )
        answer: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self._calls.append(_Call(request, answer))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(_GATHER_S)  # Calls of one round arrive within this.
        while self._calls:
            first = _settings(self._calls[0].request)
            chosen: list[_Call] = []
            later: list[_Call] = []
            for call in self._calls:
                fits = len(chosen) < self._batch and _settings(call.request) == first
                (chosen if fits else later).append(call)
            self._calls = later
            requests = [call.request for call in chosen]
            try:
                results = await loop.run_in_executor(self._worker(), self._generate, requests, first)
            except Exception as error:  # noqa: BLE001 - handed to every call of the batch
                results = [error] * len(chosen)
            for call, result in zip(chosen, results, strict=True):
                if call.answer.done():
                    continue
                if isinstance(result, Exception):
                    call.answer.set_exception(result)
                else:
                    call.answer.set_result(result)

    def _worker(self) -> ThreadPoolExecutor:
        """One thread: weights and tokenizer serve one caller at a time. A model that was closed starts another."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="understudy-local")
        return self._thread

    def _ids(self, messages: Sequence[Message]) -> list[int]:
        plain = [{"role": m.role, "content": m.content} for m in messages]
        try:
            text = self._tokenizer.apply_chat_template(plain, tokenize=False, add_generation_prompt=True)
        except Exception as error:  # the template is code that came with the model
            raise TerminalFault(
                "chat_template",
                f"the chat template of {self.identity} refuses the conversation: {error}",
                why="some templates want no system message, or the user to speak first",
                fix="use another model, or serve this one with a template of your own and use openai:",
                usage=NOTHING_USED,
            ) from error
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _generate(self, requests: Sequence[Request], settings: _Settings) -> list[Completion | Exception]:
        read = [self._read(request, settings) for request in requests]
        able = [request for request, ids in zip(requests, read, strict=True) if isinstance(ids, list)]
        said = iter(self._say(able, [ids for ids in read if isinstance(ids, list)], settings) if able else ())
        return [ids if isinstance(ids, Exception) else next(said) for ids in read]

    def _read(self, request: Request, settings: _Settings) -> list[int] | TerminalFault:
        """The prompt in tokens, or why this one request cannot be answered: the others of its batch still can."""
        try:
            ids = self._ids(request.messages)
        except TerminalFault as fault:
            return fault
        if self._longest is None or len(ids) + settings.max_tokens <= self._longest:
            return ids
        return TerminalFault(
            "context_length",
            f"{len(ids):,} tokens and an answer of {settings.max_tokens:,} exceed the {self._longest:,} of the model",
            why="history, prompt and answer together have to fit",
            fix="shorten the dialogue, lower max_tokens, or choose a model with a longer context",
            usage=NOTHING_USED,
        )

    def _say(
        self, requests: Sequence[Request], prompts: Sequence[list[int]], settings: _Settings
    ) -> list[Completion | Exception]:
        torch = self._torch
        longest = max(len(ids) for ids in prompts)
        pad = self._tokenizer.pad_token_id
        rows = torch.tensor([[pad] * (longest - len(ids)) + ids for ids in prompts], device=self._device)
        mask = torch.tensor([[0] * (longest - len(ids)) + [1] * len(ids) for ids in prompts], device=self._device)
        generators = [self._generator(request) for request in requests]
        out = self._decode(rows, mask, settings, generators)
        return [self._answer(ids, len(prompt), settings) for ids, prompt in zip(out, prompts, strict=True)]

    def _generator(self, request: Request) -> Any:
        seed = derive_seed(self._seed, request.seed, request.replicate, *(m.content for m in request.messages))
        return self._torch.Generator(device=self._device).manual_seed(seed)

    def _decode(self, rows: Any, mask: Any, settings: _Settings, generators: list[Any]) -> list[list[int]]:
        """Token by token, with the key-value cache: `generate` would draw from the global generator."""
        torch = self._torch
        ends = self._end_ids()
        written: list[list[int]] = [[] for _ in range(len(rows))]
        open_rows = set(range(len(rows)))
        cache, past = cache_argument(self._weights), None
        step = rows
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        with torch.inference_mode():
            for _ in range(settings.max_tokens):
                result = self._weights(
                    input_ids=step,
                    attention_mask=mask,
                    position_ids=positions,
                    use_cache=True,
                    **{cache: past},
                )
                past = result.past_key_values
                chosen = _choose(torch, result.logits[:, -1].float(), settings, generators)
                for i in list(open_rows):
                    token = int(chosen[i])
                    written[i].append(token)
                    if token in ends or self._stopped(written[i], settings.stop):
                        open_rows.discard(i)
                if not open_rows:
                    break
                step = chosen.unsqueeze(-1)
                mask = torch.cat([mask, mask.new_ones((len(mask), 1))], -1)
                positions = positions[:, -1:] + 1
        return written

    def _end_ids(self) -> set[int]:
        ends = self._weights.generation_config.eos_token_id
        found = set(ends) if isinstance(ends, list) else {ends}
        return {e for e in found | {self._tokenizer.eos_token_id} if e is not None}

    def _stopped(self, written: list[int], stop: tuple[str, ...]) -> bool:
        return bool(stop) and any(s in self._tokenizer.decode(written, skip_special_tokens=True) for s in stop)

    def _answer(self, written: list[int], read: int, settings: _Settings) -> Completion | Exception:
        usage = Usage(read, len(written))
        text: str = self._tokenizer.decode(written, skip_special_tokens=True)
        ended = bool(written) and written[-1] in self._end_ids()
        cut = min((text.find(s) for s in settings.stop if s in text), default=-1)
        if cut >= 0:
            text, ended = text[:cut], True
        if not ended:
            return TruncatedFault(
                "length",
                f"the answer was cut off after {len(written)} tokens",
                why="half a sentence is no turn",
                fix="raise max_tokens",
                usage=usage,
            )
        if not text.strip():
            return broken("empty", "the answer is empty", usage=usage)
        return Completion(text, self.identity, usage=usage)

    async def score(self, messages: Sequence[Message], answer: str) -> tuple[float, ...]:
        """The natural log-probability of each token of `answer` (and of the end token, where there is one)."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._worker(), self._score, messages, answer)

    def _score(self, messages: Sequence[Message], answer: str) -> tuple[float, ...]:
        torch = self._torch
        prompt = self._ids(messages)
        target: list[int] = self._tokenizer(answer, add_special_tokens=False)["input_ids"]
        if self._tokenizer.eos_token_id is not None:
            target = [*target, self._tokenizer.eos_token_id]
        with torch.inference_mode():
            logits = self._weights(torch.tensor([prompt + target], device=self._device)).logits[0].float()
        log_p = torch.log_softmax(logits[len(prompt) - 1 : -1], -1)
        return tuple(float(log_p[i, token]) for i, token in enumerate(target))

    async def aclose(self) -> None:
        """Stop the thread that generates; the weights stay."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.shutdown(wait=False, cancel_futures=True)


def cache_argument(model: Any) -> str:
    """What the forward pass of `model` calls its key-value cache, by version of transformers."""
    return "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"


def _settings(request: Request) -> _Settings:
    length = request.max_tokens or MOST_TOKENS
    return _Settings(request.temperature or 0.0, request.top_p or 1.0, length, request.stop)


def _choose(torch: Any, logits: Any, settings: _Settings, generators: list[Any]) -> Any:
    """The next token of every row: the likeliest, or one drawn from the nucleus of mass `top_p`."""
    if settings.temperature <= 0:
        return logits.argmax(-1)
    p = torch.softmax(logits / settings.temperature, -1)
    if settings.top_p < 1.0:
        ranked, order = p.sort(-1, descending=True)
        ranked[ranked.cumsum(-1) - ranked >= settings.top_p] = 0.0
        p = torch.zeros_like(p).scatter(-1, order, ranked)
    drawn = [torch.multinomial(row, 1, generator=generator) for row, generator in zip(p, generators, strict=True)]
    return torch.cat(drawn)
