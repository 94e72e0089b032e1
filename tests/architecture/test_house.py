"""The house obeys its rules."""

from __future__ import annotations

import pytest

from tests.architecture.rules import FLOOR, RULES, SOURCE, house


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_obeys(rule) -> None:
    complaints = [str(complaint) for file in house() for complaint in rule(file)]
    assert not complaints, "\n" + "\n".join(complaints)


def test_every_room_has_a_floor() -> None:
    rooms = {path.parent.relative_to(SOURCE).parts[0] for path in SOURCE.glob("*/**/*.py")}
    assert rooms <= set(FLOOR), f"give these a floor in rules.py: {sorted(rooms - set(FLOOR))}"
