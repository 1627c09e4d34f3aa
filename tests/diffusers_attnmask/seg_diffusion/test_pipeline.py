"""What the pipeline promises of its masks, with random networks of every prediction type."""

import accelerate
import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, EulerAncestralDiscreteScheduler, LCMScheduler
from PIL import Image

from diffusers_attnmask.ground.images import rgb_images
from diffusers_attnmask.seg_diffusion.denoising import member_seeds
from diffusers_attnmask.seg_diffusion.ensemble import merged
from diffusers_attnmask.seg_diffusion.noise import draw_noise
from diffusers_attnmask.seg_diffusion.pipeline import SegDiffusionPipeline
from tests.diffusers_attnmask.seg_diffusion.small_pipelines import asked, fresh_pipeline, shared_pipeline
from tests.small_models import picture, sd15, sdxl

PREDICTIONS = ("epsilon", "v_prediction")
IMAGE = picture(size=64)


@torch.no_grad()
def reference_values(pipe, image, word, steps, seed):
    """Grey values (H, W) of one class and one member, by the definition of DDIM on trailing timesteps."""
    scheduler = pipe.scheduler
    pixels = 2 * rgb_images(image)[0][None] - 1
    latent = pipe.vae.encode(pixels).latent_dist.mode() * pipe.vae.config.scaling_factor
    ids = pipe.tokenizer(
        f"a photo of a {word}", padding="max_length", max_length=77, return_tensors="pt"
    ).input_ids
    text = pipe.content_attention(pipe.text_encoder(ids)[0], latent)
    alphas = scheduler.alphas_cumprod
    generator = torch.Generator().manual_seed(seed)
    mask = draw_noise("gaussian", latent.shape, generator, torch.device("cpu"), torch.float32)
    for time in (round(1000 - index * 1000 / steps) - 1 for index in range(steps)):
        answer = pipe.unet(torch.cat([latent, mask], dim=1), time, text).sample
        alpha, before = alphas[time], time - 1000 // steps
        later = alphas[before] if before >= 0 else scheduler.final_alpha_cumprod
        if scheduler.config.prediction_type == "epsilon":
            clean, noise = (mask - (1 - alpha).sqrt() * answer) / alpha.sqrt(), answer
        else:
            clean = alpha.sqrt() * mask - (1 - alpha).sqrt() * answer
            noise = alpha.sqrt() * answer + (1 - alpha).sqrt() * mask
        mask = later.sqrt() * clean + (1 - later).sqrt() * noise
    decoded = pipe.vae.decode(mask / pipe.vae.config.scaling_factor).sample[0]
    return (decoded.mean(dim=0) / 2 + 0.5).clamp(0, 1)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_it_samples_as_defined_and_merges_by_the_median(prediction):
    pipe = shared_pipeline(prediction)
    out = asked(pipe, IMAGE, denoising_steps=3, ensemble_size=3, seed=4)
    seeds = member_seeds(3, torch.Generator().manual_seed(4))
    members = torch.stack(
        [
            torch.stack([reference_values(pipe, IMAGE, word, 3, seed) for word in ("dog", "cat")])
            for seed in seeds
        ]
    )
    middle, deviation = merged(members)
    torch.testing.assert_close(out.probabilities[0], middle, atol=1e-3, rtol=0)
    torch.testing.assert_close(out.uncertainty[0], deviation.amax(dim=0), atol=1e-3, rtol=0)
    expected = torch.where(middle.amax(dim=0) > 0.5, middle.argmax(dim=0) + 1, 0)
    assert (out.masks[0] == expected).float().mean() > 0.99  # rounding decides where two classes are equal


def test_a_class_does_not_depend_on_the_others():
    pipe = shared_pipeline()
    both, alone = (asked(pipe, IMAGE, words) for words in (("dog", "cat"), ("cat",)))
    torch.testing.assert_close(both.probabilities[0][1], alone.probabilities[0][0], atol=1e-4, rtol=0)
    assert not torch.allclose(*both.probabilities[0], atol=1e-3)


def test_the_penalty_is_taken_from_trained_classes_alone_and_only_in_masks():
    pipe = fresh_pipeline(id2label={"0": "background", "1": "dog"})
    plain, fair = (asked(pipe, IMAGE, background=0.2, seen_penalty=penalty) for penalty in (0, 0.1))
    dog, cat = plain.probabilities[0]
    torch.testing.assert_close(fair.probabilities[0], plain.probabilities[0])
    scores = torch.stack([torch.full_like(dog, 0.2), dog - 0.1, cat])
    assert torch.equal(fair.masks[0], scores.argmax(dim=0).to(torch.uint8))
    assert (fair.masks[0] != plain.masks[0]).any()


