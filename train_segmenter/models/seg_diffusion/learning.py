"""What a step of training teaches seg-diffusion: what it is asked about each mask, and the error it makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from diffusers_attnmask.ground.ids import BACKGROUND
from diffusers_attnmask.seg_diffusion.encoding import binary_pictures, level_pictures
from diffusers_attnmask.seg_diffusion.latents import encode
from diffusers_attnmask.seg_diffusion.noise import draw_noise
from diffusers_attnmask.seg_diffusion.pipeline import SegDiffusionPipeline
from diffusers_attnmask.words.classes import class_specs
from train_segmenter.models.base import sent
from train_segmenter.models.seg_diffusion.latent_cache import LatentCache
from train_segmenter.models.seg_diffusion.objective import (
    asked_classes,
    counted_places,
    drawn_timesteps,
    noisy_and_target,
    squared_error,
)
from train_segmenter.models.seg_diffusion.options import SegDiffusionOptions

ENCODED_TOGETHER = 4  # pictures that fill a GPU; a processor is busy with one


class Learning:
    """Training of a pipeline for classes; texts are encoded once, and latents where images come again."""

    def __init__(
        self, pipe: SegDiffusionPipeline, class_names: Sequence[str], options: SegDiffusionOptions
    ) -> None:
        self.pipe, self.class_names, self.options = pipe, class_names, options
        # a background is one only by its name
        self.foreground = tuple(number for number, name in enumerate(class_names) if name != BACKGROUND)
        self.latents: Callable[[Tensor], Tensor] = self._encode
        self.texts: dict[int, Tensor] = {}
        self.ranks: Tensor | None = None

    @property
    def multiple(self) -> int:
        """What the sides of images must be multiples of."""
        depths = (len(part.config.block_out_channels) - 1 for part in (self.pipe.vae, self.pipe.unet))
        return 2 ** sum(depths)

    def begin(self, crop: int | None, repeats: bool) -> None:
        """Takes over the size of the training images, and caches latents of images that will come again."""
        self.pipe.register_to_config(
            processing_res=crop or 0,
            id2label={str(number): name for number, name in enumerate(self.class_names)},
        )
        for frozen in (self.pipe.vae, self.pipe.text_encoder):
            frozen.requires_grad_(False).eval()
        if self.options.latent_cache and repeats:
            together = 1 if self.pipe.vae.device.type == "cpu" else ENCODED_TOGETHER
            self.latents = LatentCache(self._encode, self.options.latent_cache, together)
        if self.options.gradient_checkpointing:
            self.pipe.unet.enable_gradient_checkpointing()

    def forget(self) -> None:
        """Drops what is kept on the device or in the precision that the pipeline leaves."""
        self.texts.clear()
        self.ranks = None

    def loss(self, images: Tensor, masks: Tensor, shown: Sequence[Sequence[int]]) -> Tensor:
        """The squared error of the denoising, of images (B, 3, H, W) in [-1, 1] and masks (B, H, W)."""
        pictures, text = self.asked(masks, shown)
        seen, latents = self.latents(images), self.latents(pictures)
        scheduler = self.pipe.scheduler
        timesteps = drawn_timesteps(
            len(latents), scheduler.config.num_train_timesteps, self.options.noisiness
        )
        timesteps = sent(timesteps, latents.device)
        noise = draw_noise(self.options.noise, latents.shape, None, latents.device, latents.dtype)
        noisy, target = noisy_and_target(scheduler, latents, noise, timesteps)
        if self.pipe.content_attention is not None:
            text = self.pipe.content_attention(text, seen)
        both = torch.cat([seen, noisy], dim=1)
        predicted = self.pipe.unet(both, timesteps, encoder_hidden_states=text, return_dict=False)[0]
        return squared_error(predicted, target, counted_places(masks, latents.shape[-2:]))

    def asked(self, masks: Tensor, shown: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Pictures (B, 3, H, W) of what each mask (B, H, W) is asked for, and the text (B, T, D) for it."""
        if self.options.encoding == "levels":
            text = torch.stack([self._text(number) for number in self.foreground])
            text = self.pipe.encoding.conditions(text).expand(len(masks), -1, -1)
            return level_pictures(self._ranks(masks.device)[masks], len(self.foreground)), text
        numbers = asked_classes(shown, self.foreground, self.options.absent)
        inside = masks == sent(torch.tensor(numbers), masks.device)[:, None, None]
        return binary_pictures(inside), torch.stack([self._text(number) for number in numbers])

    def _ranks(self, device: torch.device) -> Tensor:
        """The level (256,) of each id; background and ignored are black."""
        if self.ranks is None:
            ranks = torch.zeros(256, dtype=torch.long)
            ranks[list(self.foreground)] = torch.arange(1, len(self.foreground) + 1)
            self.ranks = ranks.to(device)
        return self.ranks

    @torch.no_grad()
    def _text(self, number: int) -> Tensor:
        """The text (T, D) of a class, encoded once."""
        if number not in self.texts:
            spec = self.pipe.as_trained(class_specs([self.class_names[number]]))
            with torch.autocast(self.pipe.device.type, enabled=False):
                self.texts[number] = self.pipe.sentences.of_classes(spec)[0]
        return self.texts[number]

    @torch.no_grad()
    def _encode(self, pictures: Tensor) -> Tensor:
        return encode(self.pipe.vae, pictures).float()
