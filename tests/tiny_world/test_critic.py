import pytest
import torch
import torch.nn.functional as F

from tiny_world.scene import CLASSES
from tiny_world.training import critic as critics
from tiny_world.training.batches import Batch, class_words
from tiny_world.training.model import new_scheduler

COUNT = 6


@pytest.fixture
def clean():
    return torch.randn(COUNT, 4, 16, 16, generator=torch.Generator().manual_seed(0))


def batch_of(clean, timesteps, classes, captioned):
    """What the denoiser would see of the clean latents, whose true velocity it holds."""
    scheduler, noise = new_scheduler(), torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    return Batch(
        noisy=scheduler.add_noise(clean, noise, timesteps),
        velocity=scheduler.get_velocity(clean, noise, timesteps),
        timesteps=timesteps,
        tokens=torch.zeros(len(clean), 1),
        classes=classes,
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


def test_class_words_are_those_of_the_caption():
    words = class_words(["a red star and a fish on grass", "mushroom"])
    assert [[CLASSES[i] for i in row.nonzero()[:, 0]] for row in words] == [["star", "fish"], ["mushroom"]]


def test_the_critic_is_shown_the_picture_that_the_velocity_means(clean):
    timesteps = torch.full((COUNT,), 600)
    batch = batch_of(clean, timesteps, torch.zeros(COUNT, 8), torch.ones(COUNT, dtype=torch.bool))
    echo, generator = Echo(torch.zeros(COUNT, 8)), torch.Generator().manual_seed(2)
    critics.legibility(echo, batch, batch.velocity, new_scheduler(), generator)
    # The same draws again: a share of the timestep for each picture, then the fresh noise.
    again = torch.Generator().manual_seed(2)
    fresh = (600 * torch.rand(COUNT, generator=again)).long()
    kept = new_scheduler().alphas_cumprod[fresh][:, None, None, None]
    expected = kept.sqrt() * clean + (1 - kept).sqrt() * torch.randn(clean.shape, generator=again)
    assert torch.allclose(echo.noisy, expected, atol=1e-4)
    assert torch.allclose(echo.share**2, 1 - kept.flatten(), atol=1e-6)


def test_pictures_without_a_caption_are_not_asked_about(clean):
    logits, classes = torch.randn(COUNT, 8), (torch.arange(8) < 2).float().repeat(COUNT, 1)
    captioned = torch.arange(COUNT) % 2 == 0
    batch = batch_of(clean, torch.full((COUNT,), 100), classes, captioned)
    loss = critics.legibility(Echo(logits), batch, batch.velocity, new_scheduler(), torch.Generator())
    odds = F.logsigmoid(logits[captioned]), F.logsigmoid(-logits[captioned])
    expected = -(odds[0][:, :2].sum() + odds[1][:, 2:].sum()) / odds[0].numel()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


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
