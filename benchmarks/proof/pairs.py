"""The generated datasets of `segmenter_proof.py`, by the project's own commands: raw, refined, filtered.

    python -m benchmarks.proof.pairs pairs --count 3000

The prompts are captions of the training split (`captions.py`), the recipe is recipe.yaml. What
is complete in the folder stands; a build that was stopped goes on.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import yaml

from benchmarks.environment import ROOT
from benchmarks.proof.captions import main as write_captions

Model = Literal["bundled", "bundled-transformer"]
RECIPE = Path(__file__).with_name("recipe.yaml")
SAMPLING: dict[str, Any] = {  # of the transformer, which is sampled by its own scheduler
    "bundled": {},
    "bundled-transformer": {"steps": 20, "guidance": 3.0, "scheduler": None},
}
JUDGES = (
    *("--model", "smp:unet:tu-resnet10t", "--pretrained", "none", "--folds", 2, "--scale", 0.5),
    *("--crop", 64, "--learning-rate", 2e-3, "--keep-fraction", 0.85),
)


def main(
    folder: Annotated[Path, typer.Argument(help="Of the datasets.")],
    count: Annotated[int, typer.Option(min=1, help="Pairs.")] = 3000,
    model: Annotated[Model, typer.Option(help="That paints them.")] = "bundled",
    judge_steps: Annotated[int, typer.Option(min=1, help="Training steps of the filter's judges.")] = 1500,
) -> None:
    for title, made in generated_pairs(folder, count, model, judge_steps).items():
        print(f"{title}: {made}")


def generated_pairs(folder: Path, count: int, model: Model, judge_steps: int = 1500) -> dict[str, Path]:
    """The folder of each dataset by the title of its arm, made where it is missing."""
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "captions").exists():
        write_captions(folder / "captions")
    recipe = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    sampling = {**recipe["sampling"], **SAMPLING[model]}
    recipe |= {
        "model": model,
        "pairs": count,
        "sampling": {key: value for key, value in sampling.items() if value is not None},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    attnmask(folder, "build", "--recipe", "recipe.yaml", "--out", "raw")
    decided = ("--method", "none", "--snap", "--uncertain", "decide")
    judges = (*JUDGES, "--steps", judge_steps)
    made(folder, "refined", "refine", "--data", "raw", *decided, "--whole-regions")
    made(folder, "regions", "refine", "--data", "raw", "--method", "none", "--whole-regions")
    made(folder, "kept", "filter", "--data", "regions", *judges)
    made(folder, "filtered", "refine", "--data", "kept", *decided)
    return {"(b) raw": folder / "raw", "(c) refined": folder / "refined", "(d) filtered": folder / "filtered"}


def made(folder: Path, out: str, *words: object) -> None:
    """A derived dataset, which appears when it is complete."""
    if not (folder / out).exists():
        attnmask(folder, *words, "--out", out)


def attnmask(folder: Path, *words: object) -> None:
    code = "from diffusers_attnmask.cli import main; main()"
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-c", code, *map(str, words)]
    subprocess.run(command, cwd=folder, check=True, env={**os.environ, "PYTHONPATH": path})


if __name__ == "__main__":
    typer.run(main)
