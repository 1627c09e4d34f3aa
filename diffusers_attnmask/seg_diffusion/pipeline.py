"""`SegDiffusionPipeline`: masks of an image for any class words, denoised by a text-to-image UNet."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from diffusers import AutoencoderKL, DiffusionPipeline, SchedulerMixin, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from diffusers_attnmask.ground.hub_errors import within_reach
from diffusers_attnmask.ground.ids import BACKGROUND
from diffusers_attnmask.ground.images import at_size, padded, resized_to, rgb_images
from diffusers_attnmask.ground.model_files import TENSORS_ALONE, readable_model
from diffusers_attnmask.masking.output import packed_masks
from diffusers_attnmask.seg_diffusion.batching import Batching
from diffusers_attnmask.seg_diffusion.content_attention import ContentAttention
from diffusers_attnmask.seg_diffusion.denoising import denoised, member_seeds, warn_of_a_late_start
from diffusers_attnmask.seg_diffusion.encoding import class_map, encoding_named, grey_values
from diffusers_attnmask.seg_diffusion.ensemble import aligned, merged
from diffusers_attnmask.seg_diffusion.latents import decode, encode
from diffusers_attnmask.seg_diffusion.output import SegDiffusionOutput
from diffusers_attnmask.seg_diffusion.sampling import MaskSampling
from diffusers_attnmask.seg_diffusion.schedule import mask_scheduler
from diffusers_attnmask.seg_diffusion.text import Sentences
from diffusers_attnmask.seg_diffusion.widen import widen
from diffusers_attnmask.words.classes import ClassLike, ClassSpec, class_specs, with_background

TEMPLATE = "a photo of a {}"
OUTPUT_TYPES = ("pil", "np", "pt")
HUB_OPTIONS = ("cache_dir", "force_download", "local_files_only", "revision", "token")
FILES = ("*.json", "*.safetensors", "*.txt")  # of a repository; code is not among them


class SegDiffusionPipeline(DiffusionPipeline):
    """Denoises a mask's latent beside its image's latent, conditioned on text that names the classes.

    encoding: "binary", one mask per class, for any words; or "levels", one pass for the classes of training.
    noise: what masks are denoised from, "gaussian" or "pyramid". processing_res: the longer side in training,
    at which images are seen by default. id2label: the classes of training, as the Hub writes them; phrases:
    the words that stood for some of them.
    """

    model_cpu_offload_seq = "text_encoder->content_attention->unet->vae"
    _optional_components: ClassVar[list[str]] = ["content_attention"]

    def __init__(
        self,
        vae: AutoencoderKL,
        text_encoder: CLIPTextModel,
        tokenizer: CLIPTokenizer,
        unet: UNet2DConditionModel,
        scheduler: SchedulerMixin,
        content_attention: ContentAttention | None = None,
        encoding: str = "binary",
        template: str = TEMPLATE,
        noise: str = "gaussian",
        processing_res: int = 768,
        id2label: dict[str, str] | None = None,
        phrases: dict[str, list[str]] | None = None,
    ) -> None:
        super().__init__()
        if unet.config.in_channels != 2 * vae.config.latent_channels:
            raise ValueError(
                f"the UNet takes {unet.config.in_channels} channels, not {2 * vae.config.latent_channels}: "
                "begin with SegDiffusionPipeline.from_text_to_image(checkpoint)"
            )
        self.encoding = encoding_named(encoding)
        self.denoising, self.decoding = Batching(), Batching()
        self.register_modules(
            vae=vae,
            text_encoder=text_encoder,
            tokenizer=tokenizer,
            unet=unet,
            scheduler=scheduler,
            content_attention=content_attention,
        )
        self.register_to_config(
            encoding=encoding,
            template=template,
            noise=noise,
            processing_res=processing_res,
            id2label=id2label,
            phrases=phrases,
        )

    @classmethod
    def from_text_to_image(
        cls,
        checkpoint: str | os.PathLike | DiffusionPipeline,
        *,
        content_attention: bool = False,
        prediction: str | None = None,
        **settings: Any,
    ) -> SegDiffusionPipeline:
        """The untrained pipeline of a Stable Diffusion 1.x or 2.x checkpoint, or of a loaded one.

        content_attention: whether words look at the image first, as published. prediction: "epsilon" or
        "v_prediction", by default the checkpoint's own. settings: of the constructor.
        """
        loaded = isinstance(checkpoint, DiffusionPipeline)
        source: Any = checkpoint
        if not loaded:
            path = os.fspath(cast(Any, checkpoint))
            with within_reach(path, "model"), readable_model(path):
                source = DiffusionPipeline.from_pretrained(path, safety_checker=None, **TENSORS_ALONE)
        if not isinstance(getattr(source, "text_encoder", None), CLIPTextModel) or "text_encoder_2" in (
            source.components
        ):
            raise TypeError(f"{type(source).__name__}: seg-diffusion begins from Stable Diffusion 1.x or 2.x")
        unet = widen(copy.deepcopy(source.unet) if loaded else source.unet)
        attention = None
        if content_attention:
            attention = ContentAttention(unet.config.cross_attention_dim, source.vae.config.latent_channels)
            nn.Module.to(attention, unet.device, unet.dtype)  # ModelMixin's own warns of every cast
        return cls(
            vae=source.vae,
            text_encoder=source.text_encoder,
            tokenizer=source.tokenizer,
            unet=unet,
            scheduler=mask_scheduler(source.scheduler, prediction),
            content_attention=attention,
            **settings,
        )

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | os.PathLike, **kwargs: Any) -> Any:
        """Load a folder, or a repository of the Hub, as `save_pretrained` wrote it."""
        folder = pretrained_model_name_or_path
        if not Path(folder).is_dir():  # diffusers itself refuses repositories with a component that it lacks
            from huggingface_hub import snapshot_download

            hub = {name: kwargs.pop(name) for name in HUB_OPTIONS if name in kwargs}
            with within_reach(str(folder), "model"):
                folder = snapshot_download(str(folder), allow_patterns=list(FILES), **hub)
        with readable_model(os.fspath(folder)):
            return super().from_pretrained(folder, **{**TENSORS_ALONE, **kwargs})

    @torch.no_grad()
    def __call__(
        self,
        image: Any,
        classes: Sequence[ClassLike] | Mapping[str, Any],
        *,
        denoising_steps: int = 10,
        ensemble_size: int = 10,
        processing_res: int | None = None,
        match_input_res: bool = True,
        batch_size: int = 0,
        background: float = 0.5,
        seen_penalty: float = 0.0,
        align: bool = False,
        generator: torch.Generator | list[torch.Generator] | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
    ) -> SegDiffusionOutput | tuple:
        """Masks of an image, or of a list of them, for classes named by words.

        image: a PIL picture of any mode, an array (H, W), (H, W, 3) or (H, W, 4), uint8 or float in [0, 1],
        or a tensor (3, H, W) in [0, 1]; with a first axis, or in a list, several. classes: phrases, or pairs
        of a name and phrases. processing_res: the longer side at which an image is seen, 0 for its own size,
        None for that of training. match_input_res: whether the masks have the image's size. batch_size:
        samples at once, 0 for as many as fit. background: its score, above which a class must be ("binary"
        alone). seen_penalty: taken from the scores of the classes of training where masks are decided, not
        from `probabilities`: a model is surer of those, and unseen words that look alike lose against them
        (calibrated stacking, Chao et al. 2016). align: scale and shift the ensemble's members before they are
        merged. generator: one, or one per image; the probabilities of a class do not depend on which other
        classes are asked for. Returns a `SegDiffusionOutput`: masks uint8 (H, W) of ids, probabilities
        float32 (classes, H, W) and uncertainty float32 (H, W), both in [0, 1].
        """
        images = rgb_images(image)
        specs = self.as_trained(class_specs(classes))
        sampling = MaskSampling(
            denoising_steps,
            ensemble_size,
            processing_res,
            match_input_res,
            batch_size,
            background,
            seen_penalty,
            align,
        )
        if isinstance(generator, list) and len(generator) != len(images):
            raise ValueError(f"there are {len(generator)} generators for {len(images)} images: give one each")
        if output_type not in OUTPUT_TYPES:
            raise ValueError(f"output_type is one of {', '.join(OUTPUT_TYPES)}, not {output_type!r}")
        warn_of_a_late_start(self.scheduler, denoising_steps)
        text, vocabulary, order = self._conditions(specs)
        longest = self.config.processing_res if processing_res is None else processing_res
        generators = generator if isinstance(generator, list) else [generator] * len(images)
        maps, deviations = [], []
        for pixels, own in zip(images, generators, strict=True):
            seen = resized_to(pixels, longest)
            members = self._members(seen, text, sampling, member_seeds(ensemble_size, own))
            values, deviation = merged(aligned(members) if align and ensemble_size > 1 else members)
            found = self.encoding.probabilities(values, vocabulary, background)[order]
            height, width = (pixels if match_input_res else seen).shape[-2:]
            maps.append(at_size(found, (height, width)).cpu())
            if deviation is not None:
                worst = deviation.amax(dim=0, keepdim=True)
                deviations.append(at_size(worst, (height, width))[0].cpu())
        self.maybe_free_model_hooks()
        penalty = self.penalties([spec.name for spec in specs], seen_penalty)
        masks = packed_masks([class_map(found - penalty) for found in maps], output_type)
        probabilities = [found[1:] for found in maps]
        uncertainty = deviations or None
        if not return_dict:
            return masks, probabilities, uncertainty
        return SegDiffusionOutput(masks, probabilities, uncertainty, with_background(specs), images)

    def _conditions(self, specs: tuple[ClassSpec, ...]) -> tuple[Tensor, int, list[int]]:
        """Text of the passes (P, T, D), how many classes they tell apart, and the maps asked for."""
        known = self.trained_classes
        if self.config.encoding == "levels" and known:
            if strange := [spec.name for spec in specs if spec.name not in known]:
                raise ValueError(
                    f"the levels of this model stand for {', '.join(known)}, not for {', '.join(strange)}: "
                    "only the binary encoding takes words that it was not trained with"
                )
            order = [0, *(known.index(spec.name) + 1 for spec in specs)]
            specs = self.as_trained(class_specs(known))
        else:
            order = list(range(len(specs) + 1))
        return self.encoding.conditions(self.sentences.of_classes(specs)), len(specs), order

    @property
    def sentences(self) -> Sentences:
        """What turns classes into text."""
        return Sentences(self.tokenizer, self.text_encoder, self.config.template, self._execution_device)

    def as_trained(self, specs: Sequence[ClassSpec]) -> tuple[ClassSpec, ...]:
        """Classes given by name alone get the phrases that stood for them in training."""
        phrases = self.config.phrases or {}
        return tuple(
            replace(spec, phrases=tuple(phrases[spec.name]))
            if spec.name in phrases and spec.phrases == (spec.name,)
            else spec
            for spec in specs
        )

    @property
    def trained_classes(self) -> list[str]:
        """The classes of training by their ids, without the background; empty where it is not said."""
        return [name for name in (self.config.id2label or {}).values() if name != BACKGROUND]

    def penalties(self, names: Sequence[str], seen_penalty: float) -> Tensor:
        """What is taken from maps (C + 1, H, W) of these classes, the background's first: (C + 1, 1, 1)."""
        known = self.trained_classes
        return seen_penalty * torch.tensor([[[0.0]], *([[float(name in known)]] for name in names)])

    def _members(self, image: Tensor, text: Tensor, sampling: MaskSampling, seeds: list[int]) -> Tensor:
        """Values in [0, 1] of every sample of every pass, (E, P, H, W), for an image (3, H, W) in [0, 1]."""
        height, width = image.shape[-2:]
        halvings = len(self.vae.config.block_out_channels) + len(self.unet.config.block_out_channels) - 2
        pictures = 2 * padded(image, 2**halvings)[None] - 1
        latent = encode(self.vae, pictures.to(self._execution_device)).to(self.unet.dtype)
        if self.content_attention is not None:
            text = self.content_attention(text, latent.expand(len(text), -1, -1, -1))
        samples = [(seed, condition) for seed in seeds for condition in text]
        with self.progress_bar(total=len(samples) * sampling.denoising_steps) as bar:

            def denoise(part: range) -> Tensor:
                own_seeds, conditions = zip(*samples[part.start : part.stop], strict=True)
                return denoised(
                    self.unet,
                    self.scheduler,
                    latent.expand(len(part), -1, -1, -1),
                    torch.stack(conditions),
                    sampling.denoising_steps,
                    self.config.noise,
                    [torch.Generator().manual_seed(seed) for seed in own_seeds],
                    bar.update,
                )

            masks = self.denoising(denoise, latent, len(samples), sampling.batch_size)

        def decoded(part: range) -> Tensor:
            pictures = decode(self.vae, masks[part.start : part.stop])
            return grey_values(pictures)[:, :height, :width]

        values = self.decoding(decoded, latent, len(samples), sampling.batch_size)
        return values.unflatten(0, (len(seeds), len(text)))
