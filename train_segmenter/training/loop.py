"""The training loop, on accelerate: any device, precision and number of processes, resumable to the bit."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import DistributedDataParallelKwargs, gather_object
from torch import Tensor, nn

from diffusers_attnmask.ground.accelerators import own_accelerator
from diffusers_attnmask.ground.atomic_files import replacing_files, write_text
from diffusers_attnmask.ground.bars import Bar, moving_bar
from diffusers_attnmask.ground.json_files import read_json
from diffusers_attnmask.ground.own_folder import own_folder
from train_segmenter.data.base import Source
from train_segmenter.data.segments import Shown
from train_segmenter.evaluation.judge import Share, evaluate, merge
from train_segmenter.evaluation.pictures import validation_sheet
from train_segmenter.evaluation.scores import Report
from train_segmenter.models.base import Segmenter
from train_segmenter.models.registry import load
from train_segmenter.training import checkpoint
from train_segmenter.training.batches import on_device, training_batches
from train_segmenter.training.divergence import check_finite, check_finite_weights
from train_segmenter.training.ema import WeightAverage
from train_segmenter.training.fingerprint import check_same, fingerprint, marks, settings
from train_segmenter.training.losses import Criterion
from train_segmenter.training.optimizer import new_optimizer
from train_segmenter.training.options import TrainOptions
from train_segmenter.training.schedule import learning_rate_factor
from train_segmenter.training.stopping import Interrupted, stop_asked
from train_segmenter.training.trackers import TRACKERS
from train_segmenter.training.unused_parameters import has_unused_parameters

SUMMARY_FILE = "train.json"
PICTURES = "validation"  # folder of the sheets
USUAL_SIDE = 512  # of training images, where the options do not say


@dataclass(frozen=True)
class Trained:
    """The kept model (averaged weights, the best where there was validation) and its validation report."""

    model: Segmenter
    report: Report | None


def train(
    model: Segmenter,
    source: Source,
    options: TrainOptions,
    out: str | Path,
    *,
    validation: Source | None = None,
    resume: bool = False,
    cpu: bool = False,
    progress: bool = True,
) -> Trained:
    """Trains `model` in place and leaves the model to use in `out`, beside its checkpoints and curves.

    With `validation` the kept weights are those of the best mean IoU, else the last ones.
    """
    with training_folder(out, cpu) as folder:
        return _Run(model, source, options, folder, validation, resume, cpu, progress).complete()


def timed_steps(
    model: Segmenter, source: Source, options: TrainOptions, steps: int, *, cpu: bool = False
) -> list[float]:
    """Seconds of each of the first steps of a training, of which nothing is kept but the trained model."""
    seconds = []
    with TemporaryDirectory() as folder:
        run = _Run(model, source, replace(options, trackers=()), Path(folder), None, False, cpu, False)
        for _ in range(steps):
            began = time.perf_counter()
            run._step()
            run.state.step += 1
            run._loss()  # waits for the device
            seconds.append(time.perf_counter() - began)
    return seconds


def training_folder(out: str | Path, cpu: bool) -> AbstractContextManager[Path]:
    """The folder of a training; of several processes the main one holds it."""
    main = PartialState(cpu=cpu).is_main_process  # made as the accelerator will make it, who keeps the first
    return own_folder(out, "train") if main else nullcontext(Path(out))


def trained_model(
    new_model: Callable[[], Segmenter],
    source: Source,
    options: TrainOptions,
    out: str | Path,
    **arguments: Any,
) -> Segmenter:
    """The model of `out`: as it stands where complete, trained further where stopped, else from `new_model`.

    `arguments` are those of `train`. What was trained with other settings, or on other data, is refused,
    complete or not.
    """
    out = Path(out)
    if (out / SUMMARY_FILE).is_file():
        model = load(out)
        made_with = read_json(out / SUMMARY_FILE)
        asked = {**marks(source, arguments.get("validation")), **settings(options)}
        check_same(made_with, {k: v for k, v in asked.items() if k not in model.settings}, out)
        return model
    return train(new_model(), source, options, out, resume=checkpoint.exists(out), **arguments).model


class _TrainingStep(nn.Module):
    """Loss as `forward`, so that wrappers for several processes and mixed precision see one call."""

    def __init__(self, model: Segmenter, criterion: Criterion) -> None:
        super().__init__()
        self.model, self.criterion = model, criterion

    def forward(self, images: Tensor, masks: Tensor, shown: Sequence[Shown]) -> Tensor:
        return self.model.training_loss(images, masks, self.criterion, shown)


class _Run:
    """One training from its start, or from its newest checkpoint, to the last step."""

    def __init__(
        self,
        model: Segmenter,
        source: Source,
        options: TrainOptions,
        out: Path,
        validation: Source | None,
        resume: bool,
        cpu: bool,
        progress: bool,
    ) -> None:
        check_startable(out, resume)
        self.model, self.options, self.out, self.validation = model, options, out, validation
        self.accelerator = _accelerator(options, cpu)
        processes, device = self.accelerator.num_processes, self.accelerator.device
        self.main = self.accelerator.is_main_process
        self.progress = progress and self.main
        self.optimizer = new_optimizer(model, options)
        # channels last: faster convolutions on most devices, the same numbers
        model.to(device).to(memory_format=torch.channels_last).train()
        if processes > 1:
            unused = has_unused_parameters(model, options.augmentation.crop or USUAL_SIDE)
            self.accelerator.ddp_handler = DistributedDataParallelKwargs(find_unused_parameters=unused)
        model.begin_training(options.augmentation.crop, options.repeats)
        self.average = WeightAverage(model, options.ema) if options.ema else None
        self.step_module, self.prepared_optimizer = self.accelerator.prepare(
            _TrainingStep(model, Criterion.parse(options.loss)), self.optimizer
        )
        self.state = checkpoint.Progress(0, fingerprint(model, source, validation, options, processes))
        if resume:
            self.state = checkpoint.load(
                out,
                self.state.fingerprint,
                model,
                self.optimizer,
                self.average,
                self.accelerator.scaler,
            )
        self.loss_sum = torch.tensor(self.state.loss_sum, device=device)
        self.report: Report | None = None
        self.trackers = (
            [TRACKERS[name](out, self.state.step) for name in options.trackers] if self.main else []
        )
        self.batches = iter(
            training_batches(
                source,
                options,
                self.state.step,
                self.accelerator.process_index,
                processes,
                pinned=device.type == "cuda",
                task=model.spec.task,
            )
        )

    @property
    def kept(self) -> Segmenter:
        """The weights that are judged and saved."""
        return self.average.model if self.average else self.model

    def complete(self) -> Trained:
        options, state = self.options, self.state
        moving = moving_bar("training", options.steps, unit="step", first=state.step, shown=self.progress)
        with stop_asked(self.accelerator.num_processes) as stop, moving:
            while state.step < options.steps:
                self._step()
                state.step += 1
                moving.update()
                last, stopped = state.step == options.steps, stop()
                logs, validates, saves = (
                    last or state.step % every == 0
                    for every in (options.log_every, options.evaluate_every, options.save_every)
                )
                if logs or validates or saves or stopped:
                    check_finite(self._loss(), state.step)  # before anything is kept
                if last or validates or saves or stopped:
                    check_finite_weights(self.model.state_dict().values(), state.step)
                values = self._curve(moving) if logs else {}
                if self.validation is not None and validates:
                    values["mean_iou"] = self._validate(self.validation)
                for tracker in self.trackers if values else ():
                    tracker.log(values, state.step)
                if saves or stopped:
                    self._save()
                if stopped and not last:
                    raise Interrupted(f"Stopped after step {state.step}; --resume continues from there.")
        return self._finish()

    def _step(self) -> None:
        """One optimiser step, over all accumulated passes."""
        options, accelerator, step = self.options, self.accelerator, self.state.step
        factor = learning_rate_factor(step, options)
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
        for part in range(options.accumulate):
            images, masks, shown = on_device(next(self.batches), accelerator.device)
            images = images.to(memory_format=torch.channels_last)
            # Dropout and point sampling are functions of (seed, step, place): nothing to store for resuming.
            place = part * accelerator.num_processes + accelerator.process_index
            torch.manual_seed(
                int(np.random.SeedSequence([options.seed, 4, step, place]).generate_state(1)[0])
            )
            last = part == options.accumulate - 1
            with nullcontext() if last else accelerator.no_sync(self.step_module):
                loss = self.step_module(images, masks, shown) / options.accumulate
                accelerator.backward(loss)
            self.loss_sum += loss.detach()
        if options.clip:
            accelerator.clip_grad_norm_(self.model.parameters(), options.clip)
        self.prepared_optimizer.step()
        self.prepared_optimizer.zero_grad()
        if self.average is not None:
            self.average.update(self.model)
        self.state.loss_count += 1

    def _loss(self) -> float:
        """The mean loss of the steps since the last point of the curve, over all processes."""
        return float(self.accelerator.reduce(self.loss_sum, "mean")) / max(self.state.loss_count, 1)

    def _curve(self, moving: Bar) -> dict[str, float]:
        loss = self._loss()
        self.loss_sum, self.state.loss_count = torch.zeros_like(self.loss_sum), 0
        moving.say(f"loss {loss:.4f}")
        return {"loss": loss, "learning_rate": self.optimizer.param_groups[-1]["lr"]}

    def _validate(self, validation: Source) -> float:
        report = _judge(self.accelerator, self.kept, validation)
        if self.main and self.options.pictures:
            path = self.out / PICTURES / f"step-{self.state.step:08d}.png"
            validation_sheet(self.kept, validation, self.options.pictures, path)
        if self.state.best is None or report.mean_iou > self.state.best:
            self.report = report
            self.state.best = None if math.isnan(report.mean_iou) else report.mean_iou  # nothing to judge
            if self.main:
                self._write_model()
        return report.mean_iou

    def _write_model(self) -> None:
        """The model to use, over the one before, which stands until this one is complete."""
        with replacing_files(self.out) as folder:
            self.kept.save_pretrained(folder)

    def _save(self) -> None:
        self.state.loss_sum = float(self.accelerator.reduce(self.loss_sum, "mean"))
        if self.main:
            checkpoint.save(
                self.out, self.state, self.model, self.optimizer, self.average, self.accelerator.scaler
            )

    def _finish(self) -> Trained:
        for tracker in self.trackers:
            tracker.close()
        if self.main:
            if self.validation is None:
                self._write_model()
            summary = {**self.state.fingerprint, "best_mean_iou": self.state.best}
            write_text(self.out / SUMMARY_FILE, json.dumps(summary, indent=2) + "\n")
        self.accelerator.wait_for_everyone()
        model = load(self.out).to(self.accelerator.device)
        if self.validation is not None and self.report is None:  # resumed after its best evaluation
            self.report = _judge(self.accelerator, model, self.validation)
        return Trained(model, self.report)


def _judge(accelerator: Accelerator, model: Segmenter, source: Source) -> Report:
    share = Share(accelerator.process_index, accelerator.num_processes)
    report = evaluate(model, source, share=share, progress=accelerator.is_main_process)
    return merge(gather_object([report])) if accelerator.num_processes > 1 else report


def _accelerator(options: TrainOptions, cpu: bool) -> Accelerator:
    if options.dtype == "fp16" and (cpu or not torch.cuda.is_available()):
        raise ValueError("fp16 training needs a GPU; on the CPU use fp32 or bf16.")
    return own_accelerator(options.dtype, cpu=cpu)


def check_startable(out: Path, resume: bool) -> None:
    """Refuse a folder that holds a training, unless it is to go on."""
    if resume:
        return
    # a model alone is what a training leaves that is killed before its first checkpoint
    if checkpoint.exists(out) or (out / SUMMARY_FILE).exists():
        raise FileExistsError(
            f"{out} already holds a training. Continue it with --resume, or choose another folder."
        )
