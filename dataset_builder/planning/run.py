"""The plan of a build: what it will make, and what it will need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dataset_builder.building.diffumask_sampler import fitting_model
from dataset_builder.building.layout import layout_of, shards_for
from dataset_builder.planning.disk import bytes_per_pair
from dataset_builder.planning.measure import Measured, measured
from dataset_builder.prompts import PromptItem, PromptPlan, prompt_plan
from dataset_builder.recipe import Recipe
from dataset_builder.sam.kinds import check_sam
from diffusers_attnmask.ground.amounts import bytes_told, hours_told, peak_told, weights_told
from diffusers_attnmask.ground.options import Count, Processes, Whole, options
from diffusers_attnmask.loading.memory import BYTES, native_size, parameters, without_weights

COUNTED = 1000  # prompts, of which the average number of classes is taken


@options(kw_only=True)
class PlanOptions:
    """measure: load the model, and time two batches. workers: processes that refine beside the sampler.
    machines: for how many the hours are told, beside one. shown: prompts."""

    measure: bool = False
    workers: Processes = 1
    machines: Count = 8
    shown: Whole = 5


@dataclass(frozen=True)
class BuildPlan:
    """size: (height, width). splits: pairs of each. prompts: the first ones. pairs_of: by the class that they
    are made for. prompts_of: how many different prompts of a class alone there are. weights: parameters by
    component. bytes_per_pair: estimated from photographs, or measured."""

    recipe: Recipe
    pipeline: str
    size: tuple[int, int]
    shards: int
    splits: Mapping[str, int]
    prompts: tuple[PromptItem, ...]
    pairs_of: Mapping[str, int]
    prompts_of: Mapping[str, int]
    without: tuple[str, ...]
    weights: Mapping[str, int]
    bytes_per_pair: float
    measured: Measured | None
    options: PlanOptions

    @property
    def weight_bytes(self) -> dict[str, int]:
        """Of all weights, by precision."""
        return {name: size * sum(self.weights.values()) for name, size in BYTES.items()}

    @property
    def largest_bytes(self) -> dict[str, int]:
        """Of the largest component, which is what a GPU must hold with offload: model."""
        return {name: size * max(self.weights.values()) for name, size in BYTES.items()}

    @property
    def again(self) -> list[str]:
        """The classes with more pairs than there are different prompts of them alone."""
        return [name for name, count in self.pairs_of.items() if count > self.prompts_of[name]]

    @property
    def hours(self) -> dict[int, float] | None:
        """By number of machines; one refines beside its sampler."""
        if self.measured is None:
            return None
        pairs, many = self.recipe.pairs, self.options.machines
        here = self.measured.hours_here(pairs, self.options.workers)
        return {1: here, **({many: self.measured.hours(pairs, many)} if many > 1 else {})}

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON takes them."""
        return {
            "model": self.recipe.model,
            "pipeline": self.pipeline,
            "size": list(self.size),
            "dtype": self.recipe.sampling.dtype,
            "pairs": self.recipe.pairs,
            "shards": self.shards,
            "splits": dict(self.splits),
            "prompts": [{"prompt": own.text, "classes": list(own.class_names)} for own in self.prompts],
            "pairs_of": dict(self.pairs_of),
            "prompts_of": dict(self.prompts_of),
            "without": list(self.without),
            "disk": {
                "bytes": round(self.bytes_per_pair * self.recipe.pairs),
                "measured": self.measured is not None,
            },
            "weights": {
                "parameters": dict(self.weights),
                "bytes": self.weight_bytes,
                "largest_bytes": self.largest_bytes,
            },
            "measured": asdict(self.measured) if self.measured else None,
            "hours": self.hours,
        }


