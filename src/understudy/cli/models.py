"""The language models of a run: their options, keys, prices and the one budget that they share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from understudy.errors import UsageError

if TYPE_CHECKING:
    from understudy.models.budget import Budget, Price
    from understudy.models.opening import OpenModel
    from understudy.rollouts.partner import Partner
    from understudy.users.opening import SimulatedUsers

PriceIn = Annotated[
    float | None, typer.Option("--price-in", min=0, metavar="USD", help="Price of a million tokens read.")
]
PriceOut = Annotated[
    float | None, typer.Option("--price-out", min=0, metavar="USD", help="Price of a million tokens written.")
]
PartnerPriceIn = Annotated[
    float | None,
    typer.Option("--partner-price-in", min=0, metavar="USD", help="The same, where the partner's model is another."),
]
PartnerPriceOut = Annotated[
    float | None, typer.Option("--partner-price-out", min=0, metavar="USD", help="The same, of tokens written.")
]
PartnerPrompt = Annotated[
    str | None,
    typer.Option("--partner-prompt", metavar="FILE", help="What a partner that is a model is told, word for word."),
]
MaxUsd = Annotated[
    float | None,
    typer.Option("--max-usd", min=0, metavar="USD", help="Stop before the run, resumed ones included, passes this."),
]
MaxTokens = Annotated[int | None, typer.Option("--max-tokens", min=1, metavar="N", help="Most tokens of the run.")]
MaxCalls = Annotated[int | None, typer.Option("--max-calls", min=1, metavar="N", help="Most calls of the run.")]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="With --resume: try again what broke, from where it broke.")
]
_SCHEMES = ("openai:", "hf:", "scripted:")


class Limits(NamedTuple):
    """What the models of a run may use together."""

    usd: float | None = None
    tokens: int | None = None
    calls: int | None = None

    def check(self) -> None:
        """Refuse what is no amount."""
        if self.usd is not None:
            _finite("--max-usd", self.usd)

    @property
    def any(self) -> bool:
        """Whether there is a limit."""
        return any(limit is not None for limit in self)


class Models:
    """Opens models by URI: the key from the environment, under one budget, each URI once."""

    def __init__(self, *, concurrency: int, seed: int, limits: Limits = Limits()) -> None:  # noqa: B008 - immutable
        from understudy.models.budget import Budget

        limits.check()
        self.budget: Budget = Budget(max_usd=limits.usd, max_tokens=limits.tokens, max_calls=limits.calls)
        self.opened: dict[str, OpenModel] = {}
        self.prices: dict[str, Price] = {}
        self._concurrency, self._seed = concurrency, seed

    def __call__(self, uri: str) -> OpenModel:
        """The model under its policies; the same one for the same URI."""
        from understudy.models.opening import open_model

        if uri not in self.opened:
            key = os.environ.get("OPENAI_API_KEY")
            if uri.startswith("openai:") and "@http" not in uri and not key and not os.environ.get("OPENAI_BASE_URL"):
                raise UsageError(
                    f"{uri}: no API key",
                    why="without a URL this model is OpenAI's own, which answers nobody without a key",
                    fix="set OPENAI_API_KEY, or name your endpoint: openai:MODEL@URL, or OPENAI_BASE_URL",
                )
            self.opened[uri] = open_model(
                uri,
                api_key=key,
                base_url=os.environ.get("OPENAI_BASE_URL"),
                concurrency=self._concurrency,
                budget=self.budget,
                price=self.prices.get(uri),
                seed=self._seed,
            )
        return self.opened[uri]

    def price(self, uri: str | None, read: float | None, written: float | None) -> None:
        """Note what the model `uri` costs, where both prices are given and nothing was noted before."""
        from understudy.models.budget import Price

        for amount in (read, written):
            _finite("a price", amount or 0.0)
        if uri is not None and read is not None and written is not None:
            self.prices.setdefault(uri, Price(read, written))

    @property
    def known_price(self) -> bool:
        """Whether what was spent can be said in money."""
        return all(uri in self.prices or not uri.startswith("openai:") for uri in self.opened)

    @property
    def spent(self) -> dict[str, Any] | None:
        """What was used, None where no model was."""
        if not self.opened:
            return None
        spent = self.budget.spent
        usd = round(spent.usd, 6) if self.known_price else "unknown"
        return {"calls": spent.calls, "tokens": spent.tokens, "usd": usd}

    def status(self) -> list[str]:
        """Retries, throttling and spend of now, for a progress line."""
        parts = []
        for model in self.opened.values():
            status = model.status()
            parts += [f"{status.retrying:,} retrying"] if status.retrying else []
            if status.throttle is not None and status.throttle.waiting:
                parts.append(f"{status.throttle.limit} at a time: {status.throttle.reason}")
        if self.opened:
            spent = self.budget.spent
            parts.append(f"${spent.usd:.4f}" if self.known_price else f"{spent.tokens:,} tokens, cost unknown")
        return parts


def _finite(what: str, amount: float) -> None:
    if not 0 <= amount < 1e9:
        raise UsageError(
            f"{what} of {amount} US dollars",
            why="nobody can hold a run to it",
            fix="give a number from 0 to below 1e9, or leave it out",
        )


def base_of(partner: str) -> str:
    """A partner without its arms."""
    from understudy.rollouts.partners import split_arms

    return split_arms(partner)[0]


def is_model(partner: str) -> bool:
    """Whether a partner is a language model."""
    return partner.startswith(_SCHEMES)


def open_people(users: str, *, seed: int, model: str | None, models: Models) -> SimulatedUsers:
    """USERS as the command line names them, `prompted:PLAN.toml` among them, for which `model` speaks."""
    from understudy.users.opening import believing, split_belief

    name, belief = split_belief(users)
    people = _people(name, seed=seed, model=model, models=models)
    return people if belief is None else believing(people, belief)


def _people(users: str, *, seed: int, model: str | None, models: Models) -> SimulatedUsers:
    from understudy.users.opening import open_users

    scheme, _, plan = users.partition(":")
    if scheme == "prompted":
        from understudy.scenarios.people import open_planned

        if not plan:
            raise UsageError("prompted: without a plan", why="it says who the users are", fix="give prompted:PLAN.toml")
        if model is None:
            raise UsageError(
                f"{users}: no language model",
                why="it speaks for the users, turn by turn",
                fix="name it with --model openai:MODEL[@URL], hf:NAME or scripted:FILE",
            )
        return open_planned(plan, models=models, model=model, seed=seed)
    if model is not None:
        raise UsageError(
            f"--model {model} with {users}",
            why="these users speak for themselves",
            fix="leave --model out, or give prompted:PLAN.toml; a partner's model goes behind --partner",
        )
    return open_users(users)


def open_sides(
    users: str, partner: str, *, seed: int, model: str | None, prompt: str | None, models: Models
) -> tuple[SimulatedUsers, Partner]:
    """USERS and PARTNER as the command line names them, `prompted:PLAN.toml` and models among them."""
    from understudy.rollouts.partners import open_partner

    people = open_people(users, seed=seed, model=model, models=models)
    if prompt is not None and not is_model(partner):
        raise UsageError(
            f"--partner-prompt with --partner {partner}",
            why="only a language model is told anything",
            fix="leave it out, or give --partner openai:MODEL[@URL]",
        )
    return people, open_partner(partner, seed=0, models=models, system=None if prompt is None else read_prompt(prompt))


def read_prompt(path: str) -> str:
    """The text of a prompt file."""
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or error}",
            why="it says what the partner is told",
            fix="name a text file in UTF-8",
        ) from error


def open_by_name(
    users: str,
    partner: str,
    *,
    seed: int,
    model: str | None = None,
    prompt: str | None = None,
    concurrency: int = 16,
) -> tuple[SimulatedUsers, Partner]:
    """The same in a process that has nothing but the names: a worker on another machine. It has no budget."""
    models = Models(concurrency=concurrency, seed=seed)
    return open_sides(users, partner, seed=seed, model=model, prompt=prompt, models=models)
