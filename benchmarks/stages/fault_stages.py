"""Every command on data so small that a run takes a second, as functions of the folder that they write.

`forked_runs.py` runs these for the benchmarks that kill commands and fill their disks.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from benchmarks.stages.forked_runs import Stage
from benchmarks.stages.painted_sampler import PaintedSampler
from dataset_builder import derived_shards
from dataset_builder.building import run as building
from dataset_builder.building.run import build
from dataset_builder.dataset_folder import class_names, read_pairs
from dataset_builder.engine.options import EngineOptions
from dataset_builder.hub.card import write_card
from dataset_builder.recipe import Recipe, SamplingOptions
from dataset_builder.refinement.affinity.augment import ViewOptions
from dataset_builder.refinement.affinity.network import AffinityNetOptions
from dataset_builder.refinement.affinity.training import AffinityTraining
from dataset_builder.refinement.run import RefineRun, refine_dataset
from diffusers_attnmask.cli import main as attnmask
from diffusers_attnmask.ground.own_folder import own_folder

PAIRS = Recipe("tiny-world", pairs=12, shard_size=4, maps=True, sampling=SamplingOptions(batch_size=4))
SAMPLED = Recipe("tiny-world", pairs=4, shard_size=2, sampling=SamplingOptions(steps=1, batch_size=2))
SAMPLER = PaintedSampler(side=32)
TRAINING = {
    "model": "smp:unet:tu-mobilenetv3_small_050",
    "model_options": {"encoder_depth": 3, "decoder_channels": [16, 8, 8]},
    "training": {
        "steps": 6,
        "batch_size": 2,
        "save_every": 2,
        "evaluate_every": 3,
        "log_every": 1,
        "ema": 0.9,
        "augmentation": {"crop": 32},
    },
}


@dataclass(frozen=True)
class Material:
    """What the stages read: pairs with class maps, a trained model, a folder of pictures, two recipes."""

    pairs: Path
    model: Path
    pictures: Path
    training: Path
    sampling: Path

    @classmethod
    def make(cls, folder: Path) -> Material:
        names = ("pairs", "model", "pictures", "train.yaml", "build.yaml")
        paths = cls(*(folder / name for name in names))
        painted(paths.pairs)
        paths.pictures.mkdir()
        for pair in read_pairs(paths.pairs):
            pair.image.save(paths.pictures / f"{pair.name}.png")
        paths.training.write_text(yaml.safe_dump(TRAINING))
        paths.sampling.write_text(yaml.safe_dump(SAMPLED.to_dict()))
        trained(paths, paths.model)
        return paths


def painted(out: Path, workers: int = 0, on_shard: Callable[[Path], None] = lambda path: None) -> None:
    """A build without a model."""
    with own_folder(out, "build"):
        engine = EngineOptions(workers=workers)
        build(PAIRS, out, engine, make_sampler=SAMPLER, show_progress=False, on_shard=on_shard)
        write_card(out)


def trained(material: Material, out: Path) -> None:
    resume = ["--resume"] if any((out / "checkpoints").glob("step-*")) else []
    data = ("--data", material.pairs, "--validation", material.pairs)
    typed("train", *data, "--recipe", material.training, "--pretrained", "none", "--out", out, *resume)


def small_refinement() -> RefineRun:
    """With a state after every second step, which the command line does not ask for."""
    training = AffinityTraining(epochs=2, batch_size=4, save_every=2, view=ViewOptions(crop=32))
    return RefineRun(net=AffinityNetOptions("small"), training=training)


def typed(*words: object) -> None:
    """A command as it is typed; one that fails ends the process, as it does in a shell."""
    sys.argv = ["attnmask", *map(str, words)]
    try:
        attnmask()
    except SystemExit as end:
        if end.code:
            raise


def command(name: str, *words: object, whole: bool = False) -> Stage:
    return Stage(name, lambda out: typed(name, *words, "--out", out), whole)


def long_stages(material: Material) -> list[Stage]:
    """What may run for hours, on real data."""
    derived_shards.SHARD_SIZE = 4  # so that a run is stopped between files, too
    classes = [word for name in class_names(material.pairs)[1:] for word in ("-c", name)]
    labels = ("--by", "segmenter", "--model", material.model, "--shard-size", 4, "--workers", 0)
    judges = ("--recipe", material.training, "--pretrained", "none", "--folds", 2, "--threshold", 0)
    return [
        Stage("build", painted),
        Stage("train", lambda out: trained(material, out)),
        command("filter", "--data", material.pairs, *judges, whole=True),
        Stage("refine", lambda out: refine_dataset(material.pairs, out, small_refinement()), True),
        command("augment", "--data", material.pairs, "--copies", 2, whole=True),
        command("export", "--data", material.pairs, "--to", "coco", whole=True),
        command("annotate", material.pictures, *classes, *labels),
        command("segment", material.pictures, "--model", material.model),
    ]


def all_stages(material: Material) -> list[Stage]:
    """Every command that writes; `demo` is made of the others, and all that `push` writes is a card."""
    pairs, model = material.pairs, material.model
    building.WRITE_PAUSES = (0.0, 0.0)  # of a build whose disk is full

    def carded(out: Path) -> None:
        (out / "data").mkdir(parents=True, exist_ok=True)
        for shard in (pairs / "data").iterdir():
            (out / "data" / shard.name).write_bytes(shard.read_bytes())
        write_card(out, "someone/shapes")

    painting, *others = long_stages(material)
    sampled = command("build", "--recipe", material.sampling, "--workers", 0)
    return [
        replace(painting, name="build, painted"),
        sampled,
        *others,
        command("sample", "a red star on sand", "-c", "star", "--steps", 1, "-n", 2),
        Stage("report", lambda out: typed("report", "--data", pairs, "--out", out / "report.html")),
        command("eval", "--model", model, "--data", pairs),
        Stage("push (card)", carded),
    ]
