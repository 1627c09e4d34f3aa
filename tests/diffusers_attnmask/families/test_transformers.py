"""Every family of transformers keeps the contract: the same images, and maps that are the attention's own."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch.overrides import TorchFunctionMode

from diffusers_attnmask import DiffuMaskPipeline, trace
from diffusers_attnmask.attention.concepts import Concepts
from diffusers_attnmask.attention.recorder import Recorder
from diffusers_attnmask.families import check_supported
from diffusers_attnmask.methods import ConceptAttention, Daam
from tests.small_models.transformers import TRANSFORMERS

METHODS = ("concept-attention", "daam", "diffumask", "dataset-diffusion", "grounding", "goca")
AS_THEY_ARE = {"dataset-diffusion": {"append_classes": False, "self_pool": 1}, "goca": {"self_pool": 1}}
DOG_AND_CAT = "a dog and a cat"


def run(pipe, prompt=DOG_AND_CAT, seed=0, **options):
    call = {"num_inference_steps": 2, "height": 64, "width": 96, "output_type": "pt"}
    if isinstance(prompt, list) and "negative_prompt" in options:
        options["negative_prompt"] = [options["negative_prompt"]] * len(prompt)  # FLUX takes no single one
    own = list(prompt) if isinstance(prompt, list) else prompt  # Z-Image writes its template into the list
    return pipe(prompt=own, generator=torch.Generator().manual_seed(seed), **(call | options))


def fitting(pipe):
    sites = check_supported(pipe).sites(pipe)
    resolve = DiffuMaskPipeline.from_pipe(pipe).mask_settings.resolve
    return [name for name in METHODS if resolve(name, check_supported(pipe)).unfit(sites) is None]


@pytest.fixture(params=TRANSFORMERS)
def small(request):
    return TRANSFORMERS[request.param]


def test_images_are_bitwise_those_of_the_plain_pipeline(small):
    pipe = small.build()
    prompts, classes = [DOG_AND_CAT, "the red cat on a boat"], [["dog", "cat"], ["cat"]]
    options = {"num_images_per_prompt": 2, **small.guided}
    plain = run(pipe, prompts, return_dict=False, **options)[0]  # Kandinsky has its own name for them
    masked = DiffuMaskPipeline.from_pipe(pipe)
    for method in fitting(pipe):
        extra = AS_THEY_ARE.get(method)
        out = run(masked, prompts, classes=classes, mask_method=method, mask_options=extra, **options)
        assert torch.equal(out.images, plain), method
        assert [tuple(maps.shape) for maps in out.heatmaps] == [(2, 64, 96)] * 2 + [(1, 64, 96)] * 2
        assert all(maps.isfinite().all() and maps.std() > 1e-3 for maps in out.heatmaps), method
        assert not torch.equal(out.heatmaps[0], out.heatmaps[1]), "each image has maps of its own"


def test_guidance_does_not_change_what_is_read(small):
    """One step from the same noise: the pass under the prompts is the same with guidance and without."""
    pipe = DiffuMaskPipeline.from_pipe(small.build())
    options = {"classes": ["dog", "cat"], "mask_method": "daam", "num_inference_steps": 1}
    guided, plain = (run(pipe, **options, **how) for how in (small.guided, small.unguided))
    assert torch.allclose(guided.heatmaps[0], plain.heatmaps[0], atol=1e-4)


class Comparisons(TorchFunctionMode):
    """Every query, key and mask that a run compares, in order."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            given = dict(zip(("query", "key", "value", "attn_mask"), args, strict=False)) | kwargs
            self.found.append((given["query"], given["key"], given.get("attn_mask"), given.get("scale")))
        return func(*args, **kwargs)


