import json

import pytest
import torch
import torch.nn.functional as F
from diffusers import StableDiffusion3Pipeline
from safetensors.torch import load_file

from diffusers_attnmask import bundled_model
from tiny_world.training import transformer
from tiny_world.training.batches import Phase
from tiny_world.training.mmdit import (
    LENGTH,
    SIDE,
    MMDiT,
    load_tokenizer,
    new_silent_encoder,
    new_t5_tokenizer,
    new_text_encoders,
    new_transformer,
    space_patches,
)
from tiny_world.training.text import tokenize

PHASES = (Phase(64, 2, 4), Phase(128, 1, 2))
SMALL = {"images": 16, "critic_steps": 2, "legible_from": 1}
RECIPE = transformer.TransformerRecipe(phases=PHASES, **SMALL)
CAPTIONS = ["a red star on grass", "a blue fish and a moon"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    transformer.train_transformer(folder, bundled_model(), RECIPE)
    return folder


@pytest.fixture(scope="module")
def pipe(trained):
    pipe = StableDiffusion3Pipeline.from_pretrained(trained / "pipeline")
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture(scope="module")
def model():
    """With random weights where training begins with zeros, so that all parts of the network matter."""
    torch.manual_seed(0)
    network = new_transformer()
    for weight in network.parameters():
        if weight.ndim > 1:
            torch.nn.init.normal_(weight, std=0.08)
    return MMDiT(network, new_text_encoders(bundled_model())).eval().requires_grad_(False)


def sampled(pipe, **options):
    generator = torch.Generator().manual_seed(0)
    return pipe("a red star", num_inference_steps=1, generator=generator, output_type="pt", **options).images


def predicted(model, tokens, zeros, readable=None):
    noisy = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    readable = torch.ones_like(tokens, dtype=torch.bool) if readable is None else readable
    return model(noisy, torch.tensor([0.3, 0.8]), tokens, readable, zeros)


def test_what_comes_out_is_a_plain_stable_diffusion_3(trained, pipe):
    index = json.loads((trained / "pipeline" / "model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusion3Pipeline"
    assert sampled(pipe).shape == (1, 3, 128, 128)
    assert pipe.transformer.num_parameters() < 12e6
    half = StableDiffusion3Pipeline.from_pretrained(trained / "pipeline", dtype=torch.float16)
    for loaded, dtype in ((pipe, torch.float32), (half, torch.float16)):
        networks = [part for part in loaded.components.values() if isinstance(part, torch.nn.Module)]
        assert len(networks) == 5 and all(network.dtype == dtype for network in networks)


def test_the_folder_is_small_and_does_not_tell_where_it_was_trained(trained):
    files = [file for file in (trained / "pipeline").rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 18e6
    configs = [file.read_text() for file in files if file.suffix == ".json"]
    assert configs and not any(str(trained) in config for config in configs)


def test_without_its_silent_t5_the_pipeline_paints_the_same(trained, pipe):
    names = {"text_encoder_3": None, "tokenizer_3": None}
    without = StableDiffusion3Pipeline.from_pretrained(trained / "pipeline", **names)
    without.set_progress_bar_config(disable=True)
    assert torch.equal(sampled(without), sampled(pipe))


def test_an_interrupted_run_continues_as_if_it_had_not_stopped(trained, tmp_path):
    for name in ("examples.pt", "critic.pt"):
        (tmp_path / name).symlink_to(trained / name)
    short = transformer.TransformerRecipe(phases=(Phase(64, 1, 4),), **SMALL)
    transformer.train_transformer(tmp_path, bundled_model(), short)
    assert torch.load(tmp_path / "transformer.pt", weights_only=True)["step"] == 1
    transformer.train_transformer(tmp_path, bundled_model(), RECIPE)
    for file in (trained / "pipeline").rglob("*.safetensors"):
        assert (tmp_path / file.relative_to(trained)).read_bytes() == file.read_bytes(), file


def test_a_training_may_begin_with_the_weights_of_a_pipeline(trained, tmp_path):
    for name in ("examples.pt", "critic.pt"):
        (tmp_path / name).symlink_to(trained / name)
    still = transformer.TransformerRecipe(phases=(Phase(64, 1, 2),), learning_rate=0.0, **SMALL)
    transformer.train_transformer(tmp_path, bundled_model(), still, start_from=trained / "pipeline")
    for file in (trained / "pipeline").rglob("*.safetensors"):
        begun = load_file(tmp_path / file.relative_to(trained))
        assert all(torch.equal(begun[name], weight) for name, weight in load_file(file).items()), file


def test_one_counted_zero_stands_for_as_many_as_the_pipeline_puts_behind_the_words(model, pipe):
    tokens = tokenize(load_tokenizer(bundled_model()), CAPTIONS)
    names = ("text_encoder", "text_encoder_2")
    plain = StableDiffusion3Pipeline(
        **(
            pipe.components
            | {"transformer": model.transformer}
            | {name: getattr(model, name) for name in names}
        )
    )
    noisy = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    levels = torch.tensor([300.0, 800.0])
    answers = []
    for zeros in (1, 7, 256):
        text, _, summary, _ = plain.encode_prompt(
            CAPTIONS, None, None, do_classifier_free_guidance=False, max_sequence_length=zeros
        )
        assert text.shape == (2, LENGTH + zeros, 256) and not text[:, LENGTH:].any() and not summary.any()
        answers.append(predicted(model, tokens, zeros))
        assert torch.allclose(model.transformer(noisy, text, summary, levels).sample, answers[-1], atol=1e-4)
    assert not torch.allclose(answers[0], answers[2], atol=1e-2)


def test_what_is_not_readable_does_not_matter(model):
    tokens = tokenize(load_tokenizer(bundled_model()), CAPTIONS)
    readable = torch.arange(LENGTH) < torch.tensor([[4], [6]])
    others = tokens.where(readable, 5)
    seen, other = (predicted(model, ids, 3, readable) for ids in (tokens, others))
    assert torch.allclose(seen, other, atol=1e-5)
    assert not torch.allclose(predicted(model, tokens, 3), predicted(model, others, 3), atol=1e-2)


def test_training_begins_with_the_bundled_words_and_a_prediction_of_zero():
    fresh = MMDiT(new_transformer(), new_text_encoders(bundled_model()))
    tokens = tokenize(load_tokenizer(bundled_model()), CAPTIONS)
    assert not predicted(fresh, tokens, 1).any()
    word = fresh.text_encoder_2(tokens, output_hidden_states=True).hidden_states[-2]
    table = fresh.text_encoder.text_model.embeddings
    assert torch.equal(word, table.token_embedding(tokens) + table.position_embedding.weight[:LENGTH])


def test_the_silent_encoder_says_zero_and_its_tokenizer_has_a_token_for_every_word():
    tokenizer = new_t5_tokenizer(load_tokenizer(bundled_model()))
    assert tokenizer.tokenize("a red star, on Mars") == [
        "▁a",
        "▁red",
        "▁star",
        ",",
        "▁on",
        "▁M",
        "a",
        "r",
        "s",
    ]
    assert not new_silent_encoder(tokenizer)(tokenizer(CAPTIONS[0], return_tensors="pt").input_ids)[0].any()


def test_a_half_size_patch_lies_in_the_middle_of_the_four_that_it_replaces():
    network = new_transformer()
    full = network.pos_embed.cropped_pos_embed(2 * SIDE, 2 * SIDE).unflatten(1, (SIDE, SIDE))
    space_patches(network, 2.0)
    half = network.pos_embed.cropped_pos_embed(SIDE, SIDE).unflatten(1, (SIDE // 2, SIDE // 2))
    means = F.avg_pool2d(full.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)  # of waves: in phase, but flatter
    similar = F.cosine_similarity(means[0].flatten(0, 1), half[0].flatten(0, 1), dim=1)
    assert similar.min() > 0.98
    apart = (half[0].flatten(0, 1)[:, None] - half[0].flatten(0, 1)[None]).norm(dim=2)
    assert (apart + 99 * torch.eye(len(apart))).min() > 1


def test_noise_hides_half_size_pictures_as_much_as_full_size_ones():
    clean = F.interpolate(torch.randn(1, 4, 16, 16), scale_factor=2)  # the same at both sizes
    noise = torch.randn(1, 4, 32, 32)
    for level in (0.1, 0.5, 0.9):
        full, half = (
            transformer.own_levels(torch.tensor([level]), torch.zeros(1, 4, side, side)).item()
            for side in (32, 16)
        )
        assert full == pytest.approx(level)
        seen = F.avg_pool2d(clean + full * (noise - clean), 2)
        picture, hidden = F.avg_pool2d(clean, 2), 2 * F.avg_pool2d(noise, 2)
        expected = picture + half * (hidden - picture)
        assert torch.allclose(seen / seen.std(), expected / expected.std(), atol=1e-4)
    everything = transformer.own_levels(torch.ones(1), torch.zeros(1, 4, 16, 16))
    assert everything.item() == 1
