"""Every command on data so small that a run takes a second, as functions of the folder that they write.

The benchmarks that kill commands and fill their disks run these in forked children, which have all imports.
"""

from __future__ import annotations

import faulthandler
import hashlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import yaml
from tqdm import tqdm

from benchmarks.painted_sampler import PaintedSampler
from dataset_builder.building import run as building
from dataset_builder.building.manifest import FILE_NAME
from dataset_builder.building.progress import LOG_NAME
from dataset_builder.building.run import build
from dataset_builder.dataset_folder import read_pairs
from dataset_builder.engine.options import EngineOptions
from dataset_builder.hub.card import write_card
from dataset_builder.recipe import Recipe, SamplingOptions
from dataset_builder.refinement.affinity.augment import ViewOptions
from dataset_builder.refinement.affinity.network import AffinityNetOptions
from dataset_builder.refinement.affinity.training import AffinityTraining
from dataset_builder.refinement.run import RefineRun, refine_dataset
from diffusers_attnmask.cli import main as attnmask
from diffusers_attnmask.cli_errors import STOPPED, told
from diffusers_attnmask.ground.atomic_files import PARTIAL
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
PATIENCE = 300  # seconds until a child that does not end is taken to hang


@dataclass(frozen=True)
class Stage:
    """A command by its name, and what runs it, or goes on with it, in a folder.

    whole: the folder appears when it is complete, and is then refused to another run.
    """

    name: str
    run: Callable[[Path], None]
    whole: bool = False


@dataclass(frozen=True)
class Material:
    """What the stages read: pairs with class maps, a trained model, a picture, two recipes."""

    pairs: Path
    model: Path
    picture: Path
    training: Path
    sampling: Path

    @classmethod
    def make(cls, folder: Path) -> Material:
        names = ("pairs", "model", "picture.png", "train.yaml", "build.yaml")
        paths = cls(*(folder / name for name in names))
        painted(paths.pairs)
        next(read_pairs(paths.pairs)).image.save(paths.picture)
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
    judges = ("--recipe", material.training, "--pretrained", "none", "--folds", 2, "--threshold", 0)
    return [
        Stage("build", painted),
        Stage("train", lambda out: trained(material, out)),
        command("filter", "--data", material.pairs, *judges, whole=True),
        Stage("refine", lambda out: refine_dataset(material.pairs, out, small_refinement()), True),
        command("augment", "--data", material.pairs, "--copies", 2, whole=True),
        command("export", "--data", material.pairs, "--to", "coco", whole=True),
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
        command("segment", material.picture, "--model", model),
        Stage("push (card)", carded),
    ]


@dataclass(frozen=True)
class Ended:
    """A child that is gone: its exit code, None where a signal took it, its words, and its time."""

    code: int | None
    said: str
    seconds: float


def run_apart(
    stage: Stage,
    out: Path,
    *,
    killed: tuple[float, signal.Signals] | None = None,
    within: Callable[[], None] = lambda: None,
) -> Ended:
    """Run a stage in a forked child. killed: after how many seconds, and how. within: what the child does
    before."""
    words = out.parent.with_name(f"{out.parent.name}.said")
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        _be_command(stage, out, words, within)
    if killed is not None:
        time.sleep(killed[0])
        os.kill(child, killed[1])
    status = _waited(child, stage, words)
    seconds = time.monotonic() - started
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
    return Ended(code, words.read_text(errors="replace") if words.exists() else "", seconds)


def _be_command(stage: Stage, out: Path, words: Path, within: Callable[[], None]) -> None:
    """All that a child does: the stage, and an exit code as the command line gives it."""
    code = 0
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background job ignores
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # for which Ray, where the parent used it, left a handler
    try:
        handle = os.open(words, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        sys.stdout, sys.stderr = (os.fdopen(own, "w", buffering=1) for own in (1, 2))
        faulthandler.register(signal.SIGUSR1)
        tqdm.set_lock(
            threading.RLock()
        )  # forks share the usual one, and a killed child would hold it for ever
        within()
        stage.run(out)
    except SystemExit as end:
        code = int(end.code or 0)
    except KeyboardInterrupt:
        code = STOPPED
    except Exception as error:
        line, code = told(error)
        print(f"attnmask: {line}", file=sys.stderr)
    finally:
        os._exit(code)


def _waited(child: int, stage: Stage, words: Path) -> int:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return status
        time.sleep(0.002)
    os.kill(child, signal.SIGUSR1)  # it says where it stands
    time.sleep(1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise RuntimeError(f"{stage.name} did not end in {PATIENCE} seconds: {words.read_text(errors='replace')}")


def contents(folder: Path) -> Mapping[str, str]:
    """The digest of every file of a folder, hidden ones too: what a dead run left shows as one too many.

    What differs by nature is left out: a log tells the time, a manifest what went wrong on the way.
    """
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(_result(path)).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != LOG_NAME
    }


def _result(path: Path) -> bytes:
    if path.name != FILE_NAME:
        return path.read_bytes()
    return json.dumps({**json.loads(path.read_text()), "incidents": None}).encode()


def leftovers(home: Path) -> list[str]:
    """Hidden folders of writers, which only a killed one leaves."""
    return [path.name for path in home.rglob(f"{PARTIAL}*")]


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch in a single thread: its pool of threads would not outlive a fork."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
