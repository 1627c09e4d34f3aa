import json

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from safetensors.torch import load_file

import tiny_world
from tiny_world.training import autoencoder, denoiser, examples
from tiny_world.training.batches import Batches, Phase, spread_timesteps
from tiny_world.training.model import new_scheduler
from tiny_world.training.optimizer import Muon, optimizers, orthogonalized
from tiny_world.training.schedule import learning_rate
from tiny_world.training.text import LENGTH, learn_tokenizer, tokenize

AUTOENCODER = autoencoder.AutoencoderRecipe(steps=2, batch=2, crop=32, images=16)
SMALL = {"images": 16, "critic_steps": 2}
DENOISER = denoiser.DenoiserRecipe(phases=(Phase(64, 1, 4), Phase(128, 1, 2)), **SMALL)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Both stages, two steps each: the whole way from nothing to a pipeline."""
    folder = tmp_path_factory.mktemp("trained")
    autoencoder.train_autoencoder(folder, AUTOENCODER)
    denoiser.train_denoiser(folder, DENOISER)
    return folder


def test_what_comes_out_is_a_plain_half_precision_pipeline(trained):
    index = json.loads((trained / "pipeline" / "model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusionPipeline"
    for asked, got in (({"dtype": torch.float16}, torch.float16), ({}, torch.float32)):
        pipe = StableDiffusionPipeline.from_pretrained(trained / "pipeline", **asked)
        assert pipe.unet.dtype == pipe.vae.dtype == pipe.text_encoder.dtype == got
    pipe.set_progress_bar_config(disable=True)
    image = pipe("a red star", num_inference_steps=1, generator=torch.Generator().manual_seed(0)).images[0]
    assert image.size == (128, 128)


def test_the_pipeline_does_not_tell_where_it_was_trained(trained):
    configs = [file.read_text() for file in (trained / "pipeline").rglob("*.json")]
    assert configs and not any(str(trained) in config for config in configs)


def test_resuming_a_stage_that_is_done_changes_nothing(trained):
    before = {file: file.read_bytes() for file in (trained / "pipeline").rglob("*.safetensors")}
    denoiser.train_denoiser(trained, DENOISER)
    assert before and all(file.read_bytes() == content for file, content in before.items())


def test_an_interrupted_run_continues_as_if_it_had_not_stopped(trained, tmp_path):
    for name in ("vae", "examples.pt", "critic.pt"):
        (tmp_path / name).symlink_to(trained / name)
    denoiser.train_denoiser(tmp_path, denoiser.DenoiserRecipe(phases=DENOISER.phases[:1], **SMALL))
    state = torch.load(tmp_path / "denoiser.pt", weights_only=True)
    assert state["step"] == 1
    denoiser.train_denoiser(tmp_path, DENOISER)
    resumed = torch.load(tmp_path / "denoiser.pt", weights_only=True)
    whole = torch.load(trained / "denoiser.pt", weights_only=True)
    assert resumed["step"] == whole["step"] == 2
    # The first step's rate depends on the planned length only through the descent, which one step shares.
    for name, weight in whole["average"].items():
        assert torch.equal(weight, resumed["average"][name]), name


def test_a_training_may_begin_with_the_weights_of_a_pipeline(trained, tmp_path):
    for name in ("vae", "examples.pt", "critic.pt"):
        (tmp_path / name).symlink_to(trained / name)
    none = denoiser.DenoiserRecipe(phases=(Phase(64, 1, 2),), learning_rate=0.0, **SMALL)
    denoiser.train_denoiser(tmp_path, none, start_from=trained / "pipeline")
    begun, pipeline = (
        load_file(folder / "pipeline/unet/diffusion_pytorch_model.safetensors")
        for folder in (tmp_path, trained)
    )
    assert all(torch.equal(weight, pipeline[name]) for name, weight in begun.items())


def test_no_mask_enters_the_training(trained):
    kept = torch.load(trained / "examples.pt", weights_only=True)
    assert set(kept) == {"latents", "captions"}
    shapes = {size: tuple(latents.shape) for size, latents in kept["latents"].items()}
    assert shapes == {64: (16, 4, 16, 16), 128: (16, 4, 32, 32)}
    assert kept["captions"] == [tiny_world.render(DENOISER.first_seed + i)[2] for i in range(16)]


def test_standardized_latents_have_mean_0_and_spread_1_and_decode_to_the_same_picture():
    torch.manual_seed(0)
    vae, standard = autoencoder.new_autoencoder().eval(), autoencoder.new_autoencoder().eval()
    standard.load_state_dict(vae.state_dict())
    images = torch.rand(6, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        latents = vae.encode(images).latent_dist.mean
        examples.standardize(standard, latents.mean((0, 2, 3)), latents.std((0, 2, 3)))
        encoded = standard.encode(images).latent_dist.mean
        assert torch.allclose(encoded.mean((0, 2, 3)), torch.zeros(4), atol=1e-4)
        assert torch.allclose(encoded.std((0, 2, 3)), torch.ones(4), atol=1e-4)
        assert torch.allclose(standard.decode(encoded).sample, vae.decode(latents).sample, atol=1e-4)
    assert standard.config.scaling_factor == 1.0


def test_whole_images_latents_are_the_encoders(trained):
    vae = AutoencoderKL.from_pretrained(trained / "vae")
    images = np.stack([tiny_world.render(DENOISER.first_seed + i)[0] for i in range(16)])
    latents = examples.encode_images(vae, images)
    kept = torch.load(trained / "examples.pt", weights_only=True)["latents"][128].float()
    assert torch.allclose(latents, kept, atol=0.1)


def test_timesteps_cover_the_schedule_and_lean_to_the_noisy_end():
    generator = torch.Generator().manual_seed(0)
    for noisiness, mean in ((1.0, 1 / 2), (2.0, 2 / 3)):  # of the density n·tⁿ⁻¹ on [0, 1]
        drawn = torch.cat([spread_timesteps(16, 1000, noisiness, generator) for _ in range(200)])
        assert drawn.min() >= 0 and drawn.max() <= 999
        assert drawn.float().mean() / 1000 == pytest.approx(mean, abs=0.01)


def test_what_follows_the_words_is_hidden_from_a_share_of_the_pictures():
    tokenizer = learn_tokenizer(["a star", "a red star and a fish on grass"])
    captions = ["a star", "a red star and a fish on grass"] * 200
    tokens, empty = tokenize(tokenizer, captions), tokenize(tokenizer, [""])
    latents = {64: torch.zeros(400, 4, 2, 2)}
    batches = Batches(latents, captions, tokens, empty, new_scheduler(), 0.0, 0.5, 1.0)
    batch = batches.draw(Phase(64, 1, 300, lone=0.5), torch.Generator().manual_seed(0))
    hidden = ~batch.readable.all(1)
    assert 0.4 < hidden.float().mean() < 0.6
    words = torch.where(batch.facts.number == 1, 2, 8)  # and the token that begins every caption
    readable = torch.arange(LENGTH) <= words[:, None]
    assert torch.equal(batch.readable[hidden], readable[hidden])


def test_batches_hold_the_asked_share_of_lone_objects_and_split_over_processes(trained):
    kept = torch.load(trained / "examples.pt", weights_only=True)
    count = len(kept["captions"])
    names = torch.arange(count)[:, None]  # in place of tokens: each caption says which it is
    batches = Batches(kept["latents"], kept["captions"], names, names[:1] - 1, new_scheduler(), 0.0, 0.0, 1.0)
    phase = Phase(64, 1, 400, lone=0.8)
    batch = batches.draw(phase, torch.Generator().manual_seed(0))
    lone = {i for i in range(count) if len(tiny_world.render(DENOISER.first_seed + i)[3]) == 1}
    assert 0 < len(lone) < count
    assert np.mean([i in lone for i in batch.tokens[:, 0].tolist()]) == pytest.approx(0.8, abs=0.06)
    parts = [batch.share(rank, 2) for rank in (0, 1)]
    assert torch.equal(torch.stack([part.noisy for part in parts], 1).flatten(0, 1), batch.noisy)


def test_orthogonalized_updates_have_singular_values_near_one_and_keep_their_directions():
    torch.manual_seed(0)
    for shape in ((16, 100), (100, 16)):
        matrix = torch.randn(shape)
        left, _, right = torch.linalg.svd(matrix, full_matrices=False)
        update = orthogonalized(matrix)
        values = torch.linalg.svdvals(update)
        assert values.min() > 0.6 and values.max() < 1.25
        assert torch.nn.functional.cosine_similarity(update.flatten(), (left @ right).flatten(), 0) > 0.97


def test_muon_moves_every_matrix_by_the_size_of_an_adam_update():
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.zeros(32, 8, 3, 3))
    weight.grad = torch.randn_like(weight) * 1e-3
    Muon([weight], lr=0.01, weight_decay=0.0).step()
    assert weight.detach().square().mean().sqrt() == pytest.approx(0.01 * 0.2, rel=0.2)


def test_matrices_go_to_muon_and_everything_else_to_adam():
    model = torch.nn.ModuleDict({"embedding": torch.nn.Embedding(4, 4), "inner": torch.nn.Linear(4, 4)})
    muon, adam = optimizers(model, 1e-3, 0.0)
    assert [p.shape for p in muon.param_groups[0]["params"]] == [(4, 4)]
    assert muon.param_groups[0]["params"][0] is model["inner"].weight
    assert len(adam.param_groups[0]["params"]) == 2


def test_the_rate_rises_stays_and_descends_to_zero():
    rates = [learning_rate(step, 1000, 1.0) for step in range(1000)]
    assert rates[0] == 1 / 200 and rates[200] == rates[699] == 1.0 and rates[850] == pytest.approx(0.5)
    assert rates[-1] == pytest.approx(1 / 300)
    assert learning_rate(300, 1000, 1.0) == learning_rate(300, 2000, 1.0)


def test_the_rate_comes_down_at_every_rest_and_at_the_end():
    recipe = denoiser.DenoiserRecipe(
        phases=(Phase(64, 1000, 4), Phase(128, 1000, 2)), rests=(1000,), learning_rate=1.0
    )
    rates = [recipe.rate_at(step) for step in range(2000)]
    assert rates[:1000] == [learning_rate(step, 1000, 1.0) for step in range(1000)]
    assert rates[1000:] == [learning_rate(step, 2000, 1.0) for step in range(1000, 2000)]
    short = denoiser.DenoiserRecipe(phases=(Phase(64, 500, 4),), rests=(1000,), learning_rate=1.0)
    assert short.rate_at(499) == learning_rate(499, 500, 1.0)


def test_every_caption_word_is_one_token_and_other_words_split():
    captions = [tiny_world.render(seed)[2] for seed in range(400)]
    tokenizer = learn_tokenizer(captions)
    assert tokenizer.tokenize("a purple mushroom, on Grass") == [
        "a</w>",
        "purple</w>",
        "mushroom</w>",
        ",</w>",
        "on</w>",
        "grass</w>",
    ]
    assert len(tokenizer.tokenize("aeroplane")) > 1
    tokens = tokenize(tokenizer, ["a star", ""])
    assert tokens.shape == (2, LENGTH) and tokens[0, 0] == tokenizer.bos_token_id
    assert (tokens[1, 1:] == tokenizer.eos_token_id).all()
