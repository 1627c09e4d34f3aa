"""The page: one HTML file that needs no network and no other file."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from dataset_builder.engine.options import EngineOptions
from dataset_builder.hub.card import quality_bins
from dataset_builder.report.collect import Collected, ReportOptions, collect
from diffusers_attnmask.ground.atomic_files import write_text
from train_segmenter.data.split_parts import Part

AT_ONCE = 48  # pictures that are there when the page opens; the others come when they are near
Bars = list[tuple[str, float, str]]  # label, length from 0 to 1, and what stands beside it


def write_report(
    folder: Path,
    out: Path,
    options: ReportOptions | None = None,
    title: str = "",
    parts: Sequence[Part] = (),
    engine: EngineOptions | None = None,
) -> Path:
    """Write the page of a dataset folder, or of parts of it."""
    collected = collect(folder, options or ReportOptions(), parts, engine)
    write_text(out, rendered(collected, title or folder.resolve().name))
    return out


def rendered(collected: Collected, title: str) -> str:
    """The page's HTML; whatever stands in prompts and names is text in it."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(_part("page.html"))
    facts = collected.facts
    names = facts.class_names[1:] if facts.background else facts.class_names
    return template.render(
        title=title,
        style=_part("page.css"),
        script=_part("page.js"),
        at_once=AT_ONCE,
        quality_title=facts.quality_name[0].upper() + facts.quality_name[1:],
        data=collected,
        about=collected.about.rows(facts),
        facts=facts,
        classes=bars([(name, facts.tally.classes[name]) for name in names]),
        coverage=bars(occupied(quality_bins(collected.coverage))),
        quality=bars(occupied(quality_bins(facts.tally.quality))),
        per_prompt=bars([(str(own), count) for own, count in sorted(collected.prompts.classes.items())]),
        class_coverage=[
            (name, share, f"{100 * share:.1f} %") for name, share in collected.class_coverage.items()
        ],
        colours={
            name: "#{:02x}{:02x}{:02x}".format(*facts.palette[own])
            for own, name in enumerate(facts.class_names)
        },
    )


def _part(name: str) -> str:
    return files("dataset_builder.report").joinpath(name).read_text(encoding="utf-8")


def occupied(bins: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """The bins from the first that holds something to the last.

    >>> occupied([("0–1", 0), ("1–2", 3), ("2–3", 0), ("3–4", 1), ("4–5", 0)])
    [('1–2', 3), ('2–3', 0), ('3–4', 1)]
    """
    held = [place for place, (_, count) in enumerate(bins) if count]
    return bins[held[0] : held[-1] + 1] if held else []


def bars(counts: list[tuple[str, int]]) -> Bars:
    """Counts as bars, the greatest of full length."""
    greatest = max((count for _, count in counts), default=0) or 1
    return [(name, count / greatest, f"{count:,}") for name, count in counts]
