"""`attnmask sample` writes pictures and masks, and reads classes and options as they are typed."""

import json

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from diffusers_attnmask.commands.sample import sample
from diffusers_attnmask.ground.own_folder import MARK
from diffusers_attnmask.ground.typed import parsed_class, parsed_option
from diffusers_attnmask.masking import presence
from diffusers_attnmask.sampling.run import SampleRun, sample_pictures
from tests.small_models import sd15


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    sd15().save_pretrained(folder)
    return folder


def run(*arguments):
    app = typer.Typer()
    app.command()(sample)
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_it_writes_what_it_says(model, tmp_path):
    result = run(
        "a dog and a plane", "-c", "dog", "-c", "aeroplane=plane,jet", "--model", model, "--out", tmp_path,
        "--steps", 2, "-n", 2, "--method", "diffumask", "--method-option", "threshold=otsu", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    written = json.loads(result.stdout.splitlines()[-1])
    assert [own["seed"] for own in written] == [0, 1]
    assert written[0]["classes"] == ["background", "dog", "aeroplane"]
    for own in written:
        assert list(own["presence"]) == ["dog", "aeroplane"]
        assert all(0 <= value <= 1 for value in own["presence"].values())
        image, mask = Image.open(own["image"]), Image.open(own["mask"])
        assert image.size == mask.size == (128, 128)
        assert set(np.unique(np.asarray(mask))) <= {0, 1, 2}
    with Image.open(tmp_path / "contact-sheet.png") as sheet:  # image, overlay, two class maps; two seeds
        assert sheet.width > 4 * 128 and sheet.height > 2 * 128
    assert [path.name for path in tmp_path.glob(".*")] == [MARK], "no temporary file stays"


def test_the_same_from_python(model, tmp_path):
    options = {"threshold": "otsu"}
    asked = SampleRun(model=str(model), method="diffumask", method_options=options, steps=2, seed=1)
    classes = ["dog", ("aeroplane", ["plane", "jet"])]
    (written,) = sample_pictures("a dog and a plane", classes, tmp_path / "own", asked)
    typed = tmp_path / "typed"
    run(
        "a dog and a plane", "-c", "dog", "-c", "aeroplane=plane,jet", "--model", model, "--out", typed,
        "--steps", 2, "--method", "diffumask", "--method-option", "threshold=otsu", "--seed", 1,
    )  # fmt: skip
    assert written.class_names == ("background", "dog", "aeroplane")
    assert len(written.files) == 3
    for file in written.files.values():
        assert file.read_bytes() == (typed / file.name).read_bytes()
    with pytest.raises(ValueError, match="number must be at least 1, not 0"):
        SampleRun(number=0)


def test_absent_classes_are_told_and_left_out_on_demand(model, tmp_path, monkeypatch):
    """Of random weights, everything is rather absent, or nothing is."""
    told = []
    monkeypatch.setattr(presence.logger, "warning", told.append)
    words = ("a dog", "-c", "dog", "--model", model, "--steps", 2, "--method", "daam")

    def sampled(folder, weights, *more):
        own = ("--method-option", f"presence_weights={weights}", "--out", tmp_path / folder)
        result = run(*words, *own, *more)
        assert result.exit_code == 0, result.output
        return np.asarray(Image.open(tmp_path / folder / "000000-mask.png")), result.stdout

    absent, there = "[-9,0,0]", "[9,0,0]"
    painted, said = sampled("painted", absent)
    assert "seed 0, presence of dog 0.00" in said and painted.any()
    assert len(told) == 1 and "'dog' in image 0" in told[0]
    dropped, _ = sampled("dropped", absent, "--drop-absent", 0.5)
    assert not dropped.any()
    kept, said = sampled("kept", there, "--drop-absent", 0.5)
    assert np.array_equal(kept, painted) and "presence of dog 1.00" in said
    assert len(told) == 1, "who chose is not told, nor of what is there"


def test_a_class_that_is_not_in_the_prompt_stops_it(model, tmp_path):
    result = run("a dog", "-c", "horse", "--model", model, "--out", tmp_path, "--steps", 1)
    assert isinstance(result.exception, ValueError)
    assert "horse" in str(result.exception)


def test_classes_and_options_are_read_as_typed():
    assert parsed_class("dog") == "dog"
    assert parsed_class("aeroplane=airplane,jet") == ("aeroplane", ["airplane", "jet"])
    assert parsed_option("levels=[0, 1]", "--method-option") == ("levels", [0, 1])
    assert parsed_option("threshold=otsu", "--method-option") == ("threshold", "otsu")
    with pytest.raises(ValueError, match="name=value"):
        parsed_option("otsu", "--method-option")