@pytest.mark.parametrize("scheduler", [DDIMScheduler, LCMScheduler, EulerAncestralDiscreteScheduler])
def test_the_batch_size_changes_nothing(scheduler):
    pipe = fresh_pipeline()
    pipe.scheduler = scheduler.from_config(pipe.scheduler.config)
    one, many = (asked(pipe, IMAGE, ensemble_size=2, batch_size=size) for size in (1, 0))
    torch.testing.assert_close(one.probabilities[0], many.probabilities[0], atol=1e-3, rtol=0)


def test_what_is_too_much_to_decode_at_once_is_not_denoised_again(monkeypatch):
    pipe = fresh_pipeline()
    expected = asked(pipe, IMAGE, ensemble_size=2)
    own, decoded, passes = pipe.vae.decode, [], []

    def decode(latents, **options):
        decoded.append(len(latents))
        if len(latents) > 1:
            raise torch.OutOfMemoryError("out of memory")
        return own(latents, **options)

    monkeypatch.setattr(pipe.vae, "decode", decode)
    pipe.unet.register_forward_pre_hook(lambda module, inputs: passes.append(len(inputs[0])))
    for _ in range(2):
        out = asked(pipe, IMAGE, ensemble_size=2)
        torch.testing.assert_close(out.probabilities[0], expected.probabilities[0], atol=1e-4, rtol=0)
    assert passes == [4, 4] * 2, "two steps of two samples of two classes, for each of the calls"
    assert decoded == [4, 2, 1, 1, 1, 1, 1, 1, 1, 1]


def test_images_of_different_sizes_keep_theirs():
    images = [IMAGE, picture(size=48).crop((0, 0, 48, 30))]
    out = asked(shared_pipeline(), images)
    assert [mask.shape for mask in out.masks] == [(64, 64), (30, 48)]
    assert [maps.shape for maps in out.probabilities] == [(2, 64, 64), (2, 30, 48)]
    assert out.uncertainty is None and out.class_names == ["background", "dog", "cat"]


def test_an_image_is_seen_at_the_processing_resolution():
    pipe = shared_pipeline()
    large = picture(size=128)
    seen = asked(pipe, large, processing_res=64, match_input_res=False)
    assert seen.probabilities[0].shape == (2, 64, 64)
    assert asked(pipe, large, processing_res=64).probabilities[0].shape == (2, 128, 128)
    assert asked(pipe, IMAGE, processing_res=128, match_input_res=False).masks[0].shape == (128, 128)


def test_without_a_resolution_it_is_that_of_training():
    pipe = fresh_pipeline(processing_res=64)
    assert asked(pipe, picture(size=128), processing_res=None, match_input_res=False).masks[0].shape == (
        64,
        64,
    )
    assert SegDiffusionPipeline.__init__.__defaults__[-3] == 768  # as published


@pytest.mark.parametrize("size", [(1, 1), (3, 1), (1, 100), (37, 23)])
def test_tiny_and_odd_images_are_handled(size):
    image = Image.new("RGB", size, "grey")
    for processing_res in (0, 32):
        out = asked(shared_pipeline(), image, processing_res=processing_res, denoising_steps=1)
        assert out.masks[0].shape == size[::-1]
        assert torch.isfinite(out.probabilities[0]).all()


@pytest.mark.parametrize("output_type", ["pil", "np", "pt"])
def test_masks_come_in_three_forms(output_type):
    pipe = shared_pipeline()
    out = pipe(IMAGE, ["dog"], denoising_steps=1, ensemble_size=2, processing_res=0, output_type=output_type)
    kinds = {"pil": Image.Image, "np": np.ndarray, "pt": torch.Tensor}
    assert isinstance(out.masks[0], kinds[output_type])
    assert np.asarray(out.masks[0]).dtype == np.uint8 and np.asarray(out.masks[0]).max() <= 1
    assert out.overlay(0).width == 64 < out.uncertainty_picture(0).width
    assert out._repr_html_().count("<img") == 2, "the masks, and one map"


def test_a_tuple_in_place_of_the_output():
    masks, probabilities, uncertainty = asked(shared_pipeline(), IMAGE, return_dict=False, ensemble_size=2)
    assert len(masks) == len(probabilities) == len(uncertainty) == 1


def test_levels_ask_once_for_all_classes():
    pipe = shared_pipeline(encoding="levels")
    passes = []
    handle = pipe.unet.register_forward_pre_hook(lambda module, inputs: passes.append(len(inputs[0])))
    out = asked(pipe, IMAGE, ("dog", "cat", "bus"))
    handle.remove()
    assert passes == [1, 1]  # two steps of one sample
    rest = 1 - out.probabilities[0].sum(dim=0)
    scores = torch.cat([rest[None], out.probabilities[0]])
    assert (scores.argmax(dim=0) == out.masks[0]).float().mean() > 0.99


