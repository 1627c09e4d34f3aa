"""What a build is bound to: all that decides a byte, and nothing else."""

from __future__ import annotations

import pytest

from benchmarks.stages.painted_sampler import PaintedSampler
from dataset_builder.building.manifest import Manifest, inputs_of
from dataset_builder.building.run import build
from dataset_builder.engine.options import EngineOptions
from dataset_builder.prompts import CaptionOptions, PromptOptions, prompt_plan
from dataset_builder.recipe import Recipe, SamplingOptions
from diffusers_attnmask.ground import device
from diffusers_attnmask.ground.options import read_options
from diffusers_attnmask.loading.options import Lora
from tests.small_models import picture


def built(recipe, folder):
    return build(
        recipe, folder, EngineOptions(workers=0), make_sampler=lambda _: PaintedSampler(), show_progress=False
    )


def test_where_weights_lie_is_no_part_of_it(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(device.torch.cuda, "is_available", lambda: False)
    before = built(recipe, tmp_path)
    elsewhere = recipe.with_changes(sampling={"device": "cpu", "offload": "group"})
    assert built(elsewhere, tmp_path).identity == before.identity
    assert not {"device", "offload"} & before.recipe["sampling"].keys()


def test_the_precision_that_auto_means_is_part_of_it(recipe, tmp_path):
    assert (
        built(recipe.with_changes(sampling={"device": "cpu"}), tmp_path).recipe["sampling"]["dtype"] == "fp32"
    )
    with pytest.raises(ValueError, match=r'sampling\.dtype was "fp32", now "bf16"'):
        built(recipe.with_changes(sampling={"dtype": "bf16"}), tmp_path)


def test_recipes_may_say_torchs_names_of_precisions():
    values = {"vocabulary": "voc", "sampling": {"dtype": "float16", "loras": "user/style"}}
    sampling = read_options(Recipe, values, "a recipe").sampling
    assert (sampling.dtype, sampling.loras) == ("fp16", (Lora("user/style"),))


def test_files_that_go_with_the_model_are_part_of_it(tmp_path):
    lora = tmp_path / "style.safetensors"
    recipe = Recipe("voc", sampling=SamplingOptions(loras=(Lora(str(lora)),)))
    found = []
    for content in (b"one", b"other"):
        lora.write_bytes(content)
        inputs = inputs_of(recipe, None, recipe.open_vocabulary())
        found.append(Manifest(recipe.deciding(), inputs).identity)
    assert found[0] != found[1]


def test_every_prompt_gets_a_condition_of_the_folder_in_rounds(tmp_path):
    for seed in range(3):
        picture(seed).save(tmp_path / f"{seed}.png")
    options = PromptOptions(conditions=str(tmp_path))
    plan = prompt_plan(options, Recipe("voc").open_vocabulary(), 0)
    assert sorted(str(plan[index].condition) for index in range(6)) == sorted(
        2 * [str(tmp_path / f"{seed}.png") for seed in range(3)]
    )


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_captions_bring_their_conditions(tmp_path, kind):
    picture().save(tmp_path / "dog.png")
    rows = [{"text": "a dog", "edges": "dog.png"}, {"text": "two dogs and a cat", "edges": "none.png"}]
    file = tmp_path / f"captions.{kind}"
    if kind == "parquet":
        import datasets

        datasets.Dataset.from_list(rows).to_parquet(file)
    elif kind == "jsonl":
        file.write_text("\n".join(str(row).replace("'", '"') for row in rows))
    else:
        file.write_text("text,edges\n" + "\n".join(",".join(row.values()) for row in rows))
    options = PromptOptions(None, (CaptionOptions(str(file), condition="edges"),), classes=("dog",))
    plan = prompt_plan(options, Recipe("voc").open_vocabulary(), 0)
    assert plan[0].condition == str(tmp_path / "dog.png")
    assert plan.report.rejected == {"has no picture to go by": 1}


def test_pictures_that_captions_bring_are_part_of_it_by_content(tmp_path):
    file, own = tmp_path / "captions.csv", tmp_path / "dog.png"
    file.write_text("text,edges\na dog,dog.png\n")
    options = PromptOptions(None, (CaptionOptions(str(file), condition="edges"),), classes=("dog",))
    found = []
    for seed in (0, 0, 1):
        picture(seed).save(own)
        found.append(prompt_plan(options, Recipe("voc").open_vocabulary(), 0).fingerprint)
    assert found[0] == found[1] != found[2]


def test_conditions_and_what_looks_at_them_go_together():
    with pytest.raises(
        ValueError, match=r"prompts\.conditions must give every prompt the picture that edges looks"
    ):
        Recipe("voc", sampling=SamplingOptions(controlnet="edges"))
    with pytest.raises(ValueError, match=r"prompts\.conditions goes with a controlnet or an adapter"):
        Recipe("voc", prompts=PromptOptions(conditions="folder"))
    with pytest.raises(ValueError, match="adapter goes without a controlnet"):
        SamplingOptions(controlnet="edges", adapter="depth")
