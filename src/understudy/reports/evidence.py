"""Reading evidence that measures write each in their own way: curves, examples, tables. Tolerant by rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from understudy.reports.plots import Line
from understudy.reports.wording import column, number, words

SIDES = ("real", "synthetic")
ALONG = ("turn", "turns", "position", "positions", "x")
MOST_ROWS = 60
LONGEST_CELL = 240
FEWEST_AT_RISK = 10


class Table(NamedTuple):
    """A small table: a caption, column heads and rows of text; `numeric` says which columns hold numbers."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]


class Quote(NamedTuple):
    """A turn to show, and where it stood."""

    text: str
    before: str = ""
    source: str = ""


def is_number(value: object) -> bool:
    """A number and not a truth value."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _numbers(value: object) -> bool:
    return isinstance(value, (list, tuple)) and len(value) > 1 and all(is_number(v) for v in value)


def _bands(source: Mapping[str, Any], side: str, length: int) -> tuple[list[float], list[float]]:
    bounds = source.get(f"{side}_interval", source.get(f"{side}_intervals"))
    if not isinstance(bounds, (list, tuple)) or len(bounds) != length:
        return [], []
    if not all(isinstance(b, (list, tuple)) and len(b) == 2 and all(map(is_number, b)) for b in bounds):
        return [], []
    return [float(b[0]) for b in bounds], [float(b[1]) for b in bounds]


def _still_many(line: Line, at_risk: object) -> Line:
    """The line as far as enough conversations carry it: a hazard among a handful is noise."""
    if not isinstance(at_risk, (list, tuple)) or len(at_risk) != len(line.x):
        return line
    end = next((i for i, count in enumerate(at_risk) if not is_number(count) or count < FEWEST_AT_RISK), len(at_risk))
    return Line(line.side, *(values[:end] for values in line[1:]))


def _from_columns(source: Mapping[str, Any]) -> list[Line]:
    """`{"turn": [...], "real": [...], "synthetic": [...]}`; the first turn is 1 where none is named."""
    lines = []
    for side in SIDES:
        y = source.get(side)
        if not isinstance(y, (list, tuple)) or not _numbers(y):
            return []
        x = next((source[k] for k in ALONG if _numbers(source.get(k)) and len(source[k]) == len(y)), None)
        line = Line(side, list(x or range(1, len(y) + 1)), list(y), *_bands(source, side, len(y)))
        lines.append(_still_many(line, source.get(f"{side}_at_risk")))
    if any(len(line.x) < 2 for line in lines):
        return []
    return lines


def _from_rows(source: Sequence[Any]) -> list[Line]:
    """`[{"turn": 1, "real": .1, "synthetic": .2}, ...]`; a side's missing places are left out of its line."""
    rows = [r for r in source if isinstance(r, Mapping)]
    along = next((k for k in ALONG if rows and all(is_number(r.get(k)) for r in rows)), None)
    if along is None or len(rows) < 2 or len(rows) != len(source):
        return []
    lines = []
    for side in SIDES:
        known = [r for r in rows if is_number(r.get(side))]
        if len(known) < 2:
            return []
        x, y = [float(r[along]) for r in known], [float(r[side]) for r in known]
        bounds = {f"{side}_interval": [r.get(f"{side}_interval") for r in known]}
        lines.append(Line(side, x, y, *_bands(bounds, side, len(y))))
    return lines


def curves_in(evidence: Mapping[str, Any]) -> dict[str, list[Line]]:
    """Every pair of curves, real and synthetic, by the key that it stands under; `""` for the evidence itself.

    >>> found = curves_in({"hazard": {"turn": [1, 2], "real": [0, .1], "synthetic": [0, 0]}})
    >>> [line.side for line in found["hazard"]]
    ['real', 'synthetic']
    """
    found = {"": _from_columns(evidence)}
    for key, value in evidence.items():
        if isinstance(value, Mapping):
            inner = _from_columns(value)
            found[key] = inner
            if not inner:
                found |= {f"{key} {k}": v for k, v in curves_in(value).items() if v}
        elif isinstance(value, (list, tuple)):
            found[key] = _from_rows(value)
    return {words(key): lines for key, lines in found.items() if lines}


