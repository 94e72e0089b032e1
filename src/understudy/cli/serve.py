"""`understudy serve`: simulated users behind an OpenAI-compatible API."""

from __future__ import annotations

from typing import Annotated

import typer

from understudy._require import require
from understudy.cli import models as using
from understudy.cli import options
from understudy.cli.models import Limits, Models
from understudy.cli.output import Output
from understudy.cli.simulate import Belief, Model, Users
from understudy.errors import UsageError

Host = Annotated[
    str, typer.Option("--host", metavar="ADDRESS", help="Where to listen; beyond this machine only with a token.")
]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, metavar="N", help="The port; 0 takes any free one.")]
Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="UNDERSTUDY_TOKEN",
        metavar="TOKEN",
        show_envvar=True,
        help="Ask for it as the bearer token (an OpenAI client's api_key). The variable keeps it out of `ps`.",
    ),
]
AllowHost = Annotated[
    list[str] | None,
    typer.Option("--allow-host", metavar="NAME", help="Another name by which clients reach the server; repeatable."),
]
StopToken = Annotated[
    str,
    typer.Option("--stop-token", metavar="TEXT", help="Said after a user's last words, for clients that wait for it."),
]
MaxConcurrency = Annotated[
    int, typer.Option("--max-concurrency", min=1, metavar="N", help="Requests at a time; above, the answer is 429.")
]


def serve(
    users: Users,
    host: Host = "127.0.0.1",
    port: Port = 8033,
    token: Token = None,
    allow_host: AllowHost = None,
    stop_token: StopToken = "",
    max_concurrency: MaxConcurrency = 256,
    model: Model = None,
    partner_belief: Belief = None,
    price_in: using.PriceIn = None,
    price_out: using.PriceOut = None,
    max_usd: using.MaxUsd = None,
    max_tokens: using.MaxTokens = None,
    max_calls: using.MaxCalls = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Serve simulated users as chat completions.

    Any OpenAI client can talk to them: its `user` messages are what your system says, and the simulated user answers
    as `assistant`. Model `users` is the population, `users/7` one of it. Needs the extra `web`.

    \b
    understudy serve users/
    understudy serve users/ --port 8034 --stop-token '###STOP###'
    UNDERSTUDY_TOKEN=... understudy serve users/ --host 0.0.0.0
    """
    from understudy.users.opening import with_belief
    from understudy.web.guard import allowed_hosts, check_bind
    from understudy.web.running import serve as run_server
    from understudy.web.server import build_app

    for module in ("starlette", "uvicorn"):
        require(module, extra="web", purpose="serving simulated users")
    check_bind(host, token)
    _check_token(token)
    output = Output(json=json, quiet=quiet)
    limits = Limits(max_usd, max_tokens, max_calls)
    models = Models(concurrency=max_concurrency, seed=seed, limits=limits)
    models.price(model, price_in, price_out)
    with output.progress() as on_progress:
        on_progress("open", 0, 0)
        people = using.open_people(with_belief(users, partner_belief), seed=seed, model=model, models=models)
    app = build_app(
        people,
        seed=seed,
        token=token,
        hosts=allowed_hosts(host, allow_host or ()),
        stop_token=stop_token,
        max_concurrency=max_concurrency,
    )

    def ready(url: str) -> None:
        asked = "with the token" if token else "without a token"
        output.result(
            {"url": f"{url}/v1", "users": people.identity, "seed": seed, "token": bool(token)},
            lambda out: out.line(f"{users} at {url}/v1, {asked}; Ctrl-C stops it"),
        )
        output.note(f'next: point an OpenAI client at {url}/v1, model "users" or "users/0"', "dim")

    run_server(app, host=host, port=port, token=token, on_ready=ready)


def _check_token(token: str | None) -> None:
    if token is not None and not (token.isascii() and token.isprintable() and token == token.strip()):
        raise UsageError(
            "the token has characters that no header carries",
            why="clients send it in the header Authorization",
            fix="use letters, digits and signs of ASCII, without spaces around them",
        )
