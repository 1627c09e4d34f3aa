"""The generated datasets of `segmenter_proof` and `generator_proof`, by the project's own commands.

    python -m benchmarks.proof.pairs pairs --count 600

makes those of `segmenter_proof`: raw, refined, filtered. The prompts are captions of the training split
(`captions.py`), the recipe is recipe.yaml. What is complete in the folder stands; a build that was stopped
goes on.
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
from tiny_world.oracle import CLASS_NAMES
from train_segmenter.data import ClassMap, Source, mapped, open_source

Model = Literal["bundled", "bundled-transformer"]
RECIPE = Path(__file__).with_name("recipe.yaml")
SAMPLING: dict[str, Any] = {  # of the transformer, by its own scheduler
    "bundled": {},
    "bundled-transformer": {"steps": 20, "guidance": 3.0, "scheduler": None},
}
WHOLE = ("refine", "--data", "raw", "--method", "none", "--whole-regions")
DECIDED = ("--method", "none", "--snap", "--uncertain", "decide")
JUDGES = (
    *("--model", "smp:unet:tu-resnet10t", "--pretrained", "none", "--folds", 2, "--scale", 0.5),
    *("--crop", 64, "--learning-rate", 2e-3, "--keep-fraction", 0.85),
)


def main(
    folder: Annotated[Path, typer.Argument(help="Of the datasets.")],
    count: Annotated[int, typer.Option(min=1, help="Pairs.")] = 600,
    judge_steps: Annotated[int, typer.Option(min=1, help="Training steps of the filter's judges.")] = 750,
) -> None:
    for title, source in generated_pairs(folder, count, judge_steps).items():
        print(f"{title}: {len(source)} pairs")


def generated_pairs(folder: Path, count: int, judge_steps: int = 750) -> dict[str, Source]:
    """The datasets of the bundled model by the titles of their arms."""
    refined = refined_pairs(folder, count)
    made(folder, "regions", *WHOLE)
    made(folder, "kept", "filter", "--data", "regions", *JUDGES, "--steps", judge_steps)
    made(folder, "filtered", "refine", "--data", "kept", *DECIDED)
    return {
        "(b) raw": pairs_of(folder / "raw"),
        "(c) refined": refined,
        "(d) filtered": pairs_of(folder / "filtered"),
    }


def pairs_on_edges(folder: Path) -> Source:
    """The raw pairs of the bundled model, decided on the edges of their pictures, and no more."""
    made(folder, "edges", "refine", "--data", "raw", *DECIDED)
    return pairs_of(folder / "edges")


def refined_pairs(folder: Path, count: int, model: Model = "bundled", method: str | None = None) -> Source:
    """Pairs of a model with masks by a method, its own by default: whole regions, decided on edges."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "captions").exists():
        write_captions(folder / "captions")
    recipe = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    sampling = {**recipe["sampling"], **SAMPLING[model]}
    recipe |= {
        "model": model,
        "pairs": count,
        "sampling": {key: value for key, value in sampling.items() if value is not None},
        **({"method": method} if method else {}),
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    attnmask(folder, "build", "--recipe", "recipe.yaml", "--out", "raw")
    made(folder, "refined", *WHOLE, *DECIDED[2:])
    return pairs_of(folder / "refined")


def pairs_of(folder: Path | str) -> Source:
    return mapped(open_source(str(folder)), ClassMap(CLASS_NAMES))


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