def quotes(evidence: Mapping[str, Any], side: str) -> list[Quote]:
    """Turns that the evidence shows for a side: `real_examples`, or `examples` by side or as labelled items."""
    found = evidence.get(f"{side}_examples")
    examples = evidence.get("examples")
    if found is None and isinstance(examples, Mapping):
        found = examples.get(side)
    if found is None and isinstance(examples, (list, tuple)):
        found = [e for e in examples if isinstance(e, Mapping) and e.get("side") == side]
    if isinstance(found, (str, Mapping)):
        found = [found]
    return [quote for item in found or () if (quote := _quote(item)) is not None]


def _quote(item: object) -> Quote | None:
    if isinstance(item, str):
        return Quote(item)
    if isinstance(item, (list, tuple)):
        texts = [t for t in item if isinstance(t, str)]
        return Quote(texts[-1], " / ".join(texts[:-1])) if texts else None
    if not isinstance(item, Mapping):
        return None
    text = next((item[k] for k in ("text", "turn", "user", "first_user_turn") if isinstance(item.get(k), str)), None)
    before = next((item[k] for k in ("before", "partner", "context") if isinstance(item.get(k), str)), "")
    source = next((item[k] for k in ("conversation", "id") if isinstance(item.get(k), str)), "")
    return None if text is None else Quote(text, before, source)


def _cell(value: object) -> str:
    if is_number(value):
        return f"{value:,}" if isinstance(value, int) else number(value)  # type: ignore[arg-type]
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(_cell(v) for v in value)[:LONGEST_CELL]
    return str(value)[:LONGEST_CELL]


def _column(values: Sequence[object]) -> list[str]:
    """The cells of a column: its numbers to the same decimals."""
    known = [v for v in values if isinstance(v, float)]
    floats = iter(column(known) if known else ())
    return [next(floats) if isinstance(v, float) else _cell(v) for v in values]


def _flat(value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return len(value) <= 4 and not any(isinstance(v, (Mapping, list, tuple)) for v in value)
    return not isinstance(value, Mapping)


def _row_table(caption: str, rows: Sequence[Mapping[str, Any]]) -> Table | None:
    keys = dict.fromkeys(k for row in rows for k, v in row.items() if _flat(v) and not k.endswith("_examples"))
    columns = list(keys)[:9]
    if not columns:
        return None
    numeric = tuple(all(is_number(r.get(k)) or r.get(k) is None for r in rows) for k in columns)
    cells = [_column([row.get(k) for row in rows[:MOST_ROWS]]) for k in columns]
    body = tuple(zip(*cells, strict=True))
    more = f", the first {MOST_ROWS} of {len(rows)}" if len(rows) > MOST_ROWS else ""
    return Table(words(caption) + more, tuple(words(k) for k in columns), body, numeric)


def tables_in(evidence: Mapping[str, Any], *, leave_out: Sequence[str] = ()) -> list[Table]:
    """Everything in the evidence that is a table: lists of rows, numbers by name, real and synthetic columns."""
    tables: list[Table] = []
    scalars: list[tuple[str, str]] = []
    for key, value in evidence.items():
        if key in leave_out or key.endswith("examples"):
            continue
        if isinstance(value, Mapping):
            tables += _mapping_tables(key, value)
        elif isinstance(value, (list, tuple)) and value and all(isinstance(v, Mapping) for v in value):
            table = _row_table(key, value)
            tables += [table] if table else []
        elif _flat(value):
            scalars.append((words(key), _cell(value)))
    if scalars:
        tables.append(Table("further numbers", ("", "value"), tuple(scalars), (False, True)))
    return tables


def _mapping_tables(key: str, value: Mapping[str, Any]) -> list[Table]:
    sides = [side for name in SIDES if isinstance(side := value.get(name), Mapping)]
    if len(sides) == len(SIDES):
        names = dict.fromkeys(k for s in sides for k in s if _flat(s[k]))
        rows = tuple((words(str(k)), *_column([s.get(k) for s in sides])) for k in names)
        return [Table(words(key), ("", *SIDES), rows[:MOST_ROWS], (False, True, True))] if rows else []
    if all(_flat(v) for v in value.values()) and value:
        rows = tuple((words(str(k)), _cell(v)) for k, v in value.items())
        return [Table(words(key), ("", "value"), rows[:MOST_ROWS], (False, True))]
    return tables_in({f"{key}: {k}": v for k, v in value.items() if isinstance(v, (Mapping, list, tuple))})
