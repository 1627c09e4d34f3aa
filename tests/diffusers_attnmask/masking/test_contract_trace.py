"""Recording leaves nothing behind: processors come back, failures pass through, traces nest and repeat."""

import pytest
import torch
from diffusers import DDPMPipeline

from diffusers_attnmask import DiffuMaskPipeline, trace
from tests.small_models import controlnet, picture, sd15, sdxl

CALL = {"num_inference_steps": 2, "output_type": "pt"}


def run(pipe, prompt="a dog and a cat", seed=0, **options):
    return pipe(prompt, generator=torch.Generator().manual_seed(seed), **(CALL | options))


def same_objects(before, after):
    return before.keys() == after.keys() and all(after[name] is before[name] for name in before)


class Interrupted(Exception):
    pass


def interrupt(pipe, step, timestep, tensors):
    raise Interrupted


@pytest.mark.parametrize("method", ["daam", "diffumask", "dataset-diffusion", "ovam"])
@pytest.mark.parametrize("build", [sd15, sdxl])
def test_processors_come_back_after_a_call_that_raised(build, method):
    pipe = build()
    before = dict(pipe.unet.attn_processors)
    plain = run(pipe).images
    with pytest.raises(Interrupted):
        run(
            DiffuMaskPipeline.from_pipe(pipe),
            classes=["dog"],
            mask_method=method,
            callback_on_step_end=interrupt,
        )
    assert same_objects(before, pipe.unet.attn_processors)
    assert torch.equal(run(pipe).images, plain)
    with pytest.raises(ValueError):
        run(DiffuMaskPipeline.from_pipe(pipe), classes=["horse"], mask_method="daam")
    assert same_objects(before, pipe.unet.attn_processors)


def test_processors_come_back_after_a_traced_call_that_raised():
    pipe = sd15()
    before = dict(pipe.unet.attn_processors)
    with pytest.raises(Interrupted), trace(pipe, classes=["dog"]):
        run(pipe, callback_on_step_end=interrupt)
    assert same_objects(before, pipe.unet.attn_processors)


def test_a_trace_leaves_no_hook_on_the_pipeline():
    pipe = sd15()
    run(pipe)
    state = (set(vars(pipe)), type(pipe), pipe.unet.forward, pipe.encode_prompt)
    with trace(pipe, classes=["dog"]):
        run(pipe)
    assert (set(vars(pipe)), type(pipe), pipe.unet.forward, pipe.encode_prompt) == state
    assert not pipe.unet._forward_pre_hooks
    assert not pipe.unet._forward_hooks


def test_only_the_layers_that_a_method_reads_are_wrapped():
    pipe = sd15()
    before = dict(pipe.unet.attn_processors)
    with trace(pipe, classes=["dog"], methods="daam"):
        wrapped = {name for name, now in pipe.unet.attn_processors.items() if now is not before[name]}
    assert all(name.endswith("attn2.processor") for name in wrapped)
    assert not any(name.startswith("mid_block") for name in wrapped)


def test_a_trace_reads_what_the_pipeline_with_masks_reads():
    pipe = sd15()
    for method in ("daam", "diffumask"):
        with trace(pipe, classes=["dog", "cat"], methods=method) as traced:
            run(pipe)
        out = run(DiffuMaskPipeline.from_pipe(pipe), classes=["dog", "cat"], mask_method=method)
        assert torch.equal(traced.heatmaps[0], out.heatmaps[0])
        assert torch.equal(traced.masks(method, output_type="pt"), out.masks)


def test_a_trace_around_a_pipeline_with_masks_or_another_trace_works():
    pipe = sd15()
    before = dict(pipe.unet.attn_processors)
    with trace(pipe, classes=["dog"], methods="daam") as alone:
        plain = run(pipe).images
    with (
        trace(pipe, classes=["dog"], methods="daam") as outer,
        trace(pipe, classes=["cat"], methods="daam") as inner,
    ):
        nested = run(pipe).images
    assert torch.equal(nested, plain)
    assert torch.equal(outer.heatmaps[0], alone.heatmaps[0])
    assert not torch.equal(inner.heatmaps[0], alone.heatmaps[0])
    assert same_objects(before, pipe.unet.attn_processors)


