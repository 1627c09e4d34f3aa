"""Pictures, masks, a dataset, a segmenter and its scores: the stages one after the other."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from datasets.utils.logging import disable_progress_bar

from dataset_builder.demo import stages, trainings
from dataset_builder.demo.options import DemoOptions
from dataset_builder.demo.story import tell_story
from dataset_builder.report.page import write_report
from diffusers_attnmask.ground.atomic_files import write_text
from diffusers_attnmask.ground.own_folder import own_folder
from tiny_world.oracle import Renders

Result = TypeVar("Result")

STAGES = 6


def say(line: str) -> None:
    print(line, file=sys.stderr)


@dataclass
class Stopwatch:
    """Runs stages one after the other, announces each, and keeps their times."""

    announce: Callable[[str], None]
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self, name: str, step: Callable[[], Result]) -> Result:
        self.announce(f"[{len(self.seconds) + 1}/{STAGES}] {name}")
        started = time.monotonic()
        result = step()
        self.seconds[name] = round(time.monotonic() - started, 1)
        return result


def run_demo(
    out: str | Path, options: DemoOptions | None = None, *, announce: Callable[[str], None] = say
) -> dict[str, Any]:
    """All stages; those whose result is in the folder already cost nothing. Returns the scores."""
    with own_folder(out, "demo") as folder:
        return _all_stages(folder, options or DemoOptions(), announce)


def _all_stages(out: Path, options: DemoOptions, announce: Callable[[str], None]) -> dict[str, Any]:
    clock = Stopwatch(announce)
    disable_progress_bar()  # of caching, which is over in a blink
    first = clock.run("sample one picture", lambda: stages.first_picture(options, out / "first"))
    announce(f"      look at {first.resolve()}")
    clock.run(
        f"sample {options.pairs} pairs, refine and write them",
        lambda: stages.sample_pairs(options, out / "data"),
    )
    filtered = out / "filtered"
    clock.run(
        "filter: judges that did not see a pair must agree with it",
        lambda: stages.filter_pairs(out / "data", options, filtered),
    )
    kept = len(trainings.Trainings(out, options).generated())
    models = clock.run(
        f"train a segmenter on the {kept} generated pairs, and the same on {kept} exact ones",
        lambda: trainings.train_both(out, options),
    )
    held_out = Renders.draw(options.held_out, "test")
    reports = clock.run(
        f"evaluate both on {options.held_out} held-out renders",
        lambda: {name: trainings.judged(model, held_out) for name, model in models.items()},
    )
    clock.run(
        "write the report page, and a picture of the whole way",
        lambda: (
            write_report(filtered, out / "report.html", title="tiny world"),
            tell_story(models["generated"], options.sampling_steps, trainings.SCALE, out / "story.png"),
        ),
    )
    scores = {
        "sampled": options.pairs,
        "kept": kept,
        "steps": options.steps,
        "held_out": options.held_out,
        "mean_iou": {name: round(report.mean_iou, 4) for name, report in reports.items()},
        "iou": {name: [round(float(own), 4) for own in report.iou] for name, report in reports.items()},
        "class_names": list(held_out.class_names),
        "seconds": clock.seconds,
    }
    write_text(out / "scores.json", json.dumps(scores, indent=2) + "\n")
    return scores
