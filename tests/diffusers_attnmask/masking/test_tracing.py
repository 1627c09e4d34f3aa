"""What a trace does with embeddings of the user's own, learned words, odd batches and untraced methods."""

import copy

import pytest
import torch

from diffusers_attnmask import DiffuMaskPipeline, trace
from diffusers_attnmask.families import check_supported
from diffusers_attnmask.masking.settings import settings_of
from diffusers_attnmask.methods import Daam, DiffuMask
from tests.small_models import sd15

CALL = {"num_inference_steps": 2, "output_type": "pt"}


def run(pipe, prompt="a dog and a cat", **options):
    return pipe(prompt, generator=torch.Generator().manual_seed(0), **(CALL | options))


def embedded(pipe, prompt):
    conditional, unconditional = pipe.encode_prompt(prompt, "cpu", 1, True)
    return {"prompt_embeds": conditional, "negative_prompt_embeds": unconditional}


def test_embeddings_need_the_text_that_they_encode():
    pipe = DiffuMaskPipeline.from_pipe(sd15())
    expected = run(pipe, classes=["dog"], mask_method="daam")
    embeds = embedded(pipe, "a dog and a cat")
    out = run(pipe, None, classes=["dog"], mask_method="daam", mask_prompt="a dog and a cat", **embeds)
    assert torch.equal(out.images, expected.images)
    assert torch.equal(out.heatmaps[0], expected.heatmaps[0])
    with trace(sd15(), classes=["dog"], methods="daam", prompt="a dog and a cat") as traced:
        run(traced.pipe, None, **embeds)
    assert torch.equal(traced.heatmaps[0], expected.heatmaps[0])
    words_alone = run(pipe, None, classes=["horse"], mask_method="ovam", **embeds)
    assert words_alone.heatmaps[0].std() > 1e-3


def test_a_learned_word_of_several_vectors_is_all_of_them():
    pipe = sd15(fresh=True)
    pipe.tokenizer = copy.deepcopy(pipe.tokenizer)
    vectors = torch.randn(2, pipe.text_encoder.config.hidden_size)
    pipe.load_textual_inversion(vectors, token="<mine>")
    with trace(pipe, classes=["<mine>"]) as traced:
        run(pipe, "a photo of <mine> in grass")
    query = traced.recorder.queries[0]
    assert query.prompt == (4, 5)
    assert query.words[0].positions == (1, 2)


@pytest.mark.parametrize("options", [{"layers": ["up_blocks.9"]}, {"levels": [0], "places": ["mid"]}])
def test_options_that_no_layer_fits_are_refused_with_the_layers_that_there_are(options):
    with pytest.raises(ValueError, match=r"(?s)no cross-attention layer fits.*levels=\[\d\].*up_blocks"):
        trace(sd15(), classes=["dog"], methods=DiffuMask(**options))


def test_a_unet_batch_that_is_neither_plain_nor_guided_is_refused():
    pipe = sd15()
    with trace(pipe, classes=["dog"]) as traced:
        traced.begin_call({"prompt": "a dog", "device": "cpu"})
        with pytest.raises(ValueError, match="3 latents for 1 images"):
            pipe.unet(torch.zeros(3, 4, 16, 16), 1, encoder_hidden_states=torch.zeros(3, 77, 32))


def test_a_processor_that_hides_its_comparison_is_named():
    class Opaque:
        def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None):
            return hidden_states

    pipe = sd15(fresh=True)
    pipe.unet.set_attn_processor(Opaque())
    with pytest.raises(ValueError, match="Opaque"):
        run(DiffuMaskPipeline.from_pipe(pipe), classes=["dog"])


def test_another_method_may_be_read_if_what_it_needs_was_recorded():
    pipe = sd15()
    with trace(pipe, classes=["dog"], methods="daam") as traced:
        run(pipe)
    assert traced.masks(Daam(levels=(1,), threshold=0.6), "pt").shape == (1, 128, 128)
    with pytest.raises(ValueError, match=r"diffumask.*daam"):
        traced.masks("diffumask")
    with pytest.raises(ValueError, match="was not recorded"):
        traced.masks(Daam(steps=(0.5, 1.0)))


@pytest.mark.parametrize("download", [True, False])
def test_an_uncached_repository_has_the_published_settings_when_offline(download):
    settings = settings_of("no/such-repository", download)
    assert settings.default(check_supported(sd15())) == "diffumask"
