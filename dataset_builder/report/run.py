"""The page of any dataset: a folder, or one of the Hub."""

from __future__ import annotations

from pathlib import Path

from dataset_builder.hub.fetch import local_folder
from dataset_builder.report.collect import ReportOptions
from dataset_builder.report.page import write_report

PAGE = "report.html"


def report_dataset(dataset: str, out: str | Path | None = None, options: ReportOptions | None = None) -> Path:
    """Write the page, by default into the dataset's folder, or here where it comes from the Hub."""
    folder = local_folder(dataset)
    page = Path(out) if out else (folder if Path(dataset).is_dir() else Path()) / PAGE
    return write_report(folder, page, options, title=Path(dataset).resolve().name)
