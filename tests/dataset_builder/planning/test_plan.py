"""A plan tells what a build makes and needs: without weights, and where asked for with two timed batches."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest
import typer
from typer.testing import CliRunner

from dataset_builder.building.run import build
from dataset_builder.commands.build import build as build_command
from dataset_builder.commands.plan import plan as plan_command
from dataset_builder.dataset_folder import read_pairs
from dataset_builder.engine.options import EngineOptions
from dataset_builder.planning.measure import Measured
from dataset_builder.planning.run import PlanOptions, lines, plan_build
from dataset_builder.prompts import CaptionOptions, PromptOptions, prompt_plan
from dataset_builder.recipe import Recipe, SamplingOptions
from tests.small_models import IMAGE_SIZE, sd15


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "small"
    sd15().save_pretrained(folder)
    return folder


@pytest.fixture
def recipe(model) -> Recipe:
    sampling = SamplingOptions(steps=1, batch_size=2, device="cpu")
    vocabulary = {"classes": {"dog": "dog", "cat": "cat"}}
    return Recipe(vocabulary, pairs=6, shard_size=4, model=str(model), method="daam", sampling=sampling)


def run(command, *arguments):
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_prompts_and_shards_are_those_of_the_build(recipe, tmp_path):
    planned = plan_build(recipe, PlanOptions(shown=6))
    build(recipe, tmp_path / "data", EngineOptions(workers=0), show_progress=False)
    assert [item.text for item in planned.prompts] == [
        own.row["prompt"] for own in read_pairs(tmp_path / "data")
    ]
    assert planned.shards == len(list((tmp_path / "data" / "data").glob("*.parquet"))) == 2
    assert planned.pairs_of == {"dog": 3, "cat": 3}


def test_the_classes_of_pairs_are_counted_without_making_their_prompts():
    recipe = Recipe("voc")
    plan = prompt_plan(recipe.prompts, recipe.open_vocabulary(), recipe.seed)
    for pairs in (1, 20, 47):
        counted = Counter(plan.main_class(index) for index in range(pairs))
        assert plan.pairs_of(pairs) == counted
    assert sum(plan.pairs_of(2**28).values()) == 2**28  # at once


def test_classes_with_more_pairs_than_prompts_are_told(recipe, tmp_path):
    captions = tmp_path / "captions.txt"
    captions.write_text("a dog\na dog on sand\nthe dog in snow\na cat\n")
    planned = plan_build(replace(recipe, prompts=PromptOptions(None, (CaptionOptions(str(captions)),))))
    assert (planned.prompts_of, planned.again) == ({"dog": 3, "cat": 1}, ["cat"])
    assert "prompts come again, with other seeds, for cat (1 different ones)" in lines(planned)


def test_the_bundled_recipe_is_measured_to_its_end():
    asked = "--recipe tiny --num-pairs 4 --batch-size 2 --device cpu --measure --json"
    told = json.loads(run(plan_command, *asked.split()).stdout)
    assert told["measured"]["pairs"] == 4
    assert told["measured"]["draw_seconds"] > 0 < told["measured"]["row_seconds"]
    assert set(told["hours"]) == {"1", "8"}
    assert told["disk"] == {"bytes": round(4 * told["measured"]["bytes_per_pair"]), "measured": True}


def test_weights_are_counted_where_there_are_none(recipe, tmp_path, model):
    import shutil

    bare = shutil.copytree(model, tmp_path / "bare", ignore=shutil.ignore_patterns("*.safetensors"))
    planned = plan_build(replace(recipe, model=str(bare)))
    pipe = sd15()
    assert planned.weights == {
        name: sum(own.numel() for own in getattr(pipe, name).parameters())
        for name in ("unet", "vae", "text_encoder")
    }
    assert (
        planned.weight_bytes["fp32"] == 2 * planned.weight_bytes["bf16"] == 4 * sum(planned.weights.values())
    )
    assert planned.size == (IMAGE_SIZE, IMAGE_SIZE)


@pytest.mark.parametrize(
    ("repository", "side", "weights"),
    [  # as the published checkpoints have them
        ("stable-diffusion-v1-5/stable-diffusion-v1-5", 512, {"unet": 859_520_964, "vae": 83_653_863}),
        ("stabilityai/stable-diffusion-xl-base-1.0", 1024, {"unet": 2_567_463_684}),
        ("stabilityai/stable-diffusion-3.5-medium", 1024, {"text_encoder_3": 4_762_310_656}),
        ("black-forest-labs/FLUX.1-dev", 1024, {"transformer": 11_901_408_320}),
    ],
)
def test_published_architectures_are_known_without_the_hub(recipe, repository, side, weights):
    planned = plan_build(replace(recipe, model=repository, method=None))
    assert planned.size == (side, side)
    assert weights.items() <= planned.weights.items()


def test_a_measured_plan_tells_hours_and_bytes(recipe):
    planned = plan_build(recipe, PlanOptions(measure=True, machines=4, workers=0))
    assert planned.measured is not None and planned.measured.pairs == 4
    assert planned.hours is not None and planned.hours[1] == pytest.approx(4 * planned.hours[4])
    said = "\n".join(lines(planned))
    assert "as measured" in said and "this machine: " in said and "4 Ray workers like it: " in said
    assert json.loads(json.dumps(planned.to_dict()))["disk"]["measured"]


def test_hours_count_what_runs_beside_the_sampler_once():
    timed = Measured("cpu", 4, draw_seconds=2.0, row_seconds=1.0, bytes_per_pair=1.0, peak_memory=None)
    assert timed.hours_here(3600, refining=0) == 3.0
    assert timed.hours_here(3600, refining=1) == 2.0
    slow = replace(timed, row_seconds=6.0)
    assert slow.hours_here(3600, refining=2) == 3.0
    assert timed.hours(3600, workers=3) == 1.0


def test_disk_grows_with_pixels_and_maps(recipe):
    plain = plan_build(recipe).bytes_per_pair
    assert plan_build(replace(recipe, maps=True)).bytes_per_pair > plain
    assert plan_build(replace(recipe, image_format="jpeg")).bytes_per_pair < plain
    twice = recipe.with_changes(sampling={"size": (2 * IMAGE_SIZE, IMAGE_SIZE)})
    assert plan_build(twice).bytes_per_pair == 2 * plain


def test_the_commands_say_the_same_and_write_nothing(tmp_path, model):
    file = tmp_path / "recipe.yaml"
    file.write_text(
        f"vocabulary: {{classes: {{dog: dog}}}}\npairs: 3\nmodel: {model}\n"
        "sampling: {steps: 1, device: cpu}\n"
    )
    planned = run(plan_command, "--recipe", file, "--num-pairs", 5, "--size", "64x128", "--dtype", "bf16")
    dry = run(
        build_command, "--recipe", file, "--num-pairs", 5, "--size", "64x128", "--dtype", "bf16", "--dry-run",
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert planned.exit_code == dry.exit_code == 0, planned.output + dry.output
    assert planned.stdout == dry.stdout
    assert planned.stdout.startswith("5 pairs of 64 × 128 in 1 shards\nfor dog 5\n")
    assert "a StableDiffusionPipeline, in bf16:" in planned.stdout
    assert list(tmp_path.iterdir()) == [file]


def test_what_does_not_fit_is_told_by_its_flag_or_its_key(recipe, tmp_path, model):
    file = tmp_path / "recipe.yaml"
    file.write_text(f"vocabulary: {{classes: {{dog: dog}}}}\nmodel: {model}\nsampling: {{device: cpu}}\n")
    result = run(plan_command, "--recipe", file, "--offload", "model", "--model-option", "call.etta=1")
    assert str(result.exception).startswith("2 faults: --offload model needs a GPU")
    assert "--model-option call: StableDiffusionPipeline has no argument etta: did you mean eta?" in str(
        result.exception
    )
    with pytest.raises(ValueError, match=r"^sampling\.offload model needs a GPU"):
        plan_build(recipe.with_changes(sampling={"offload": "model"}))