def test_levels_stand_for_the_classes_of_training():
    pipe = fresh_pipeline(encoding="levels", id2label={"0": "background", "1": "dog", "2": "cat", "3": "bus"})
    every, some = (asked(pipe, IMAGE, words) for words in (("dog", "cat", "bus"), ("bus", "dog")))
    torch.testing.assert_close(every.probabilities[0][[2, 0]], some.probabilities[0])
    with pytest.raises(ValueError, match=r"dog, cat, bus, not for horse.*binary"):
        asked(pipe, IMAGE, ("dog", "horse"))


def test_names_of_training_keep_their_phrases():
    pipe = fresh_pipeline(phrases={"tvmonitor": ["red table"]})
    named, worded = (asked(pipe, IMAGE, [name]) for name in ("tvmonitor", "red table"))
    assert torch.equal(named.probabilities[0], worded.probabilities[0])
    other = asked(pipe, IMAGE, [{"tvmonitor": ["horse"]}])
    assert not torch.equal(named.probabilities[0], other.probabilities[0])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype):
    half = fresh_pipeline().to(dtype)
    out, exact = asked(half, IMAGE), asked(shared_pipeline(), IMAGE)
    assert out.probabilities[0].dtype == torch.float32
    torch.testing.assert_close(out.probabilities[0], exact.probabilities[0], atol=0.1, rtol=0)


@pytest.mark.parametrize("sequential", [False, True])
def test_offload_hooks_keep_working(sequential):
    pipe = fresh_pipeline()
    before = None
    for name in pipe.model_cpu_offload_seq.split("->"):
        part = getattr(pipe, name)
        if sequential:
            accelerate.cpu_offload(part, "cpu")
        else:
            _, before = accelerate.cpu_offload_with_hook(part, "cpu", prev_module_hook=before)
    out, plain = asked(pipe, IMAGE), asked(shared_pipeline(), IMAGE)
    torch.testing.assert_close(out.probabilities[0], plain.probabilities[0], atol=1e-4, rtol=0)


def test_few_steps_need_a_scheduler_that_begins_with_noise():
    pipe = fresh_pipeline()
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, timestep_spacing="leading")
    with pytest.warns(UserWarning, match='1 steps begin at timestep 1 of 999.*"trailing"'):
        asked(pipe, IMAGE, denoising_steps=1)
    pipe.scheduler = LCMScheduler.from_config(pipe.scheduler.config)
    assert torch.isfinite(asked(pipe, IMAGE, denoising_steps=4).probabilities[0]).all()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"classes": []}, ValueError, "classes is empty"),
        ({"classes": ["dog", "dog"]}, ValueError, "'dog' is given twice"),
        ({"classes": ["very " * 90 + "long"]}, ValueError, "77 is the limit"),
        ({"denoising_steps": 0}, ValueError, "denoising_steps must be at least 1, not 0"),
        ({"ensemble_size": 0}, ValueError, "ensemble_size must be at least 1, not 0"),
        ({"batch_size": -1}, ValueError, "batch_size must be at least 0, not -1"),
        ({"processing_res": -8}, ValueError, "processing_res must be at least 0, not -8"),
        ({"background": 50}, ValueError, "background must be at most 1, not 50"),
        ({"seen_penalty": -1}, ValueError, "seen_penalty must be at least 0, not -1"),
        ({"output_type": "tensor"}, ValueError, "pil, np, pt, not 'tensor'"),
        ({"generator": [torch.Generator()] * 2}, ValueError, "2 generators for 1 images"),
    ],
)
def test_mistakes_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        shared_pipeline()(**{"image": IMAGE, "classes": ["dog"], "processing_res": 0, **arguments})


def test_what_it_cannot_begin_from_is_named():
    with pytest.raises(TypeError, match=r"XL.*Stable Diffusion 1\.x or 2\.x"):
        SegDiffusionPipeline.from_text_to_image(sdxl())
    parts = shared_pipeline().components
    with pytest.raises(ValueError, match=r"takes 4 channels, not 8.*from_text_to_image"):
        SegDiffusionPipeline(**{**parts, "unet": sdxl().unet})
    with pytest.raises(ValueError, match="epsilon, v_prediction, not 'sample'"):
        SegDiffusionPipeline.from_text_to_image(sd15(), prediction="sample")


def test_epsilon_is_refused_where_the_last_timestep_is_noise_alone():
    plain = sd15()
    plain.scheduler = DDIMScheduler.from_config(plain.scheduler.config, rescale_betas_zero_snr=True)
    with pytest.raises(ValueError, match="choose 'v_prediction'"):
        SegDiffusionPipeline.from_text_to_image(plain)
    assert SegDiffusionPipeline.from_text_to_image(plain, prediction="v_prediction")


def test_the_pipeline_that_it_begins_from_is_left_as_it_was():
    plain = sd15()
    SegDiffusionPipeline.from_text_to_image(plain)
    assert plain.unet.config.in_channels == 4
