"""What the demo says at its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dataset_builder.demo.trainings import SCALE


def summary(scores: dict[str, Any], out: Path) -> str:
    """The scores of both segmenters, the times, and where to look."""
    width = max(map(len, scores["class_names"]))
    lines = [
        f"{scores['kept']} of {scores['sampled']} sampled pairs kept; {scores['steps']} steps of training; "
        f"{scores['held_out']} held-out renders",
        "",
        f"{'IoU':<{width}}  generated  exact",
    ]
    columns = zip(scores["class_names"], scores["iou"]["generated"], scores["iou"]["exact"], strict=True)
    lines += [f"{name:<{width}}  {generated:9.3f}  {exact:5.3f}" for name, generated, exact in columns]
    mean = scores["mean_iou"]
    lines += [f"{'mean':<{width}}  {mean['generated']:9.3f}  {mean['exact']:5.3f}", ""]
    lines += [f"{seconds:7.1f} s  {name}" for name, seconds in scores["seconds"].items()]
    lines += [
        "",
        f"look at    {(out / 'story.png').resolve()}",
        f"           {(out / 'report.html').resolve()}",
        f"load with  load_dataset({str(out / 'filtered')!r})",
    ]
    segmenter = out / "segmenter-generated"
    lines += [f"segment    attnmask segment PICTURE --model {segmenter} --scales {SCALE}"]
    return "\n".join(lines)
