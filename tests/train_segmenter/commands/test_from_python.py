"""What the commands do, called from Python with the options that they make of what is typed."""

import json

import pytest

from diffusers_attnmask.ground.own_folder import MARK
from tests.train_segmenter.shapes import SMALL_MODEL, SMALL_SIZES, small_model, write_folder
from tests.train_segmenter.typed_commands import succeed
from train_segmenter.augmentation.transforms import Augmentation
from train_segmenter.evaluation import Inference
from train_segmenter.evaluation.run import EvaluateRun, evaluate_model
from train_segmenter.segmenting.run import SegmentRun, segment_pictures
from train_segmenter.training.options import TrainingRecipe, TrainOptions
from train_segmenter.training.run import TrainRun, adjusted_recipe, train_model

RECIPE = TrainingRecipe(
    SMALL_MODEL, SMALL_SIZES, TrainOptions(steps=2, batch_size=2, augmentation=Augmentation(crop=32))
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("data"), count=4)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """Trained from Python, and the same typed."""
    root = tmp_path_factory.mktemp("run")
    run = TrainRun(
        recipe=RECIPE,
        changes={"steps": 3, "seed": 5},
        pretrained="none",
        validation=f"folder:{data}",
        groups={"red": ("red", "blue")},
        classes=("background", "red"),
        device="cpu",
    )
    result = train_model([f"folder:{data}"], root / "python", run, progress=False)
    (root / "recipe.yaml").write_text(
        json.dumps(
            {
                "model": SMALL_MODEL,
                "model_options": SMALL_SIZES,
                "training": {"steps": 2, "batch_size": 2, "augmentation": {"crop": 32}},
            }
        )
    )
    succeed(
        "train", "--data", f"folder:{data}", "--out", root / "typed", "--device", "cpu",
        "--recipe", root / "recipe.yaml", "--steps", 3, "--seed", 5, "--pretrained", "none",
        "--validation", f"folder:{data}", "-c", "background", "-c", "red", "--group", "red=red,blue",
    )  # fmt: skip
    return root, result


def test_training_leaves_the_same_files(trained):
    root, result = trained
    assert result.options.steps == 3 and result.report.images == 4
    assert result.model.class_names == ("background", "red")
    for name in ("model.safetensors", "train.json", "train.jsonl", "evaluation.json", "segmenter.json"):
        assert (root / "python" / name).read_bytes() == (root / "typed" / name).read_bytes(), name
    assert (root / "python/README.md").is_file()
    for chart in ("curves.png", "iou.png", "confusion.png"):
        assert (root / "python" / chart).is_file(), chart


def test_evaluation_says_the_same(trained, data, tmp_path):
    root, _ = trained
    run = EvaluateRun(
        groups={"red": ("red", "blue")}, boundary=True, inference=Inference(flip=True), device="cpu"
    )
    report = evaluate_model(root / "python", f"folder:{data}", run, tmp_path / "report", progress=False)
    typed = succeed(
        "eval", "--model", root / "python", "--data", f"folder:{data}", "--group", "red=red,blue",
        "--boundary", "--flip", "--device", "cpu", "--json",
    )  # fmt: skip
    said = json.loads(typed.stdout)
    assert said.pop("worst") == [] and len(report.worst) == 4, "the worst are for the folder"
    expected = {k: v for k, v in report.to_dict().items() if k != "worst"}
    assert said == {"data": f"folder:{data}", **expected}
    written = {path.name for path in (tmp_path / "report").iterdir()}
    assert written == {MARK, "evaluation.json", "iou.png", "confusion.png", "worst"}


def test_segmenting_writes_the_same_masks(trained, data, tmp_path):
    root, _ = trained
    pictures = [str(data / "images")]
    written = segment_pictures(
        pictures, root / "python", tmp_path / "own", SegmentRun(device="cpu"), progress=False
    )
    succeed("segment", *pictures, "--model", root / "python", "--out", tmp_path / "typed", "--device", "cpu")
    assert [paths["image"].name for paths in written] == ["0.png", "1.png", "2.png", "3.png"]
    for paths in written:
        for kind in ("mask", "overlay"):
            assert paths[kind].read_bytes() == (tmp_path / "typed" / paths[kind].name).read_bytes()


def test_a_recipe_is_an_object_a_file_or_the_other_one():
    other = TrainingRecipe("smp:unet:resnet18", {}, TrainOptions(steps=7))
    assert adjusted_recipe(None, other) == other
    assert adjusted_recipe(RECIPE, other) == RECIPE
    tiny = adjusted_recipe("train-tiny", other)
    changed = adjusted_recipe("train-tiny", other, "smp:fpn:resnet18", {"steps": 3})
    assert (changed.model, changed.training.steps) == ("smp:fpn:resnet18", 3)
    assert changed.training.augmentation == tiny.training.augmentation
    larger = adjusted_recipe("train-tiny", other, "smp:unet:resnet34")
    assert tiny.model_options and larger.model_options == tiny.model_options and not changed.model_options


def test_all_that_is_wrong_with_a_run_is_said_before_anything_is_read():
    with pytest.raises(ValueError, match=r"2 faults: .*others must be .*; export must be .*not 'tar'"):
        TrainRun(others="forget", export="tar")
    with pytest.raises(ValueError, match="there is no option window"):
        EvaluateRun(window=8)


def test_a_training_on_images_of_unknown_size_fits_its_crops_to_them(tmp_path, data):
    small_model().save_pretrained(tmp_path / "start")
    run = TrainRun(model=str(tmp_path / "start"), changes={"steps": 1, "batch_size": 2}, device="cpu")
    result = train_model([f"folder:{data}"], tmp_path / "out", run, progress=False)
    assert result.options.augmentation.crop == 32
