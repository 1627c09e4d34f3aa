"""Training learns, resumes to the bit, keeps the best, and is the same in one process or two."""

import itertools
import json
import os
import signal
import threading
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.utils._python_dispatch import TorchDispatchMode

from diffusers_attnmask.ground.atomic_files import write_text
from diffusers_attnmask.ground.options import read_options
from diffusers_attnmask.ground.own_folder import MARK
from tests.train_segmenter.shapes import SMALL_TRAINING, Squares, small_model
from train_segmenter.augmentation.transforms import Augmentation
from train_segmenter.data import Mixture
from train_segmenter.data.base import shown_ids
from train_segmenter.evaluation import evaluate
from train_segmenter.models import load
from train_segmenter.models.registry import KINDS
from train_segmenter.training.batches import Batch, on_device, training_batches
from train_segmenter.training.divergence import Diverged
from train_segmenter.training.ema import WeightAverage
from train_segmenter.training.fingerprint import looked_at
from train_segmenter.training.loop import Interrupted, train, trained_model
from train_segmenter.training.options import TrainingRecipe, TrainOptions
from train_segmenter.training.schedule import learning_rate_factor
from train_segmenter.training.trackers import read_log

DATA = Squares(12)
OPTIONS = SMALL_TRAINING


def model(drops=True):
    return small_model(drop_path_rate=0.3 if drops else 0.0)


def run(out, options=OPTIONS, **arguments):
    return train(model(), DATA, options, out, cpu=True, progress=False, **arguments)


def weights(folder):
    return load_file(folder / "model.safetensors")


def test_it_learns_the_squares(tmp_path):
    options = replace(
        OPTIONS, steps=60, batch_size=8, learning_rate=1e-2, log_every=20, evaluate_every=60, save_every=60
    )
    trained = train(
        model(False), Squares(40), options, tmp_path, validation=Squares(10, 500), cpu=True, progress=False
    )
    assert trained.report.mean_iou > 0.8
    curve = [line["loss"] for line in read_log(tmp_path)]
    assert curve[-1] < 0.5 * curve[0]
    again = evaluate(load(tmp_path), Squares(10, 500), progress=False)
    assert again.mean_iou == pytest.approx(trained.report.mean_iou, abs=1e-3)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_interrupted_and_resumed_equals_uninterrupted(tmp_path, accumulate):
    options = replace(OPTIONS, accumulate=accumulate, log_every=2)
    validation = Squares(4, 500)
    run(tmp_path / "whole", options, validation=validation)

    seen = []

    class Stopping(Squares):
        def __getitem__(self, index):
            seen.append(index)
            if len(seen) == len(looked_at(12)) + 5 * accumulate:  # within the third step
                os.kill(os.getpid(), signal.SIGINT)
            return super().__getitem__(index)

    with pytest.raises(Interrupted, match=r"after step 3.*--resume"):
        train(
            model(),
            Stopping(12),
            options,
            tmp_path / "parts",
            validation=validation,
            cpu=True,
            progress=False,
        )
    run(tmp_path / "parts", options, validation=validation, resume=True)
    assert read_log(tmp_path / "parts") == read_log(tmp_path / "whole")
    for name, value in weights(tmp_path / "whole").items():
        torch.testing.assert_close(weights(tmp_path / "parts")[name], value, rtol=0, atol=0)


def test_a_killed_training_goes_on_from_its_last_checkpoint(tmp_path):
    run(tmp_path / "whole")

    class Dying(Squares):
        def __getitem__(self, index):
            if index == last_pair:
                raise OSError("the disk went away")
            return super().__getitem__(index)

    batches = training_batches(DATA, OPTIONS, 0, 0, 1)
    last_pair = int(batches.dataset.drawn.order[9])  # of the fifth step, when checkpoint 3 is written
    assert last_pair not in batches.dataset.drawn.order[:8]
    with pytest.raises(OSError, match="went away"):
        train(model(), Dying(12), OPTIONS, tmp_path / "parts", cpu=True, progress=False)
    assert [line["step"] for line in read_log(tmp_path / "parts")] == [1, 2, 3, 4]
    run(tmp_path / "parts", resume=True)
    assert read_log(tmp_path / "parts") == read_log(tmp_path / "whole")
    for name, value in weights(tmp_path / "whole").items():
        torch.testing.assert_close(weights(tmp_path / "parts")[name], value, rtol=0, atol=0)