def plan_build(recipe: Recipe, asked: PlanOptions | None = None, *, progress: bool = True) -> BuildPlan:
    """Read what a build would read but for weights, and count. Nothing is written."""
    asked, recipe = asked or PlanOptions(), recipe.on_this_machine()
    if recipe.pictures is not None:
        raise ValueError("a plan is of drawn pictures: attnmask annotate --dry-run counts those that exist")
    vocabulary = recipe.open_vocabulary()
    plan = prompt_plan(recipe.prompts, vocabulary, recipe.seed)
    source = fitting_model(recipe)
    if recipe.refinement.model is not None:
        check_sam(recipe.refinement.model, recipe.refinement.sam)
    networks = without_weights(source)
    if not recipe.sampling.safety_checker:
        networks.pop("safety_checker", None)
    size = recipe.sampling.size or native_size(source, networks)
    splits = pairs_of_splits(recipe, plan, progress)
    counted = [plan[index] for index in range(looked_at(recipe, asked))]
    classes = sum(len(item.classes) for item in counted) / len(counted) if counted else 1.0
    maps = classes if recipe.maps else 0.0
    timed = measured(recipe, vocabulary, plan) if asked.measure else None
    return BuildPlan(
        recipe,
        source.kind.__name__,
        size,
        sum(shards_for(pairs, recipe.shard_size) for pairs in splits.values()),
        splits,
        tuple(counted[: asked.shown]),
        plan.pairs_of(recipe.pairs),
        plan.report.per_class,
        plan.report.without,
        parameters(networks),
        timed.bytes_per_pair if timed else bytes_per_pair(recipe, size, maps),
        timed,
        asked,
    )


def pairs_of_splits(recipe: Recipe, plan: PromptPlan, progress: bool) -> dict[str, int]:
    """How many pairs each split gets; of prompts that are still to be written, as the shares say."""
    if recipe.splits and recipe.prompts.writer is not None:
        return {str(split): round(share * recipe.pairs) for split, share in recipe.splits.items()}
    layout = layout_of(recipe, plan, progress=progress)
    return {split: len(own) for split, own in layout.members.items()}


def looked_at(recipe: Recipe, asked: PlanOptions) -> int:
    """How many prompts the plan looks at: of a writer, none without loading it."""
    if recipe.prompts.writer is None:
        return min(recipe.pairs, COUNTED)
    return min(recipe.pairs, asked.shown) if asked.measure else 0


def lines(plan: BuildPlan) -> list[str]:
    """The plan for a reader, a line for each thing."""
    recipe, (height, width) = plan.recipe, plan.size
    writer = recipe.prompts.writer
    said = [
        f"{recipe.pairs} pairs of {height} × {width} in {plan.shards} shards",
        *([f"split into {'about ' if writer else ''}{_listed(plan.splits)}"] if len(plan.splits) > 1 else []),
        f"for {_listed(plan.pairs_of)}",
        *([f"no prompt can be made for {', '.join(plan.without)}"] if plan.without else []),
        *([f"prompts come again, with other seeds, for {_counted(plan)}"] if plan.again else []),
        *(f"  {item.text!r}: {', '.join(item.class_names)}" for item in plan.prompts),
        *([f"prompts are written by {writer.model} as the build goes"] if writer else []),
        f"disk: {bytes_told(plan.bytes_per_pair * recipe.pairs)}"
        + (" as measured" if plan.measured else ", estimated from photographs"),
        f"{recipe.model}, a {plan.pipeline}, in {recipe.sampling.dtype}:",
        *(f"  {name}: {weights_told(count)}" for name, count in plan.weights.items()),
        *(
            f"  {name}: {bytes_told(size)} of weights, the largest part "
            f"{bytes_told(plan.largest_bytes[name])}"
            for name, size in plan.weight_bytes.items()
        ),
    ]
    timed = plan.measured
    if timed is None or plan.hours is None:
        return [*said, "hours: not measured; --measure loads the model and times two batches"]
    said.append(
        f"a pair takes {timed.draw_seconds:.3g} s to draw on {timed.device}"
        f"{peak_told(timed.peak_memory)}, and {timed.row_seconds:.3g} s to refine and encode"
    )
    return [*said, *(f"{_machines(count)}: {hours_told(hours)}" for count, hours in plan.hours.items())]


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _counted(plan: BuildPlan) -> str:
    return ", ".join(f"{name} ({plan.prompts_of[name]} different ones)" for name in plan.again)


def _machines(count: int) -> str:
    return "this machine" if count == 1 else f"{count} Ray workers like it"
