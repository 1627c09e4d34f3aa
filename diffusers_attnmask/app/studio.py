"""What the app's buttons do, without anything of the browser."""

from __future__ import annotations

import inspect
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from diffusers_attnmask.app.halt import Halt
from diffusers_attnmask.app.view import View
from diffusers_attnmask.families import check_supported
from diffusers_attnmask.ground.pictures import read_image
from diffusers_attnmask.ground.typed import parsed_class
from diffusers_attnmask.masking.output import DiffuMaskPipelineOutput
from diffusers_attnmask.masking.settings import settings_for
from diffusers_attnmask.masking.tracing import trace
from diffusers_attnmask.words.classes import ClassLike

WORD = re.compile(r"[^\W_]+(?:[-'][^\W_]+)*")
MAPS_OF_WORDS = "daam"  # reads every word in the same way
Progress = Callable[[int, int], None]  # told how many steps of how many are done


class Stopped(ValueError):
    """A sampling that its asker has stopped."""


@dataclass(frozen=True)
class Watch:
    """Who looks on while a picture is sampled: told each step, and asked whether to end there."""

    progress: Progress | None = None
    halt: Halt | None = None


UNSEEN = Watch()


@dataclass(frozen=True)
class Asked:
    """One picture, as a form has it: an empty method is the model's own, size 0 the model's, and a negative
    seed, or none, is drawn."""

    prompt: str
    classes: Sequence[str] = ()
    method: str = ""
    negative: str = ""
    size: float = 0
    steps: float = 30
    guidance: float = 7.5
    seed: float | None = 0


@dataclass(frozen=True)
class Studio:
    """A pipeline with masks, which serves one question at a time."""

    pipe: Any

    @property
    def methods(self) -> list[str]:
        """The mask methods that fit the model."""
        family = check_supported(self.pipe)
        return [own.name for own in settings_for(self.pipe).resolve_all(family, family.sites(self.pipe))]

    def sample(self, asked: Asked, watch: Watch = UNSEEN) -> View:
        """A picture from a prompt, and its masks."""
        seed = drawn_seed(asked.seed)
        classes = named_classes(asked.classes)
        arguments = self._arguments(asked, seed, watch)
        out = self.pipe(**arguments, classes=classes, mask_method=asked.method or None, drop_absent=False)
        return View.of(out, seed, asked.prompt)

    def compare(self, asked: Asked, methods: Sequence[str], watch: Watch = UNSEEN) -> dict[str, View]:
        """The masks of several methods, read from one sampling."""
        if not methods:
            raise ValueError("choose at least one mask method")
        seed = drawn_seed(asked.seed)
        arguments = self._arguments(asked, seed, watch)
        with trace(self.pipe, named_classes(asked.classes), methods=list(methods)) as traced:
            image = self.pipe(**arguments).images[0]
        views = {}
        for name in methods:
            maps, masks = traced.heatmaps_by(name), traced.masks(name)
            presence = traced.presence(name)
            out = DiffuMaskPipelineOutput([image], masks, maps, traced.class_names[0], presence=presence)
            views[name] = View.of(out, seed, asked.prompt)
        return views

    def words(self, asked: Asked, watch: Watch = UNSEEN) -> View:
        """A picture, and the map of every word of its prompt."""
        words = list(dict.fromkeys(WORD.findall(asked.prompt)))
        seed = drawn_seed(asked.seed)
        arguments = self._arguments(asked, seed, watch)
        out = self.pipe(**arguments, classes=words, mask_method=MAPS_OF_WORDS, drop_absent=False)
        out.presence = None  # of a class; most words are none
        return View.of(out, seed, asked.prompt)

    def picture(self, file: str | None, asked: Asked, strength: float = 0.3, looks: float = 1) -> View:
        """Masks of a picture that exists already, as a file."""
        if file is None:
            raise ValueError("choose a picture first")
        check_prompt(asked.prompt, "say in a few words what the picture shows")
        seed = drawn_seed(asked.seed)
        out = self.pipe.segment(
            Image.fromarray(read_image(Path(file))),
            asked.prompt,
            named_classes(asked.classes),
            strength=strength,
            looks=int(looks),
            mask_method=asked.method or None,
            generator=torch.Generator().manual_seed(seed),
            drop_absent=False,
        )
        return View.of(out, seed, asked.prompt)

    def _arguments(self, asked: Asked, seed: int, watch: Watch) -> dict[str, Any]:
        """What the pipeline is called with; what its family does not take must not be asked for."""
        check_prompt(asked.prompt, "write a prompt first")
        if asked.size % 8:
            raise ValueError(f"the size is a multiple of 8, such as 512, not {asked.size:g}")
        steps = int(asked.steps)
        known = inspect.signature(self.pipe.__call__).parameters
        arguments: dict[str, Any] = {
            "prompt": asked.prompt,
            "num_inference_steps": steps,
            "guidance_scale": asked.guidance,
            "generator": torch.Generator().manual_seed(seed),
        }
        if asked.size:
            arguments |= {"height": int(asked.size), "width": int(asked.size)}
        if asked.negative.strip():
            arguments["negative_prompt"] = asked.negative
        if "callback_on_step_end" in known:
            arguments["callback_on_step_end"] = _after_step(steps, watch)
        if foreign := [name for name in arguments if name not in known]:
            told = ", ".join(name.replace("_", " ") for name in foreign)
            raise ValueError(f"this model takes no {told}: leave it empty")
        return arguments


def _after_step(steps: int, watch: Watch) -> Callable[..., dict[str, Any]]:
    def told(pipe: Any, step: int, timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
        if watch.halt is not None and watch.halt.called:
            raise Stopped(f"stopped after {step + 1} of {steps} steps")
        if watch.progress is not None:
            watch.progress(step + 1, steps)
        return values

    return told


def named_classes(typed: Sequence[str]) -> list[ClassLike]:
    """Classes as chips have them: `dog`, or `aeroplane=airplane,jet` for a name and its phrases."""
    words = [word.strip() for word in typed or () if word.strip()]
    if not words:
        raise ValueError("add at least one class: a word of the prompt, such as dog")
    return [parsed_class(word) for word in words]


def check_prompt(prompt: str, remedy: str) -> None:
    if not prompt.strip():
        raise ValueError(remedy)


def drawn_seed(seed: float | None) -> int:
    return random.randrange(2**31) if seed is None or seed < 0 else int(seed)
