"""The pytest plugin: a fixture `assert_transfers`. Installed with the package; a suite without it notices nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from understudy.measures.measurement import Measurement


@pytest.fixture
def assert_transfers(request: pytest.FixtureRequest) -> Callable[..., Measurement]:
    """`assert_transfers("syn.jsonl", "real.jsonl", task="topic")`: fails where a model trained on the synthetic
    conversations is not shown to work on the real ones (see `understudy.integrations.assertions`). Gap closed and its
    interval go into the report of the run as properties of the test."""

    def check(*args: Any, **options: Any) -> Measurement:
        __tracebackhide__ = True
        from understudy.integrations.assertions import assert_transfers

        found = assert_transfers(*args, **options)
        properties = request.node.user_properties  # the fixture `record_property` warns in some formats of report
        properties += [(found.name, found.value), (f"{found.name}.interval", found.interval)]
        return found

    return check
