"""The declared joint distribution of characteristics, exact: sampled through its inverse, compared with counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.errors import UsageError
from understudy.scenarios.characteristics import BY_NAME, NAMES
from understudy.scenarios.plan import ContextsPlan, RulePlan, as_list

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_MOST_CELLS = 1 << 20


class Component(NamedTuple):
    """Characteristics that depend on each other, and the probability of each of their cells."""

    names: tuple[str, ...]
    cells: Floats  # one axis a name


class Joint:
    """A distribution over the levels of all characteristics, as independent components.

    >>> from understudy.scenarios.plan import ContextsPlan, RulePlan
    >>> rule = RulePlan(when={"medium": "sms"}, set="fillers", to={"none": 1})
    >>> joint = build_joint(ContextsPlan(medium={"chat": 1, "sms": 1}, fillers={"none": 1, "some": 1}, rules=[rule]))
    >>> joint.marginal("fillers").tolist(), joint.pair("medium", "fillers").tolist()
    ([0.75, 0.25], [[0.25, 0.25], [0.5, 0.0]])
    """

    def __init__(self, levels: Mapping[str, tuple[str, ...]], components: Sequence[Component]) -> None:
        self.levels = dict(levels)
        self.components = tuple(components)
        self._home = {name: part for part in self.components for name in part.names}

    def marginal(self, name: str) -> Floats:
        """The probability of each level of one characteristic."""
        part = self._home[name]
        axes = tuple(k for k, other in enumerate(part.names) if other != name)
        return np.asarray(part.cells.sum(axis=axes))

    def pair(self, first: str, second: str) -> Floats:
        """The probability of each pair of levels of two characteristics."""
        part = self._home[first]
        if second not in part.names:
            return np.outer(self.marginal(first), self.marginal(second))
        axes = tuple(k for k, name in enumerate(part.names) if name not in (first, second))
        table = np.asarray(part.cells.sum(axis=axes))
        return table if part.names.index(first) < part.names.index(second) else np.asarray(table.T)

    def at(self, points: Floats) -> Ints:
        """`(n, characteristics)` level numbers at points of the unit cube, columns as in `NAMES`.

        Within a component each characteristic is drawn given those before it, so that the cells come out with
        exactly the declared probabilities, forbidden ones never.
        """
        drawn = np.zeros((len(points), len(NAMES)), dtype=np.int64)
        for part in self.components:
            prefix = np.zeros(len(points), dtype=np.int64)
            for k, name in enumerate(part.names):
                size = part.cells.shape[k]
                table = part.cells.sum(axis=tuple(range(k + 1, part.cells.ndim))).reshape(-1, size)
                rising = np.cumsum(table[prefix], axis=1)
                column = NAMES.index(name)
                above = points[:, column, None] * rising[:, -1:]
                level = np.minimum((above >= rising).sum(axis=1), size - 1)
                drawn[:, column] = level
                prefix = prefix * size + level
        return drawn

    def described(self) -> dict[str, dict[str, float]]:
        """The marginal distributions as plain data."""
        return {
            name: {level: round(float(p), 6) for level, p in zip(self.levels[name], self.marginal(name), strict=True)}
            for name in NAMES
        }


def build_joint(plan: ContextsPlan, fitted: Component | None = None) -> Joint:
    """The joint distribution that a plan declares.

    Each characteristic has its base table; where the setting meets a rule's `when`, its table `to` takes the
    place of the base (of several rules, the last). Forbidden cells get probability 0 and the rest is scaled up.
    `fitted` is a component measured on a reference corpus; rules may depend on it and not change it.
    """
    fixed = fitted.names if fitted is not None else ()
    levels = {name: tuple(BY_NAME[name].base if name in fixed else plan.table(name)) for name in NAMES}
    for rule in plan.rules:
        if rule.set in fixed:
            raise UsageError(
                f"contexts.rules sets {rule.set!r}, which contexts.fit takes from the reference",
                why="one of the two has to decide",
                fix=f"drop {rule.set!r} from contexts.fit, or the rule",
            )
    groups = _groups(plan, fixed)
    return Joint(levels, [_component(plan, group, levels, fitted) for group in groups])


def _groups(plan: ContextsPlan, fixed: tuple[str, ...]) -> list[list[str]]:
    """Characteristics linked by rules, forbidden cells or the fit, each group in the order of drawing."""
    leader = {name: name for name in NAMES}

    def find(name: str) -> str:
        while leader[name] != name:
            name = leader[name]
        return name

    links = [[*rule.when, rule.set] for rule in plan.rules] + [list(cell) for cell in plan.forbid] + [list(fixed)]
    for link in links:
        for name in link[1:]:
            leader[find(name)] = find(link[0])
    groups: dict[str, list[str]] = {}
    for name in NAMES:
        groups.setdefault(find(name), []).append(name)
    return [_ordered(group, plan.rules, fixed) for group in groups.values()]


def _ordered(group: list[str], rules: Sequence[RulePlan], fixed: tuple[str, ...]) -> list[str]:
    order = [name for name in fixed if name in group]
    waiting = [name for name in group if name not in order]
    while waiting:
        ready = [
            name for name in waiting if all(other in order for rule in rules if rule.set == name for other in rule.when)
        ]
        if not ready:
            raise UsageError(
                f"contexts.rules go in a circle: {', '.join(waiting)}",
                why="each characteristic is drawn after those that it depends on",
                fix="drop one of the rules between them",
            )
        order.append(ready[0])
        waiting.remove(ready[0])
    return order


def _component(
    plan: ContextsPlan, names: list[str], levels: Mapping[str, tuple[str, ...]], fitted: Component | None
) -> Component:
    shape = tuple(len(levels[name]) for name in names)
    if np.prod(shape, dtype=float) > _MOST_CELLS:
        raise UsageError(
            f"contexts: {', '.join(names)} depend on each other and have {np.prod(shape, dtype=float):,.0f} cells",
            why=f"the joint is kept exactly, up to {_MOST_CELLS:,} cells",
            fix="use fewer levels, or rules that link fewer characteristics",
        )
    cells = np.ones(shape)
    for name in names:
        if fitted is not None and name in fitted.names:
            continue
        axis = names.index(name)
        table = np.broadcast_to(_along(_weights(plan.table(name), levels[name]), axis, len(shape)), shape).copy()
        for rule in plan.rules:
            if rule.set == name:
                there = _where(rule.when, names, levels)
                new = _along(_weights(rule.to, levels[name]), axis, len(shape))
                table = np.where(there, new, table)
        cells = cells * table
    if fitted is not None and fitted.names[0] in names:
        cells = cells * fitted.cells.reshape(fitted.cells.shape + (1,) * (len(shape) - fitted.cells.ndim))
    for cell in plan.forbid:
        if next(iter(cell)) in names:
            cells = np.where(_where(cell, names, levels), 0.0, cells)
    total = cells.sum()
    if not total > 0:
        raise UsageError(
            f"contexts: nothing is left of {', '.join(names)}",
            why="the forbidden cells cover everything that the tables allow",
            fix="forbid less",
        )
    return Component(tuple(names), cells / total)


def _weights(table: Mapping[str, float], levels: tuple[str, ...]) -> Floats:
    weights: Floats = np.array([table.get(level, 0.0) for level in levels], dtype=float)
    return np.asarray(weights / weights.sum())


def _along(weights: Floats, axis: int, axes: int) -> Floats:
    return weights.reshape(tuple(-1 if k == axis else 1 for k in range(axes)))


def _where(
    condition: Mapping[str, str | list[str]], names: list[str], levels: Mapping[str, tuple[str, ...]]
) -> npt.NDArray[np.bool_]:
    found = np.ones((1,) * len(names), dtype=bool)
    for name, wanted in condition.items():
        mask = np.isin(levels[name], as_list(wanted))
        found = found & mask.reshape(tuple(-1 if other == name else 1 for other in names))
    return found
