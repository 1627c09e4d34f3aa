"""What single families of joint transformers do with a batch, and what they refuse."""

import pytest
import torch
from diffusers import AdaptiveProjectedMixGuidance

from diffusers_attnmask import DiffuMaskPipeline, trace
from diffusers_attnmask.families import check_supported
from diffusers_attnmask.methods import ConceptAttention, Daam, DatasetDiffusion
from tests.diffusers_attnmask.families.test_transformers import run
from tests.small_models.hunyuan_image import hunyuan_image
from tests.small_models.joint_transformers import cogview4, lumina2
from tests.small_models.transformers import TRANSFORMERS, sd3

SHORT_AND_LONG = ["a dog", "a photo of the red cat next to a blue dog on the grass in a street with a boat"]


@pytest.mark.parametrize("name", ["chroma", "aura flow", "lumina2"])
def test_each_prompt_of_a_batch_is_read_as_if_it_were_alone(name):
    """The image's place in the row may depend on the length of its prompt."""
    small = TRANSFORMERS[name]
    pipe = small.build()
    noise = torch.randn(2, 4, 8, 12, generator=torch.Generator().manual_seed(3))
    noise = noise if name != "chroma" else pipe._pack_latents(noise, 2, 4, 8, 12)
    method = DatasetDiffusion(words="prompt")

    def recorded(prompts, latents):
        with trace(pipe, classes=["dog"], methods=method) as traced:
            run(pipe, prompts, latents=latents, num_inference_steps=1, **small.unguided)
        return traced.records

    reading, text = method.self_reading(family_sites(pipe)), method.cross_reading(family_sites(pipe))
    for index, together in enumerate(recorded(SHORT_AND_LONG, noise)):
        (alone,) = recorded(SHORT_AND_LONG[index], noise[index : index + 1])
        assert torch.allclose(together.over_sites(reading), alone.over_sites(reading), atol=1e-6)
        for (_, own), (_, other) in zip(together.by_site(text), alone.by_site(text), strict=True):
            assert torch.allclose(own, other, atol=1e-6)


def family_sites(pipe):
    return check_supported(pipe).sites(pipe)


def test_a_word_that_an_image_was_not_given_has_an_empty_map():
    """With several images of several prompts, diffusers gives some images the length of another prompt."""
    pipe = lumina2()
    options = TRANSFORMERS["lumina2"].unguided | {"num_images_per_prompt": 2, "num_inference_steps": 1}
    method = Daam()
    with trace(pipe, classes=[["dog"], ["boat"]], methods=method) as traced:
        run(pipe, SHORT_AND_LONG, **options)
    lengths = traced.recorder.passing.text_lengths
    reading = method.reading(traced.sites)
    given = [all((maps > 0).all() for _, maps in record.by_site(reading)) for record in traced.records]
    assert given == [
        query.prompt[-1] < length for query, length in zip(traced.recorder.queries, lengths, strict=True)
    ]
    assert not all(given)


def test_words_of_cogview4_are_counted_from_the_end_that_all_prompts_share():
    pipe = cogview4()
    ids = pipe.tokenizer(SHORT_AND_LONG, padding="longest", return_tensors="pt").input_ids
    ids = torch.nn.functional.pad(ids, (-ids.shape[1] % 16, 0), value=pipe.tokenizer.pad_token_id)
    with trace(pipe, classes=["dog"], methods="daam") as traced:
        run(pipe, SHORT_AND_LONG, num_inference_steps=1, guidance_scale=1.0)
    assert traced.recorder.passing.text_tokens == ids.shape[1]
    for row, query in zip(ids, traced.recorder.queries, strict=True):
        assert pipe.tokenizer.convert_ids_to_tokens(row[list(query.prompt)]) == ["Ġdog"]


def test_a_prompt_that_cogview4_cuts_off_is_read_as_far_as_it_goes():
    pipe = cogview4()
    with trace(pipe, classes=["cat"], methods="daam") as traced:
        run(pipe, SHORT_AND_LONG[1], num_inference_steps=1, max_sequence_length=8)
    assert traced.recorder.queries[0].prompt == (8 + 7,), "eight tokens fill half of sixteen places"
    with pytest.raises(ValueError, match="truncation"), trace(pipe, classes=["blue dog"], methods="daam"):
        run(pipe, SHORT_AND_LONG[1], num_inference_steps=1, max_sequence_length=8)


