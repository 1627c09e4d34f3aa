"""The content attention module: the words of a class look at the image before they condition the UNet."""

from __future__ import annotations

from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn
from torch.nn import functional


class ContentAttention(ModelMixin, ConfigMixin):
    """Cross-attention from text tokens to features of the image latent, added to the text.

    Its output begins at zero: a pipeline with a new module is the plain pipeline.
    """

    @register_to_config
    def __init__(
        self,
        text_channels: int,
        latent_channels: int = 4,
        channels: int = 64,
        heads: int = 4,
        reduction: int = 2,
    ) -> None:
        """`reduction` is the number of convolutions that halve the latent's sides before it is looked at."""
        super().__init__()
        self.heads = heads
        layers: list[nn.Module] = [nn.Conv2d(latent_channels, channels, 3, padding=1)]
        for _ in range(reduction):
            layers += [nn.SiLU(), nn.Conv2d(channels, channels, 3, stride=2, padding=1)]
        self.features = nn.Sequential(*layers)
        self.text_norm, self.feature_norm = nn.LayerNorm(text_channels), nn.LayerNorm(channels)
        self.query = nn.Linear(text_channels, channels, bias=False)
        self.key = nn.Linear(channels, channels, bias=False)
        self.value = nn.Linear(channels, channels, bias=False)
        self.out = nn.Linear(channels, text_channels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, text: Tensor, latents: Tensor) -> Tensor:
        """Refined text (B, T, D) of text (B, T, D) and image latents (B, C, h, w)."""
        features = self.feature_norm(
            self.features(latents).flatten(2).transpose(1, 2)
        )  # (B, places, channels)
        query = self._by_head(self.query(self.text_norm(text)))
        key, value = self._by_head(self.key(features)), self._by_head(self.value(features))
        seen = functional.scaled_dot_product_attention(query, key, value)  # (B, heads, T, channels / heads)
        return text + self.out(seen.transpose(1, 2).flatten(2))

    def _by_head(self, values: Tensor) -> Tensor:
        """(B, N, channels) to (B, heads, N, channels / heads)."""
        return values.unflatten(-1, (self.heads, -1)).transpose(1, 2)