def test_a_training_killed_between_its_first_model_and_checkpoint_begins_anew(tmp_path):
    """Its best model so far stands there already, and there is nothing to resume."""
    run(tmp_path / "whole")
    (tmp_path / "parts").mkdir()
    write_text(tmp_path / "parts" / MARK, "train\n")
    model().save_pretrained(tmp_path / "parts")
    run(tmp_path / "parts")
    for name, value in weights(tmp_path / "whole").items():
        assert torch.equal(weights(tmp_path / "parts")[name], value)
    with pytest.raises(FileExistsError, match="already holds a training"):
        run(tmp_path / "parts")


def test_resuming_with_other_settings_is_refused(tmp_path):
    run(tmp_path, replace(OPTIONS, steps=3))
    with pytest.raises(ValueError, match="steps was 3, now 6"):
        run(tmp_path, resume=True)
    with pytest.raises(FileExistsError, match="--resume"):
        run(tmp_path)
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        run(tmp_path / "elsewhere", resume=True)


OTHER = Squares(12, start=100)  # other pixels under the same names


@pytest.mark.parametrize(
    ("began", "goes_on", "told"),
    [
        ((DATA, None), (OTHER, None), r"data_pixels was '\w{16}', now '\w{16}'"),
        ((DATA, None), (DATA, OTHER), r"validation_pixels was None, now '\w{16}'"),
        ((DATA, OTHER), (DATA, None), r"validation_pixels was '\w{16}', now None"),
        (
            (Mixture((DATA, OTHER), (3, 1)), None),
            (Mixture((DATA, OTHER), (1, 1)), None),
            r"weights was \[3, 1\]",
        ),
        ((Mixture((DATA, OTHER), (1, 1)), None), (Mixture((OTHER, DATA), (1, 1)), None), "data_pixels"),
    ],
)
def test_resuming_with_other_data_is_refused(tmp_path, began, goes_on, told):
    options = replace(OPTIONS, steps=1, save_every=1, pictures=0)

    def trained(data, resume):
        source, validation = data
        train(
            model(), source, options, tmp_path, validation=validation, resume=resume, cpu=True, progress=False
        )

    trained(began, resume=False)
    trained(began, resume=True)
    with pytest.raises(ValueError, match=rf"{tmp_path} cannot be resumed .*{told}"):
        trained(goes_on, resume=True)


def test_a_complete_training_stands_only_for_the_same_settings(tmp_path):
    options = replace(OPTIONS, steps=1)
    made = trained_model(model, DATA, options, tmp_path, cpu=True, progress=False)
    log = read_log(tmp_path)
    again = trained_model(model, DATA, replace(options, save_every=7), tmp_path, cpu=True, progress=False)
    assert read_log(tmp_path) == log, "nothing is trained twice"
    for name, value in again.state_dict().items():
        torch.testing.assert_close(value, made.state_dict()[name], rtol=0, atol=0)
    with pytest.raises(ValueError, match="steps was 1, now 2"):
        trained_model(model, DATA, replace(options, steps=2), tmp_path, cpu=True, progress=False)
    with pytest.raises(ValueError, match="pairs was 12, now 5"):
        trained_model(model, Squares(5), options, tmp_path, cpu=True, progress=False)
    with pytest.raises(ValueError, match="data_pixels was"):
        trained_model(model, OTHER, options, tmp_path, cpu=True, progress=False)


def test_worker_processes_change_nothing():
    one, two = (list(training_batches(DATA, replace(OPTIONS, workers=count), 2, 0, 1)) for count in (0, 2))
    assert len(one) == 4
    for batch, other in zip(one, two, strict=True):
        torch.testing.assert_close(batch.images, other.images, rtol=0, atol=0)
        torch.testing.assert_close(batch.masks, other.masks, rtol=0, atol=0)
        assert batch.shown == other.shown == tuple(shown_ids(mask.numpy()) for mask in batch.masks)


