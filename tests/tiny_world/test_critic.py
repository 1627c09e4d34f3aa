import pytest
import torch

from tiny_world.scene import CLASSES, COLOURS
from tiny_world.training import critic as critics
from tiny_world.training.batches import Batch
from tiny_world.training.caption_facts import COUNT, NUMBERS, read_facts
from tiny_world.training.denoiser import clean_guess
from tiny_world.training.model import new_scheduler

PICTURES = 6
CAPTIONS = ["a red star and a blue fish on sand", "house"] * 3

NAMES = [*CLASSES, *NUMBERS, *((colour, name) for name in CLASSES for colour in COLOURS)]


@pytest.fixture
def clean():
    return torch.randn(PICTURES, 4, 16, 16, generator=torch.Generator().manual_seed(0))


def batch_of(clean, timesteps, captioned):
    """What the denoiser would see of the clean latents, whose true velocity it holds."""
    scheduler, noise = new_scheduler(), torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    return Batch(
        noisy=scheduler.add_noise(clean, noise, timesteps),
        velocity=scheduler.get_velocity(clean, noise, timesteps),
        timesteps=timesteps,
        tokens=torch.zeros(len(clean), 1),
        readable=torch.ones(len(clean), 1, dtype=torch.bool),
        facts=read_facts(CAPTIONS),
        captioned=captioned,
    )


class Echo(torch.nn.Module):
    """Keeps what it is shown, and answers with the same logits whatever that is."""

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, noisy, share):
        self.noisy, self.share = noisy, share
        return self.logits


def test_facts_are_what_the_captions_say():
    facts = read_facts(CAPTIONS[:2])
    said = [{NAMES[i] for i in row.nonzero()[:, 0]} for row in facts.said]
    assert said == [{"star", "fish", 2, ("red", "star"), ("blue", "fish")}, {"house", 1}]
    assert facts.number.tolist() == [2, 1]


def test_a_caption_without_colours_leaves_them_open():
    coloured, plain = read_facts(CAPTIONS[:2]).weight
    pair = [isinstance(name, tuple) for name in NAMES]
    assert (coloured > 0).all() and (plain > 0).tolist() == [not own for own in pair]


def test_the_critic_is_shown_the_picture_that_the_velocity_means(clean):
    timesteps = torch.full((PICTURES,), 600)
    batch = batch_of(clean, timesteps, torch.ones(PICTURES, dtype=torch.bool))
    echo, generator = Echo(torch.zeros(PICTURES, COUNT)), torch.Generator().manual_seed(2)
    guess = clean_guess(batch, batch.velocity, new_scheduler())
    critics.legibility(echo, batch, guess, new_scheduler(), generator)
    # The same draws again: a share of the timestep for each picture, then the fresh noise.
    again = torch.Generator().manual_seed(2)
    fresh = (600 * torch.rand(PICTURES, generator=again)).long()
    kept = new_scheduler().alphas_cumprod[fresh][:, None, None, None]
    expected = kept.sqrt() * clean + (1 - kept).sqrt() * torch.randn(clean.shape, generator=again)
    assert torch.allclose(echo.noisy, expected, atol=1e-4)
    assert torch.allclose(echo.share**2, 1 - kept.flatten(), atol=1e-6)


def test_pictures_without_a_caption_are_not_asked_about(clean):
    logits, captioned = torch.randn(PICTURES, COUNT), torch.arange(PICTURES) % 2 == 0
    batch = batch_of(clean, torch.full((PICTURES,), 100), captioned)
    loss = critics.legibility(Echo(logits), batch, clean, new_scheduler(), torch.Generator())
    facts = read_facts(CAPTIONS)
    per_fact = -torch.where(facts.said > 0, logits.sigmoid().log(), (1 - logits.sigmoid()).log())
    expected = sum((per_fact[i] * facts.weight[i]).sum() for i in (0, 2, 4)) / 3
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)


def test_latents_of_every_size_are_read_at_one_size(clean):
    large = clean.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.allclose(critics.from_afar(large), clean, atol=1e-6)
    assert torch.equal(critics.from_afar(clean), clean)


def test_it_learns_to_read_what_captions_say():
    """Two classes that differ in one channel's sign, amid noise: a few steps tell them apart."""
    generator = torch.Generator().manual_seed(0)
    star = torch.rand(400, generator=generator) < 0.5
    latents = 0.3 * torch.randn(400, 4, 16, 16, generator=generator)
    latents[:, 0] += torch.where(star, 1.0, -1.0)[:, None, None]
    captions = ["a star" if s else "a fish" for s in star.tolist()]
    critic = critics.train_critic({64: latents}, captions, new_scheduler(), steps=40)
    assert critics.share_read(critic, latents[380:], captions[380:], new_scheduler(), 0) > 0.9
    assert critics.share_read(critic, latents[380:], captions[380:], new_scheduler(), 999) < 0.9
