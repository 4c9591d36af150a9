"""Reports of imports: one JSON file each, kept for good."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from core.catalog.head import METADATA
from core.domain.dataset import ImportReport
from core.errors import DataProblem

IMPORTS: Final = "imports"

_REPORT: Final = TypeAdapter(ImportReport)


def report_path(root: Path, name: str) -> Path:
    """File of a report."""
    return root / METADATA / IMPORTS / name


def report_json(report: ImportReport) -> bytes:
    """Write a report as JSON."""
    return _REPORT.dump_json(report, indent=1) + b"\n"


def read_report(root: Path, name: str) -> ImportReport:
    """Read a report back.

    Raises:
        DataProblem: the file is missing or damaged.
    """
    try:
        return _REPORT.validate_json(report_path(root, name).read_bytes())
    except (OSError, ValidationError) as error:
        raise DataProblem(
            f"{METADATA}/{IMPORTS}/{name} of the lake cannot be read",
            hint="restore it from a backup; the prices themselves are not affected",
        ) from error