def test_concepts_of_lumina_and_others_may_differ_in_number_between_images():
    """Padding among the words of an image is hidden from the others, in refiners too."""
    for build in (lumina2, cogview4):
        pipe = DiffuMaskPipeline.from_pipe(build())
        options = {"mask_method": "concept-attention", "num_inference_steps": 1, "guidance_scale": 1.0}
        prompts = ["a dog on a boat", "a cat on a boat"]
        noise = torch.randn(2, 4, 8, 12, generator=torch.Generator().manual_seed(0))
        alone = run(pipe, prompts[0], classes=["dog"], latents=noise[:1], **options)
        both = run(pipe, prompts, classes=[["dog"], ["cat", "dining table"]], latents=noise, **options)
        assert torch.allclose(both.heatmaps[0], alone.heatmaps[0], atol=1e-4)


def carried(pipe, **options):
    """How many tokens of each concept go through the model."""
    with trace(pipe, classes=["dog"], methods=ConceptAttention(decoys=())) as traced:
        run(pipe, num_inference_steps=1, **options)
    return [len(tokens) for tokens in traced.recorder.queries[0].concepts.tokens]


def test_words_beside_a_prompt_are_read_no_further_than_the_prompt():
    """Of Stable Diffusion 3's text encoders, the length that a call asks for is T5's alone."""
    pipe = TRANSFORMERS["sd3"].build()
    by_clip, by_all = carried(sd3(t5=False)), carried(pipe)
    assert by_all > by_clip
    assert carried(pipe, max_sequence_length=1) == by_clip, "T5's only token ends the text"
    with pytest.raises(ValueError, match="no token of 'dog' is read: raise max_sequence_length"):
        carried(TRANSFORMERS["flux"].build(), max_sequence_length=1)


@pytest.mark.parametrize("method", ["concept-attention", "ovam"])
def test_a_model_that_words_cannot_go_beside_says_what_reads_its_prompt(method):
    pipe = DiffuMaskPipeline.from_pipe(hunyuan_image())
    with pytest.raises(ValueError, match="use mask_method='daam', which reads the prompt's words"):
        run(pipe, classes=["dog"], mask_method=method)
    assert check_supported(pipe).default_method == "daam"


def test_hunyuans_words_stand_behind_the_glyphs_that_a_prompt_quotes():
    """Each image has a number of its own; the text's columns move along with them."""
    prompts = ["a dog and a cat", "a dog with 'fish' on a boat"]
    pipe = hunyuan_image()
    noise = torch.randn(2, 4, 8, 12, generator=torch.Generator().manual_seed(3))
    method = Daam()

    def recorded(texts, latents):
        with trace(pipe, classes=["dog"], methods=method) as traced:
            run(pipe, texts, latents=latents, num_inference_steps=1)
        return traced

    both, reading = recorded(prompts, noise), method.reading(family_sites(pipe))
    glyphs = len(pipe.tokenizer_2('Text "fish". ').input_ids)
    layout = both.family.layout(both.sites[0], both.recorder.passing)
    assert layout.text == (96, 96 + glyphs)
    for index, prompt in enumerate(prompts):
        (alone,) = recorded(prompt, noise[index : index + 1]).records
        for (_, own), (_, other) in zip(
            both.records[index].by_site(reading), alone.by_site(reading), strict=True
        ):
            assert torch.allclose(own, other, atol=1e-6)


def test_hunyuans_guider_changes_neither_what_is_read_nor_the_images():
    maps, images = [], []
    for guider in (None, AdaptiveProjectedMixGuidance(guidance_scale=3.0)):
        pipe = hunyuan_image()
        pipe.register_modules(guider=guider)
        masked = DiffuMaskPipeline.from_pipe(pipe)
        out = run(masked, classes=["dog"], num_inference_steps=1)
        assert torch.equal(out.images, run(pipe, num_inference_steps=1).images)
        maps.append(out.heatmaps[0])
        images.append(out.images)
    assert torch.equal(*maps)
    assert not torch.equal(*images)
