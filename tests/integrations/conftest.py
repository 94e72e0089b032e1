"""Peers as they are tested: no network beyond the loopback, no telemetry, one served population."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import ModuleType
from typing import Any

import pytest

from tests.integrations.agent import agent
from tests.integrations.talking import SEED, population
from understudy.web.running import in_background
from understudy.web.server import build_app

# Set before a peer is imported: several read them then.
QUIET = {
    "DO_NOT_TRACK": "1",
    "DEEPEVAL_TELEMETRY_OPT_OUT": "1",
    "DEEPEVAL_DISABLE_DOTENV": "1",
    "ERROR_REPORTING": "0",
    "LANGSMITH_TRACING": "false",
    "LANGCHAIN_TRACING_V2": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_TELEMETRY": "False",
    "LANGFUSE_TRACING_ENABLED": "false",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "INSPECT_DISPLAY": "none",
    "OPENAI_API_KEY": "none",
}


class Peer:
    """A package that is installed, and what a test found out about it: `told` goes into the table of results."""

    def __init__(self, package: str, modules: list[ModuleType], properties: list[tuple[str, object]]) -> None:
        self.modules = modules
        self._properties = properties
        properties += [("peer", package), ("version", importlib.metadata.version(package))]

    def told(self, *, way: str, user_turns: int, ending: str) -> None:
        """Note what came of a conversation."""
        self._properties += [("way", way), ("user_turns", user_turns), ("ending", ending)]


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Whatever reaches beyond the loopback is refused, and named at the end of the test."""
    tried: list[str] = []
    connect, find = socket.socket.connect, socket.getaddrinfo

    def only_here(self: socket.socket, address: Any) -> Any:
        host = address[0] if isinstance(address, tuple) else "127.0.0.1"
        if host not in ("127.0.0.1", "::1", "localhost"):
            tried.append(f"{host}:{address[1]}")
            raise OSError(f"the test is offline: {host}")
        return connect(self, address)

    def names_here(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in (None, "", "127.0.0.1", "::1", "localhost"):
            tried.append(str(name))
            raise socket.gaierror(socket.EAI_NONAME, f"the test is offline: {name}")
        return find(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", only_here)
    monkeypatch.setattr(socket, "getaddrinfo", names_here)
    for name, value in QUIET.items():
        monkeypatch.setenv(name, value)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield tried
    assert not tried, f"it tried to reach {sorted(set(tried))}"


@pytest.fixture
def peer(offline: list[str], request: pytest.FixtureRequest) -> Callable[..., Peer]:
    """`peer(package, module, ...)`: the modules of an installed peer; the test is skipped where it is not installed."""

    def find(package: str, *modules: str) -> Peer:
        try:
            importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            pytest.skip(
                f"{package} is not installed; `make test-peers` installs every peer, in environments of its own"
            )
        return Peer(package, [importlib.import_module(module) for module in modules], request.node.user_properties)

    return find


@pytest.fixture(scope="session")
def agent_url() -> Iterator[str]:
    """The assistant under test, as an OpenAI-compatible endpoint."""
    with in_background(agent) as url:
        yield f"{url}/v1"


@pytest.fixture(scope="session")
def served() -> Iterator[Callable[[str], str]]:
    """`served(stop_token)`: the URL of the population, whose users say the token after their last words."""
    with ExitStack() as stack:
        urls: dict[str, str] = {}

        def url(stop_token: str = "") -> str:
            if stop_token not in urls:
                app = build_app(population(), seed=SEED, stop_token=stop_token)
                urls[stop_token] = stack.enter_context(in_background(app)) + "/v1"
            return urls[stop_token]

        yield url


@pytest.fixture(autouse=True)
def at_home(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Peers write logs and settings where they stand and into the home folder: both are the test's own."""
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, os.fspath(tmp_path))