class Travelling(torch.Tensor):
    """Knows whether it was sent without waiting."""

    def to(self, device, non_blocking=False):
        self.waited_for = not non_blocking
        return self


def test_batches_go_to_the_device_without_a_wait():
    images, masks = (torch.zeros(1).as_subclass(Travelling) for _ in range(2))
    sent = on_device(Batch(images, masks, ((0,),)), torch.device("cpu"))
    assert not sent.images.waited_for and not sent.masks.waited_for and sent.shown == ((0,),)
    assert training_batches(DATA, OPTIONS, 0, 0, 1, pinned=True).pin_memory


def test_the_best_weights_are_kept_not_the_last(tmp_path, monkeypatch):
    from train_segmenter.training import loop as training

    scores = iter([0.2, 0.9, 0.4])
    kept = []

    def judge(accelerator, judged, source):
        report = evaluate(judged, source, progress=False)
        kept.append({name: value.clone() for name, value in judged.network.state_dict().items()})
        monkeypatch.setattr(type(report), "mean_iou", next(scores))
        return report

    monkeypatch.setattr(training, "_judge", judge)
    run(tmp_path, replace(OPTIONS, evaluate_every=2), validation=Squares(2, 500))
    for name, value in weights(tmp_path).items():
        torch.testing.assert_close(value, kept[1][name], rtol=0, atol=0)
    assert json.loads((tmp_path / "train.json").read_text())["best_mean_iou"] == 0.9


def test_averaged_weights_follow_their_definition():
    network = torch.nn.Linear(2, 1, bias=False)
    average = WeightAverage(network, 0.5)
    expected = network.weight.detach().clone()
    for update in range(1, 12):
        with torch.no_grad():
            network.weight += update
        average.update(network)
        decay = min(0.5, (1 + update) / (10 + update))
        expected = decay * expected + (1 - decay) * network.weight.detach()
    torch.testing.assert_close(average.model.weight.detach(), expected)


class Kernels(TorchDispatchMode):
    """Counts the operations of a block."""

    def __init__(self):
        super().__init__()
        self.count = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count[function.overloadpacket.__name__] += 1
        return function(*args, **(kwargs or {}))


def test_weights_are_averaged_by_one_kernel_and_counters_copied(tmp_path):
    network = model().network
    average = WeightAverage(network, 0.5)
    expected = {name: value.clone() for name, value in average.model.state_dict().items()}
    with torch.no_grad():
        for value in network.state_dict().values():
            value.add_(1)
    with Kernels() as kernels:
        average.update(network)
    assert kernels.count["_foreach_lerp_"] == kernels.count["_foreach_copy_"] == 1
    assert kernels.count["lerp_"] == kernels.count["copy_"] == 0
    for name, value in average.model.state_dict().items():
        current = network.state_dict()[name]
        if value.is_floating_point():
            current = expected[name].lerp(current, 1 - 2 / 11)
        assert torch.equal(value, current), name


def test_bf16_trains_and_fp16_needs_a_gpu(tmp_path):
    run(tmp_path / "bf16", replace(OPTIONS, dtype="bf16", steps=2))
    assert all(np.isfinite(line["loss"]) for line in read_log(tmp_path / "bf16"))
    assert weights(tmp_path / "bf16")["segmentation_head.0.weight"].dtype == torch.float32
    with pytest.raises(ValueError, match="fp16 training needs a GPU"):
        run(tmp_path / "fp16", replace(OPTIONS, dtype="fp16"))


