"""The OpenAPI document is true: schemathesis finds no request that it describes wrongly."""

from __future__ import annotations

import os
import re
import shutil

import pytest

from bench.serve import fuzz
from understudy.users.population import FittedPopulation
from understudy.web.openapi import document
from understudy.web.running import in_background
from understudy.web.server import build_app

TOOL = os.environ.get("UNDERSTUDY_SCHEMATHESIS") or shutil.which("schemathesis")


@pytest.mark.slow
@pytest.mark.skipif(not TOOL, reason="UNDERSTUDY_SCHEMATHESIS names no executable, and none is on the path")
def test_a_thousand_generated_requests_find_nothing(people: FittedPopulation) -> None:
    with in_background(build_app(people, token="t")) as url:
        told = fuzz(TOOL, url, "t", 250)
    generated, passed = (
        int(re.search(rf"(\d[\d,]*) {word}", told)[1].replace(",", "")) for word in ("generated", "passed")
    )
    assert generated == passed >= 1000, told
    assert told.endswith("(exit 0)")


def test_every_route_is_documented() -> None:
    from starlette.routing import Route

    app = build_app(_Nobody())._app
    routes = {
        route.path.replace(":path", ""): route.methods - {"HEAD"} for route in app.routes if isinstance(route, Route)
    }
    documented = {path: {method.upper() for method in methods} for path, methods in document()["paths"].items()}
    assert routes == documented
    for methods in document()["paths"].values():
        for operation in methods.values():
            assert ("401" in operation["responses"]) == ("security" not in operation)


class _Nobody:
    identity = "nobody"
    n_sessions = 1

    def simulator(self) -> _Nobody:
        return self
