"""Seg-diffusion trains like any segmenter: it learns, resumes to the bit, keeps its frozen parts."""

import copy
import os
import signal
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from diffusers_attnmask import SegDiffusionPipeline
from tests.train_segmenter.models.seg_diffusion.small_segmenters import OPTIONS, SIZE, small_segmenter
from tests.train_segmenter.shapes import NAMES, Squares
from train_segmenter.evaluation import Inference
from train_segmenter.models import create, load
from train_segmenter.models.seg_diffusion.latent_cache import LatentCache
from train_segmenter.models.seg_diffusion.options import SegDiffusionOptions, whole_images
from train_segmenter.training.fingerprint import looked_at
from train_segmenter.training.loop import Interrupted, train
from train_segmenter.training.trackers import read_log

DATA = Squares(6, size=SIZE)
PARTS = ("unet/diffusion_pytorch_model.safetensors", "content_attention/diffusion_pytorch_model.safetensors")


def run(out, model=None, data=DATA, options=OPTIONS, **arguments):
    return train(model or small_segmenter(), data, options, out, cpu=True, progress=False, **arguments)


def same_weights(one, other):
    for part in PARTS:
        for name, value in load_file(one / part).items():
            torch.testing.assert_close(load_file(other / part)[name], value, rtol=0, atol=0)


def test_interrupted_and_resumed_equals_uninterrupted(tmp_path):
    whole = run(tmp_path / "whole", validation=Squares(1, 500, SIZE))
    read = []

    class Stopping(Squares):
        def __getitem__(self, index):
            read.append(index)
            if len(read) == len(looked_at(6)) + 5:  # within the third step
                os.kill(os.getpid(), signal.SIGINT)
            return super().__getitem__(index)

    with pytest.raises(Interrupted, match=r"after step 3.*--resume"):
        run(tmp_path / "parts", data=Stopping(6, size=SIZE), validation=Squares(1, 500, SIZE))
    run(tmp_path / "parts", validation=Squares(1, 500, SIZE), resume=True)
    assert read_log(tmp_path / "parts") == read_log(tmp_path / "whole")
    same_weights(tmp_path / "whole", tmp_path / "parts")
    assert [path.name for path in (tmp_path / "whole/validation").iterdir()] == ["step-00000004.png"]
    assert whole.model.pipe.config.processing_res == SIZE
    assert whole.model.pipe.trained_classes == ["red", "blue"]


def test_it_learns_to_denoise_masks(tmp_path):
    """Two pairs again and again: what is predicted comes nearer to the velocity."""
    options = replace(OPTIONS, steps=60, batch_size=8, learning_rate=3e-3, save_every=60)
    run(tmp_path, data=Squares(2, size=SIZE), options=options)
    losses = [line["loss"] for line in read_log(tmp_path)]
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])


def test_only_the_unet_and_the_attention_change(tmp_path):
    model = small_segmenter()
    before = copy.deepcopy({name: part.state_dict() for name, part in parts_of(model).items()})
    run(tmp_path, model, options=replace(OPTIONS, steps=1, ema=0.0))
    for name, part in parts_of(model).items():
        changed = any(not torch.equal(value, before[name][key]) for key, value in part.state_dict().items())
        assert changed == (name in ("unet", "content_attention")), name


def parts_of(model):
    return {name: getattr(model.pipe, name) for name in ("unet", "content_attention", "vae", "text_encoder")}


def test_a_copy_has_networks_of_its_own_and_shares_the_frozen_parts():
    model = small_segmenter()
    other = copy.deepcopy(model)
    assert other.pipe.vae is model.pipe.vae and other.pipe.unet is not model.pipe.unet
    assert other.pipe.unet is other.network["unet"] and other.class_names == model.class_names
    assert not any(name.startswith(("vae", "text")) for name in model.state_dict())


@pytest.mark.parametrize(
    "options",
    [
        {"encoding": "levels"},
        {"noise": "pyramid", "content_attention": False},
        {"gradient_checkpointing": True, "phrases": {"red": ["a red table", "the red car"]}},
    ],
)
def test_every_option_trains_and_is_judged(tmp_path, options):
    trained = run(tmp_path, small_segmenter(**options), options=replace(OPTIONS, steps=1, dtype="bf16"))
    assert all(line["loss"] > 0 for line in read_log(tmp_path))
    logits = trained.model(torch.rand(2, 3, 40, 48))
    assert logits.shape == (2, 3, 40, 48) and torch.isfinite(logits).all()
    assert trained.model.options.encoding == options.get("encoding", "binary")