def test_tensorboard_gets_the_curves(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(tmp_path, replace(OPTIONS, trackers=("jsonl", "tensorboard"), steps=3))
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    written = [(event.step, event.value) for event in events.Scalars("loss")]
    logged = [(line["step"], line["loss"]) for line in read_log(tmp_path)]
    np.testing.assert_allclose(written, logged, rtol=1e-6)


def test_images_of_differing_sizes_need_a_crop(tmp_path):
    class Growing(Squares):
        def __getitem__(self, index):
            return Squares(self.count, size=32 + 4 * index)[index]

    options = replace(OPTIONS, augmentation=Augmentation(crop=None, scale=(1, 1)))
    with pytest.raises(ValueError, match=r"differ in size.*crop"):
        train(model(), Growing(12), options, tmp_path, cpu=True, progress=False)


@pytest.mark.parametrize("schedule", ["poly", "cosine"])
def test_learning_rate_rises_then_falls_to_nothing(schedule):
    options = TrainOptions(steps=100, warmup=10, schedule=schedule)
    factors = [learning_rate_factor(step, options) for step in range(101)]
    assert factors[0] == 0.1 and factors[10] == 1 and factors[100] == pytest.approx(0)
    assert all(a > b for a, b in itertools.pairwise(factors[10:]))
    half = 0.5**0.9 if schedule == "poly" else 0.5
    assert factors[55] == pytest.approx(half)


def test_options_name_what_is_wrong():
    for values, message in [
        ({"steps": 0}, "steps must be at least 1, not 0"),
        ({"dtype": "int8"}, "'fp32', 'bf16' or 'fp16'"),
        ({"schedule": "step"}, "'poly' or 'cosine'"),
        ({"ema": 1.0}, "ema must be below 1"),
        ({"loss": "hinge"}, "Unknown loss"),
        ({"trackers": ("wandb",)}, r"trackers\[0\] must be \'jsonl\' or \'tensorboard\'"),
    ]:
        with pytest.raises(ValueError, match=message):
            TrainOptions(**values)
    with pytest.raises(ValueError, match="there is no option stepps: did you mean steps"):
        read_options(TrainOptions, {"stepps": 3}, "training")
    with pytest.raises(ValueError, match="augmentation has no option zoom: it has crop"):
        read_options(TrainOptions, {"augmentation": {"zoom": 3}}, "training")


def test_published_recipes_are_read(tmp_path):
    import recipes

    names = recipes.names(training=True)
    assert len(names) >= 5
    for name in names:
        recipe = TrainingRecipe.read(recipes.find(name))
        assert recipe.training.augmentation.crop and recipe.model.split(":")[0] in KINDS
    deeplab = TrainingRecipe.read(recipes.find("train-deeplabv3-r50-voc"))
    assert deeplab.model == "smp:deeplabv3:resnet50"
    assert (deeplab.training.steps, deeplab.training.learning_rate, deeplab.training.backbone_factor) == (
        20000,
        1e-4,
        0.1,
    )
    bad = tmp_path / "bad.yaml"
    bad.write_text("training: {steps: 3}")
    with pytest.raises(ValueError, match=r"bad\.yaml: model is missing"):
        TrainingRecipe.read(bad)


def test_signals_are_put_back_and_threads_train_too(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=run, args=(tmp_path, replace(OPTIONS, steps=1)))
    thread.start()
    thread.join()
    assert (tmp_path / "config.json").exists() and signal.getsignal(signal.SIGINT) is before
    run(tmp_path / "main", replace(OPTIONS, steps=1))
    assert signal.getsignal(signal.SIGINT) is before


def test_a_training_whose_step_breaks_its_weights_keeps_nothing_of_it(tmp_path, monkeypatch):
    def break_weights(own, *_, **__):
        own.param_groups[0]["params"][0].data.fill_(torch.inf)

    monkeypatch.setattr(torch.optim.AdamW, "step", break_weights)
    with pytest.raises(Diverged, match="weights are no numbers any more after step 1: take a smaller"):
        train(model(), DATA, replace(OPTIONS, steps=1), tmp_path, cpu=True, progress=False)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_training_stops_where_its_loss_is_no_number_and_keeps_nothing_of_it(tmp_path):
    lost = model()
    torch.nn.init.constant_(next(lost.parameters()), float("nan"))
    with pytest.raises(Diverged, match="the loss is nan by step 1: take a smaller learning rate"):
        train(lost, DATA, OPTIONS, tmp_path, cpu=True, progress=False)
    assert not list(tmp_path.rglob("*.safetensors"))
