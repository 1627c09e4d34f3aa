"""The page of any dataset: a folder, or one of the Hub."""

from __future__ import annotations

from pathlib import Path

from dataset_builder.engine.options import EngineOptions
from dataset_builder.hub.fetch import local_folder
from dataset_builder.report.collect import ReportOptions
from dataset_builder.report.page import write_report
from diffusers_attnmask.ground.own_folder import bears_line, place_here
from train_segmenter.data.split_parts import data_word

PAGE = "report.html"
SUFFIXES = (".html", ".htm")
OWN_LINE = '<meta name="generator" content="attnmask report">'  # in the head of every page


def report_dataset(
    dataset: str,
    out: str | Path | None = None,
    options: ReportOptions | None = None,
    engine: EngineOptions | None = None,
) -> Path:
    """Write the page, by default into the dataset's folder, or here where it comes from the Hub.

    dataset: a folder or Hub name, or parts of its splits (`folder@train[:10%]`). A page of an earlier report
    is replaced; another file is not.
    """
    path, parts = data_word(dataset)
    page = place_here(out if out is not None else (Path(path) if Path(path).is_dir() else Path()) / PAGE)
    if page.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{page} is no name of a page: let it end in {SUFFIXES[0]}")
    if not bears_line(page, OWN_LINE):
        raise FileExistsError(f"{page} is there, and is no report of ours: choose another name")
    return write_report(local_folder(path), page, options, Path(dataset).resolve().name, parts, engine)
