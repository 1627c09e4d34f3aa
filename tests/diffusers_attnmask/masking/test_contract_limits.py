"""Calls that end early, leave parts out or are made otherwise: a mask, or one sentence that says why not."""

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionAdapterPipeline, T2IAdapter

from diffusers_attnmask import DiffuMaskPipeline, trace
from diffusers_attnmask.methods import Daam
from tests.small_models import derived, picture, sd15

CALL = {"num_inference_steps": 2, "output_type": "pt"}


def run(pipe, prompt="a dog and a cat", **options):
    return pipe(prompt, generator=torch.Generator().manual_seed(5), **(CALL | options))


def test_an_adapters_pipeline_reads_the_steps_that_it_takes():
    """T2I-Adapter pipelines do not tell how many steps there are: the scheduler does."""
    channels = sd15().unet.config.block_out_channels
    adapter = T2IAdapter(in_channels=3, channels=list(channels), num_res_blocks=1, downscale_factor=8).eval()
    pipe = derived(StableDiffusionAdapterPipeline, sd15(), adapter=adapter)
    masked = DiffuMaskPipeline.from_pipe(pipe)
    late = Daam(steps=(0.5, 1.0))
    out = run(masked, classes=["dog"], mask_method=late, image=picture(), num_inference_steps=4)
    assert np.array_equal(out.images, run(pipe, image=picture(), num_inference_steps=4).images)
    with trace(pipe, classes=["dog"], methods=late) as traced:
        run(pipe, image=picture(), num_inference_steps=4)
    (mean, *_) = traced.recorder.means.values()
    assert mean.seen == 2, "the last two of four steps"


def test_one_step_is_read_whatever_part_of_the_sampling_counts():
    pipe = DiffuMaskPipeline.from_pipe(sd15())
    out = run(pipe, classes=["dog"], mask_method=Daam(steps=(0.4, 0.9)), num_inference_steps=1)
    assert out.heatmaps[0].std() > 1e-3


def test_an_interrupt_before_the_steps_that_count_keeps_the_image_and_masks_nothing():
    pipe = DiffuMaskPipeline.from_pipe(sd15())

    def stop(pipe, step, timestep, tensors):
        pipe._interrupt = True
        return {}

    late = Daam(steps=(0.5, 1.0))
    out = run(pipe, classes=["dog"], mask_method=late, callback_on_step_end=stop, num_inference_steps=4)
    assert torch.equal(out.images, run(pipe, callback_on_step_end=stop, num_inference_steps=4).images)
    assert (out.masks == 255).all()
    assert (out.heatmaps[0] == 0).all()


def test_a_compiled_model_is_refused_before_it_samples():
    pipe = DiffuMaskPipeline.from_pipe(sd15(fresh=True))
    pipe.unet.compile()
    with pytest.raises(ValueError, match=r"compiled.*torch\.compile"):
        run(pipe, classes=["dog"])


def test_encoders_may_go_once_the_prompt_is_encoded():
    """What needs no encoder works on; what does says so."""
    pipe = sd15(fresh=True)
    conditional, unconditional = pipe.encode_prompt("a dog and a cat", "cpu", 1, True)
    embeds = {"prompt_embeds": conditional, "negative_prompt_embeds": unconditional}
    expected = run(DiffuMaskPipeline.from_pipe(pipe), classes=["dog"], mask_method="daam")
    pipe.text_encoder = None
    masked = DiffuMaskPipeline.from_pipe(pipe)
    out = run(masked, None, classes=["dog"], mask_method="daam", mask_prompt="a dog and a cat", **embeds)
    assert torch.equal(out.heatmaps[0], expected.heatmaps[0])
    with pytest.raises(ValueError, match=r"text encoder.*'daam'"):
        run(masked, None, classes=["dog"], mask_method="ovam", **embeds)
    masked.tokenizer = None
    with pytest.raises(ValueError, match="no tokenizer"):
        run(masked, None, classes=["dog"], mask_method="daam", mask_prompt="a dog and a cat", **embeds)


def test_prompts_that_were_encoded_in_pieces_are_refused():
    pipe = DiffuMaskPipeline.from_pipe(sd15())
    conditional, unconditional = pipe.encode_prompt("a dog and a cat", "cpu", 1, True)
    embeds = {
        "prompt_embeds": torch.cat([conditional] * 2, 1),
        "negative_prompt_embeds": torch.cat([unconditional] * 2, 1),
    }
    with pytest.raises(ValueError, match="154 tokens"):
        run(pipe, None, classes=["dog"], mask_method="daam", mask_prompt="a dog and a cat", **embeds)
    assert run(pipe, None, classes=["dog"], mask_method="ovam", **embeds).heatmaps[0].std() > 1e-3


def test_records_of_past_calls_do_not_pile_up():
    pipe = sd15()
    with trace(pipe, classes=["dog"], methods="ovam") as traced:
        run(pipe)
        after_one = traced.nbytes
        run(pipe)
    first, second = traced.recorders
    assert not first.batch.word_keys, "what only recording needs is gone"
    assert traced.nbytes == first.nbytes + second.nbytes < 2 * after_one


def test_a_trace_that_ended_holds_its_maps_alone():
    pipe = sd15()
    with trace(pipe, classes=["dog"], methods="ovam") as traced:
        run(pipe)
        assert traced.recorder.batch.word_keys
        during = traced.nbytes
    assert not traced.recorder.batch.word_keys
    assert traced.recorder.batch.last == (None, {})
    assert 0 < traced.nbytes < during
    assert traced.heatmaps[0].std() > 1e-3