def test_one_pipeline_may_be_traced_again_and_again():
    pipe = sd15()
    first, second, third = (trace(pipe, classes=["dog"]) for _ in range(3))
    for one, seed in ((first, 0), (second, 1), (third, 0)):
        with one:
            run(pipe, seed=seed)
    assert torch.equal(first.heatmaps[0], third.heatmaps[0])
    assert not torch.equal(first.heatmaps[0], second.heatmaps[0])


def test_several_calls_in_one_trace_give_each_image_its_maps_or_a_clear_error():
    pipe = sd15()
    singles = []
    for seed in (0, 1):
        with trace(pipe, classes=["dog"]) as one:
            run(pipe, seed=seed)
        singles.append(one.heatmaps[0])
    with trace(pipe, classes=["dog"]) as both:
        run(pipe, seed=0)
        run(pipe, seed=1)
    assert torch.equal(both.heatmaps[-1], singles[1])
    assert len(both.heatmaps) == 1 or torch.equal(both.heatmaps[0], singles[0])


def test_a_trace_in_which_nothing_ran_says_so():
    with trace(sd15(), classes=["dog"]) as idle:
        pass
    with pytest.raises((ValueError, RuntimeError), match=r"(?i)no .*(call|image|ran|run)|nothing"):
        _ = idle.heatmaps
    with pytest.raises((ValueError, RuntimeError), match=r"(?i)no .*(call|image|ran|run)|nothing"):
        idle.masks()


def test_the_controlnets_own_attention_is_not_touched():
    pipe = controlnet()
    before = dict(pipe.controlnet.attn_processors)
    with trace(pipe, classes=["dog"]):
        run(pipe, image=picture())
        assert same_objects(before, pipe.controlnet.attn_processors)


def test_a_pipeline_without_support_is_refused_by_name():
    unconditional = DDPMPipeline(unet=sd15().unet, scheduler=sd15().scheduler)
    with pytest.raises((TypeError, ValueError), match=r"(?s)DDPMPipeline.*StableDiffusionXLPipeline"):
        trace(unconditional, classes=["dog"])
    with pytest.raises((TypeError, ValueError), match=r"(?s)DDPMPipeline.*StableDiffusionXLPipeline"):
        DiffuMaskPipeline.from_pipe(unconditional)
    with pytest.raises(TypeError, match="str"):
        DiffuMaskPipeline.from_pipe("a/path")


@pytest.mark.parametrize("method", ["daam", "diffumask", "dataset-diffusion", "ovam"])
def test_a_step_whose_maps_are_not_numbers_is_skipped_and_counted(method):
    """The second of three steps goes wrong throughout; the latents are put right before the third."""
    pipe = sd15(fresh=True)
    healthy, passes = {}, []

    def remember(_, step, timestep, tensors):
        healthy[step] = tensors["latents"]
        return {"latents": healthy[0]} if step == 1 else {}

    def spoil(module, inputs, output):
        passes.append(None)
        return output * float("nan") if len(passes) == 2 else output

    handle = pipe.unet.conv_in.register_forward_hook(spoil)
    with trace(pipe, classes=["dog"], methods=method) as spoilt:
        run(pipe, callback_on_step_end=remember, num_inference_steps=3)
    handle.remove()
    assert spoilt.heatmaps[0].isfinite().all()
    assert spoilt.heatmaps[0].std() > 1e-3
    assert spoilt.skipped_maps > 0
    with trace(pipe, classes=["dog"], methods=method) as sound:
        run(pipe, num_inference_steps=3)
    assert sound.skipped_maps == 0


def test_the_output_of_a_call_says_how_many_maps_were_skipped():
    pipe = DiffuMaskPipeline.from_pipe(sd15(fresh=True))
    sound = run(pipe, classes=["dog"], mask_method="daam")
    assert sound.skipped_maps == 0
    assert run(pipe).skipped_maps is None, "without classes nothing is recorded"
    passes = []

    def spoil_the_first(module, inputs, output):
        passes.append(None)
        return output * float("nan") if len(passes) == 1 else output

    def put_right(_, step, timestep, tensors):
        return {"latents": torch.ones_like(tensors["latents"])}

    pipe.unet.conv_in.register_forward_hook(spoil_the_first)
    spoilt = run(pipe, classes=["dog"], mask_method="daam", callback_on_step_end=put_right)
    assert spoilt.skipped_maps > 0
    assert spoilt.heatmaps[0].isfinite().all()
