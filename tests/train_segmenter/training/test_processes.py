"""Several processes train as one, stop and go on together, and know whether weights are unused."""

import json
import multiprocessing
import os
import signal
import socket
import sys
from dataclasses import replace

import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file
from torch import nn

from tests.train_segmenter.models.seg_diffusion.small_segmenters import small_segmenter
from tests.train_segmenter.shapes import (
    NAMES,
    SMALL_MASK2FORMER,
    SMALL_TRAINING,
    Squares,
    small_mask2former,
    small_model,
)
from train_segmenter.models import create
from train_segmenter.training import checkpoint
from train_segmenter.training.fingerprint import looked_at
from train_segmenter.training.loop import Interrupted, train
from train_segmenter.training.trackers import read_log
from train_segmenter.training.unused_parameters import has_unused_parameters

DATA = Squares(12)
OPTIONS = replace(SMALL_TRAINING, save_every=100)
PATIENCE = 100  # seconds, after which a process is taken to hang


def in_two_processes(work, *arguments):
    """Runs `work(rank, *arguments)` in two processes of one training; their exit codes."""
    context = multiprocessing.get_context("fork")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    processes = [context.Process(target=_process, args=(rank, port, work, *arguments)) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(PATIENCE)
        process.kill()
        process.join()
    return [process.exitcode for process in processes]


def _process(rank, port, work, *arguments):
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", LOCAL_WORLD_SIZE="2",
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), ACCELERATE_USE_CPU="true",
    )  # fmt: skip
    torch.set_num_threads(1)
    AcceleratorState._reset_state(reset_partial_state=True)  # that of the process it was forked from
    work(rank, *arguments)
    torch.distributed.destroy_process_group()


def train_whole(rank, out):
    train(small_model(), DATA, OPTIONS, out, validation=Squares(5, 500), cpu=True, progress=False)


def test_two_processes_train_as_one_that_accumulates_twice(tmp_path):
    """Equal losses at the first step and nearly equal ones after: only batch-norm statistics stay local."""
    assert in_two_processes(train_whole, tmp_path / "two") == [0, 0]
    options = replace(OPTIONS, accumulate=2)
    train(
        small_model(), DATA, options, tmp_path / "one", validation=Squares(5, 500), cpu=True, progress=False
    )
    two, one = ([line["loss"] for line in read_log(tmp_path / name)] for name in ("two", "one"))
    assert two[0] == pytest.approx(one[0], rel=1e-5)
    assert two == pytest.approx(one, rel=2e-2)
    summary = json.loads((tmp_path / "two/train.json").read_text())
    assert summary["processes"] == 2 and summary["best_mean_iou"] is not None


def without_batch_statistics(model):
    """The model with its normalisation as it stands, which else would see the pairs of one process alone."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval().train = lambda mode=True, own=module: own
    return model


# No pixel is ignored, so that the mean over a batch is that of the means over its halves.
UNSCALED = replace(OPTIONS, augmentation=replace(OPTIONS.augmentation, scale=(1.0, 1.0)))


def train_halves(rank, out):
    train(without_batch_statistics(small_model()), DATA, UNSCALED, out, cpu=True, progress=False)


def test_two_processes_train_as_one_with_twice_the_batch(tmp_path):
    assert in_two_processes(train_halves, tmp_path / "two") == [0, 0]
    options = replace(UNSCALED, batch_size=2 * UNSCALED.batch_size)
    model = without_batch_statistics(small_model())
    train(model, DATA, options, tmp_path / "one", cpu=True, progress=False)
    two, one = ([line["loss"] for line in read_log(tmp_path / name)] for name in ("two", "one"))
    assert len(two) == OPTIONS.steps and two == pytest.approx(one, rel=1e-4)
    weights = [load_file(tmp_path / name / "model.safetensors") for name in ("two", "one")]
    for name, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][name], rtol=1e-3, atol=1e-4)


def train_watched(rank, out):
    """The second process writes nothing."""
    if rank == 1:
        sys.addaudithook(refuse_writing)
    train_whole(rank, out)


def refuse_writing(event, arguments):
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
        assert "watched" not in str(arguments[0]), arguments[0]
    assert event not in ("os.mkdir", "os.rename", "os.remove") or "watched" not in str(arguments[0])


def test_only_the_main_process_writes(tmp_path):
    assert in_two_processes(train_watched, tmp_path / "watched") == [0, 0]
    assert (tmp_path / "watched/train.json").is_file()


class Signalled(Squares):
    """The second process alone hears a signal, when it reads for its third step."""

    def __getitem__(self, index):
        READ.append(index)
        if len(READ) == len(looked_at(12)) + 2 * OPTIONS.batch_size + 1 and os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGTERM)
        return super().__getitem__(index)


READ = []


def train_signalled(rank, out):
    with pytest.raises(Interrupted, match="after step 3"):
        train(small_model(), Signalled(12), OPTIONS, out, cpu=True, progress=False)


def test_a_signal_to_one_process_stops_all_after_the_same_step(tmp_path):
    assert in_two_processes(train_signalled, tmp_path) == [0, 0], "none waits for the other for ever"
    assert [line["step"] for line in read_log(tmp_path)] == [1, 2, 3]
    (saved,) = (tmp_path / checkpoint.FOLDER).iterdir()
    assert saved.name == "step-00000003"


def train_resumed(rank, out):
    train(small_model(), DATA, OPTIONS, out, resume=True, cpu=True, progress=False)


def train_at_once(rank, out):
    train(small_model(), DATA, OPTIONS, out, cpu=True, progress=False)


def test_stopped_and_resumed_processes_train_as_those_that_were_not(tmp_path):
    assert in_two_processes(train_signalled, tmp_path / "stopped") == [0, 0]
    assert in_two_processes(train_resumed, tmp_path / "stopped") == [0, 0]
    assert in_two_processes(train_at_once, tmp_path / "whole") == [0, 0]
    assert read_log(tmp_path / "stopped") == read_log(tmp_path / "whole")
    stopped, whole = (load_file(tmp_path / name / "model.safetensors") for name in ("stopped", "whole"))
    assert all(torch.equal(value, whole[name]) for name, value in stopped.items())


def test_another_number_of_processes_does_not_go_on(tmp_path):
    assert in_two_processes(train_signalled, tmp_path) == [0, 0]
    with pytest.raises(ValueError, match="processes was 2, now 1"):
        train(small_model(), DATA, OPTIONS, tmp_path, resume=True, cpu=True, progress=False)


@pytest.mark.parametrize(
    ("new_model", "expected"),
    [
        (lambda: create("smp:unet:resnet18", NAMES, "none"), False),
        (lambda: create("smp:unet:efficientnet-b0", NAMES, "none"), True),
        (lambda: create("smp:pspnet:resnet18", NAMES, "none"), True),
        (small_model, True),  # cut to three stages
        (small_mask2former, False),
        (lambda: create("mask2former:swin-tiny", NAMES, "none", **SMALL_MASK2FORMER), True),
        (small_segmenter, False),
    ],
)
def test_unused_weights_are_found_and_the_model_is_left_as_it_was(new_model, expected):
    model = new_model().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert has_unused_parameters(model, 64) == expected
    assert model.training and all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
