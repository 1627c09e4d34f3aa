"""The page: one HTML file that needs no network and no other file."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from dataset_builder.hub.card import quality_bins
from dataset_builder.report.collect import Collected, ReportOptions, collect
from diffusers_attnmask.ground.atomic_files import write_text

Bars = list[tuple[str, float, str]]  # label, length from 0 to 1, and what stands beside it


def write_report(folder: Path, out: Path, options: ReportOptions | None = None, title: str = "") -> Path:
    """Write the page of a dataset folder."""
    collected = collect(folder, options or ReportOptions())
    write_text(out, rendered(collected, title or folder.resolve().name))
    return out


def rendered(collected: Collected, title: str) -> str:
    """The page's HTML; whatever stands in prompts and names is text in it."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(
        files("dataset_builder.report").joinpath("page.html").read_text(encoding="utf-8")
    )
    facts = collected.facts
    names = facts.class_names[1:] if facts.background else facts.class_names
    return template.render(
        title=title,
        data=collected,
        facts=facts,
        classes=bars([(name, facts.tally.classes[name]) for name in names]),
        coverage=bars(quality_bins(collected.coverage)),
        quality=bars(quality_bins(facts.tally.quality)),
        class_coverage=[
            (name, share, f"{100 * share:.1f} %") for name, share in collected.class_coverage.items()
        ],
        colours={
            name: "#{:02x}{:02x}{:02x}".format(*facts.palette[own])
            for own, name in enumerate(facts.class_names)
        },
    )


def bars(counts: list[tuple[str, int]]) -> Bars:
    """Counts as bars, the greatest of full length."""
    greatest = max((count for _, count in counts), default=0) or 1
    return [(name, count / greatest, f"{count:,}") for name, count in counts]
