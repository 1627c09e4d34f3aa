"""What was recorded of one image, as the mask methods read it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from diffusers_attnmask.attention.readings import Reading, RunningMean
from diffusers_attnmask.attention.recorder import Recorder
from diffusers_attnmask.attention.sites import Site
from diffusers_attnmask.words.classes import ClassSpec, with_background


class NotRecordedError(ValueError):
    """A method asks for what no step of the sampling left behind."""


@dataclass(frozen=True, eq=False)
class ImageRecord:
    """The attention of one image: its place in the call, its classes, and the running means of the call."""

    image: int
    specs: tuple[ClassSpec, ...]
    recorder: Recorder
    pixels_per_latent: int

    @property
    def class_names(self) -> list[str]:
        return with_background(self.specs)

    @property
    def sites(self) -> tuple[Site, ...]:
        return tuple(self.recorder.sites)

    @property
    def latent_size(self) -> tuple[int, int]:
        return self.recorder.latent_size

    @property
    def image_size(self) -> tuple[int, int]:
        height, width = self.latent_size
        return height * self.pixels_per_latent, width * self.pixels_per_latent

    def cropped(self, maps: Tensor) -> Tensor:
        """Maps (C, H, W) of the size that was sampled, as the image was cut from it."""
        crop = self.recorder.crop
        return maps if crop is None else crop(maps[None])[0]

    def by_site(self, reading: Reading) -> list[tuple[Site, Tensor]]:
        """What a reading found at each of the sites that it covers."""
        return [(site, self._mean(reading, site)) for site in self.recorder.sites if reading.covers(site)]

    def over_sites(self, reading: Reading) -> Tensor:
        """What a reading that takes all its sites together found."""
        covered = [site for site in self.recorder.sites if reading.covers(site)]
        if not covered:
            raise ValueError(f"the model has no layer that fits {reading.choice}")
        return self._mean(reading, covered[0])

    def class_columns(self, source: str) -> tuple[tuple[int, ...], ...]:
        """Per class, which of the T recorded columns are its tokens."""
        return self.recorder.batch.class_columns(self.image, source)

    def has_other_content(self) -> list[bool]:
        """Per class, whether the prompt has words of content beside its own."""
        query = self.recorder.queries[self.image]
        own = [{query.prompt[column] for column in columns} for columns in query.prompt_columns]
        return [not set(query.content) <= positions for positions in own]

    @property
    def concepts(self) -> int:
        """How many concepts went through the model for this image: its classes, then decoys."""
        own = self.recorder.queries[self.image].concepts
        return len(own.tokens) if own else 0

    def _mean(self, reading: Reading, site: Site) -> Tensor:
        mean = self.recorder.means.get(reading.key(site))
        if not isinstance(mean, RunningMean):
            raise NotRecordedError(
                f"the {reading.kind}-attention of {site.name} was not recorded: name the method "
                "(with its options) before "
                f"sampling, and sample as far as the part {reading.steps} of the steps that it reads"
            )
        self.recorder.wait()
        return mean.mean(self.image)
