"""The published shape of report.json, as JSON Schema."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec

from understudy.reports.report import SCHEMA, Report


def report_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of `report.json`; docs/report.schema.json is this, written out.

    >>> report_schema()["title"]
    'understudy.report/1'
    """
    schema = msgspec.json.schema(Report)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": SCHEMA, **schema}


def schema_text() -> str:
    """`report_schema()` as it stands in the file."""
    return json.dumps(report_schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write_schema(path: str | os.PathLike[str]) -> None:
    """Write the schema to `path`."""
    Path(path).write_text(schema_text(), "utf-8")