def explicit_columns(query, key, mask, scale, row, image, places):
    """Softmax over the whole row in float64: (heads, tokens, image places)."""
    query, key = (part[row].double() for part in (query, key))
    key = key.repeat_interleave(len(query) // len(key), 0)
    logits = query[:, image] @ key.mT * (query.shape[-1] ** -0.5 if scale is None else scale)
    if mask is not None:
        own = mask.expand(len(mask), query.shape[0], -1, -1)[row if len(mask) > 1 else 0]
        own = own if own.shape[1] == 1 else own[:, image]
        logits = logits.masked_fill(~own, -torch.inf) if own.dtype == torch.bool else logits + own.double()
    return logits.softmax(-1)[..., places].mT


def test_text_columns_are_an_explicit_softmax_over_the_whole_row(small):
    """Of each of two prompts of different lengths."""
    check_text_columns(small, small.build())


def check_text_columns(small, pipe, **size):
    family = check_supported(pipe)
    prompts = [DOG_AND_CAT, "the cat and a red dog on a boat"]
    with trace(pipe, classes=["dog", "cat"], methods=Daam()) as traced:
        run(pipe, prompts, num_inference_steps=1, **small.unguided, **size)
    with Comparisons() as heard, torch.no_grad():
        denoiser, calls = family.denoiser(pipe), []
        hook = denoiser.register_forward_pre_hook(lambda *_: calls.append(len(heard.found)))
        after = denoiser.register_forward_hook(lambda *_: calls.append(len(heard.found)))
        run(pipe, prompts, num_inference_steps=1, **small.unguided, **size)
        hook.remove()
        after.remove()
    if not small.in_order:
        return
    seen = heard.found[calls[0] : calls[1]][-len(traced.sites) :]
    passing, reading = traced.recorder.passing, Daam().reading(traced.sites)
    for index, record in enumerate(traced.records):
        columns, found = traced.recorder.queries[index].prompt, dict(record.by_site(reading))
        for site, comparison in zip(traced.sites, seen, strict=True):
            if site not in found:
                continue
            layout = family.layout(site, passing)
            image, text = (
                start if isinstance(start, int) else start[index] for start in (layout.image, layout.text)
            )
            expected = explicit_columns(
                *comparison,
                passing.rows.start + index,
                slice(image, image + layout.places),
                [text + column for column in columns],
            )
            read = found[site][:, : len(columns)].flatten(2).double()
            assert torch.allclose(read, expected, atol=1e-5), (site.name, index)


def test_words_beside_the_text_go_the_way_that_the_text_goes(small, monkeypatch):
    """Where the text is one token, the same token beside it has the text's own attention outputs."""
    pipe = small.build()
    family = check_supported(pipe)
    if "concept-attention" not in fitting(pipe):
        pytest.skip("the family has no text that concepts could go beside")
    if not small.text_inputs:
        pytest.skip("its text cannot be cut to one token here: the family has a test of its own")
    pairs, add = [], Recorder.add

    def one_token(module, args, inputs):
        inputs = {**inputs, **{name: inputs[name][..., :1, :] for name in small.text_inputs}}
        inputs |= {name: inputs[name][:, :1] for name in small.text_masks}
        traced.recorder.stream.concepts = [Concepts((inputs[family.text_input][0],))]
        return args, inputs

    def compare(self, site, comparison):
        add(self, site, comparison)
        text = self.layout(site, self.passing).text
        pairs.append((self.stream.outputs[site.name], comparison.output[:, :, text : text + 1]))

    monkeypatch.setattr(Recorder, "add", compare)
    hook = family.denoiser(pipe).register_forward_pre_hook(one_token, with_kwargs=True)
    with hook, trace(pipe, classes=["dog"], methods=ConceptAttention(decoys=())) as traced:
        run(pipe, "dog", num_inference_steps=1, **small.unguided)
    assert len(pairs) > 1
    for beside, text in pairs:
        assert torch.allclose(beside, text, atol=1e-5)


def test_words_are_found_at_their_place_in_the_text(small):
    """Where the family says that words stand, by what its own tokenizer and templates do to the prompt."""
    pipe = small.build()
    with trace(pipe, classes=["dog", "cat"], methods="daam") as traced:
        run(pipe, num_inference_steps=1, **small.unguided)
    assert traced.recorder.queries[0].prompt == tuple(sorted(small.places(pipe, DOG_AND_CAT, ("dog", "cat"))))


def test_a_folder_is_loaded_as_the_familys_own_pipeline_with_masks(small, tmp_path):
    pipe = small.build()
    pipe.save_pretrained(tmp_path)
    loaded = DiffuMaskPipeline.from_pretrained(tmp_path)
    loaded.set_progress_bar_config(disable=True)
    vars(loaded).update(small.attributes)
    assert isinstance(loaded, type(pipe))
    out = run(loaded, classes=["dog"], **small.unguided)
    assert torch.equal(out.images, run(loaded, **small.unguided).images)
    assert out.masks.shape == (1, 64, 96)


def test_existing_images_get_masks_of_their_size(small):
    pipe = DiffuMaskPipeline.from_pipe(small.build())
    pixels = np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)
    out = pipe.segment(
        [Image.fromarray(pixels)] * 2,
        ["a dog", "a red cat"],
        [["dog"], ["cat"]],
        strength=0.5,
        looks=2,
        processing_res=0,
    )
    assert [mask.size for mask in out.masks] == [(96, 64)] * 2
    assert all(maps.std() > 1e-4 for maps in out.heatmaps)


def test_half_precision_is_read_in_single(small):
    pipe = DiffuMaskPipeline.from_pipe(small.build(fresh=True, dtype=torch.bfloat16))
    out = run(pipe, classes=["dog", "cat"], **small.unguided)
    assert out.heatmaps[0].dtype == torch.float32
    assert out.heatmaps[0].isfinite().all()
    assert torch.equal(out.images, run(pipe, **small.unguided).images)


def test_concepts_need_not_stand_in_the_prompt_and_may_have_several_tokens(small):
    pipe = DiffuMaskPipeline.from_pipe(small.build())
    if "concept-attention" not in fitting(pipe):
        pytest.skip("the family has no text that concepts could go beside")
    out = run(pipe, classes=["horse", "dining table"], mask_method="concept-attention", **small.unguided)
    assert out.heatmaps[0].shape == (2, 64, 96)
    assert out.heatmaps[0].std() > 1e-3


def test_processors_and_hooks_are_gone_afterwards(small):
    pipe = small.build()
    denoiser = check_supported(pipe).denoiser(pipe)
    before = [site.module.processor for site in check_supported(pipe).sites(pipe)]
    state = (set(vars(pipe)), set(vars(denoiser)))
    run(DiffuMaskPipeline.from_pipe(pipe), classes=["dog"], **small.unguided)
    with trace(pipe, classes=["dog"]):
        pass
    after = [site.module.processor for site in check_supported(pipe).sites(pipe)]
    assert all(one is other for one, other in zip(before, after, strict=True))
    assert (set(vars(pipe)), set(vars(denoiser))) == state
    assert not any(module._forward_pre_hooks for module in denoiser.modules())