def test_gradient_checkpointing_gives_the_same_loss():
    images, masks = torch.rand(2, 3, SIZE, SIZE), torch.randint(0, 3, (2, SIZE, SIZE))
    losses = []
    for checkpointing in (False, True):
        model = small_segmenter(gradient_checkpointing=checkpointing).train()
        model.begin_training(SIZE, repeats=True)
        torch.manual_seed(1)
        loss = model.training_loss(images, masks, None)
        loss.backward()
        losses.append(loss.detach())
        assert model.pipe.unet.conv_in.weight.grad.abs().sum() > 0
    torch.testing.assert_close(*losses)


def test_its_masks_are_those_of_the_pipeline():
    model = small_segmenter().eval()
    image = DATA[0].image
    generator = torch.Generator().manual_seed(0)
    out = model.pipe(
        image, ["red", "blue"], denoising_steps=1, ensemble_size=1, generator=generator, output_type="np"
    )
    assert (Inference().mask(model, image) == out.masks[0]).mean() > 0.99


def test_it_is_judged_with_the_penalty_of_the_pipeline():
    model = small_segmenter().eval()
    model.begin_training(SIZE, repeats=True)
    wider = model.for_classes((*model.class_names, "green")).sampled(seen_penalty=0.1)
    generator = torch.Generator().manual_seed(0)
    out = model.pipe(
        DATA[0].image,
        ["red", "blue", "green"],
        denoising_steps=1,
        ensemble_size=1,
        seen_penalty=0.1,
        generator=generator,
        output_type="np",
    )
    assert (Inference().mask(wider, DATA[0].image) == out.masks[0]).mean() > 0.99


def test_latents_are_cached_where_images_come_again():
    model = small_segmenter()
    model.begin_training(SIZE, repeats=True)
    assert isinstance(model.learning.latents, LatentCache)
    model = small_segmenter()
    model.begin_training(SIZE, repeats=False)
    assert not isinstance(model.learning.latents, LatentCache)
    assert OPTIONS.repeats
    assert not replace(OPTIONS, augmentation=replace(OPTIONS.augmentation, scale=(0.5, 2.0))).repeats


def test_other_classes_are_asked_of_the_same_weights(tmp_path):
    model = small_segmenter()
    other = model.for_classes(("background", "star"))
    assert other.open_vocabulary and other.pipe is model.pipe and other.class_names == ("background", "star")
    assert other(torch.rand(1, 3, SIZE, SIZE)).shape == (1, 2, SIZE, SIZE)
    assert not small_segmenter(encoding="levels").open_vocabulary


def test_other_classes_are_asked_where_the_model_is():
    model = small_segmenter().to("meta")
    assert model.for_classes(("background", "star")).mean.device.type == "meta"


def test_classes_without_a_background(tmp_path):
    names = ("road", "red", "blue")
    model = small_segmenter(names)
    run(tmp_path, model, Squares(4, size=SIZE, class_names=names), replace(OPTIONS, steps=1))
    assert model.foreground == (0, 1, 2)
    assert torch.isfinite(model(torch.rand(1, 3, SIZE, SIZE))).all()


def test_a_checkpoint_is_named_and_the_result_is_a_pipeline(tmp_path):
    from tests.small_models import sd15

    sd15().save_pretrained(tmp_path / "start")
    torch.manual_seed(0)
    options = {"encoding": "levels", "noise": "pyramid", "absent": 0.5, "ensemble_size": 3}
    model = create(f"seg-diffusion:{tmp_path / 'start'}", NAMES, **options)
    assert model.spec.model == "seg-diffusion:start" and model.pipe.config.noise == "pyramid"
    model.save_pretrained(tmp_path / "saved")
    again = load(tmp_path / "saved")
    assert again.class_names == NAMES and again.options == model.options == SegDiffusionOptions(**options)
    assert SegDiffusionPipeline.from_pretrained(tmp_path / "saved").config.encoding == "levels"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: create("seg-diffusion", NAMES, "none"), "begins from the weights"),
        (
            lambda: create("seg-diffusion", NAMES, encodings="levels"),
            "there is no option encodings: did you mean encoding",
        ),
        (lambda: SegDiffusionOptions(absent=1.0), "absent must be below 1, not 1.0"),
        (lambda: SegDiffusionOptions(latent_cache=-1), "latent_cache must be at least 0, not -1"),
        (lambda: SegDiffusionOptions(noisiness=0), "noisiness must be above 0, not 0"),
        (lambda: create("seg-diffusion", NAMES, prediction="epsilon"), "choose 'v_prediction'"),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_whole_images_are_seen_at_the_crops_size():
    augmentation = whole_images(64, 128, 256)
    assert (augmentation.crop, augmentation.scale) == (64, (0.5, 0.5)) and augmentation.repeats
