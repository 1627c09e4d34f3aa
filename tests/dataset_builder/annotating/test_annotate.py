"""Pictures of one's own become a dataset, whoever labels them, and a run that was stopped goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dataset_builder.annotating.captioner import Captioner
from dataset_builder.annotating.options import PictureOptions
from dataset_builder.annotating.run import annotate_pictures, lines, plan_annotation
from dataset_builder.annotating.sampler import PictureSampler, labeller_of
from dataset_builder.building import engines
from dataset_builder.building.dataset import build_dataset
from dataset_builder.dataset_folder import read_pairs
from dataset_builder.engine.options import EngineOptions
from dataset_builder.export.convert import ExportOptions, convert
from dataset_builder.prompts import PromptItem
from dataset_builder.recipe import Recipe, SamplingOptions
from dataset_builder.refinement.run import RefineRun, refine_dataset
from dataset_builder.report.run import report_dataset
from dataset_builder.sam.kinds import worded_sam
from dataset_builder.sam.options import SamOptions
from diffusers_attnmask.ground.pictures import ORIENTATION, read_image
from tests.small_models import sd15
from tests.small_models.captioner import save_captioner
from tests.small_models.sam import sam3
from tests.small_models.vision_language import save_llava
from tests.train_segmenter.models.seg_diffusion.small_segmenters import small_segmenter
from tests.train_segmenter.shapes import NAMES, small_model
from train_segmenter.augmentation.transforms import to_tensor
from train_segmenter.evaluation.inference import Inference

SIZES = {"a.png": (64, 64), "b.jpg": (48, 80), "trip/c.png": (80, 48), "trip/d.png": (64, 64)}
WORDS = {"classes": ["star", "moon"]}
COLOURS = {"classes": ["red", "blue"]}


@pytest.fixture
def photos(tmp_path) -> Path:
    """Pictures of three sizes in two folders, one of them lying on its side, and a note."""
    folder = tmp_path / "photos"
    (folder / "trip").mkdir(parents=True)
    for seed, (name, (height, width)) in enumerate(SIZES.items()):
        pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
        picture, exif = Image.fromarray(pixels), Image.Exif()
        if name == "b.jpg":
            exif[ORIENTATION] = 6
        picture.save(folder / name, exif=exif)
    (folder / "note.txt").write_text("not a picture")
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    sd15().save_pretrained(folder / "sd15")
    small_model().save_pretrained(folder / "segmenter")
    small_segmenter().save_pretrained(folder / "words")
    sam3(folder / "sam3")
    save_captioner(folder / "captioner", "star")
    save_captioner(folder / "dull", "fish")
    return folder


def recipe(photos: Path, model: Path, vocabulary=WORDS, **pictures) -> Recipe:
    sampling = SamplingOptions(batch_size=2, device="cpu")
    options = PictureOptions(folder=str(photos), **pictures)
    method = "diffumask" if options.by == "attention" else None
    return Recipe(vocabulary, model=str(model), method=method, pictures=options, sampling=sampling)


def annotated(own: Recipe, out: Path, **changes):
    return annotate_pictures(replace(own, **changes), out, EngineOptions(workers=0), progress=False)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "build.log"
    }


def test_every_picture_becomes_a_pair(photos, models, tmp_path):
    built = annotated(recipe(photos, models / "sd15"), tmp_path / "out", shard_size=3, maps=True)
    assert built.tally.handled == 4
    pairs = list(read_pairs(tmp_path / "out"))
    names = dict(line.split(",") for line in (tmp_path / "out/pictures.csv").read_text().splitlines()[1:])
    assert list(names.values()) == list(SIZES)
    assert pairs
    for pair in pairs:
        stored = read_image(photos / names[pair.name])
        assert (np.asarray(pair.image) == stored).all()
        assert pair.mask.shape == stored.shape[:2]
        assert pair.row["prompt"] == "a photo of a star and a moon"
        assert (pair.row["model"], pair.row["method"]) == ("sd15", "diffumask")
        assert 0 <= pair.row["quality"] <= 1
    assert {pair.mask.shape for pair in pairs} <= {(64, 64), (80, 48)}
    card = (tmp_path / "out/README.md").read_text()
    assert "labelled the pictures, by attention" in card and "painted" not in card


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_labellers_on_several_gpus_change_no_byte(photos, models, tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "visible_gpus", lambda numbers: tuple(f"GPU-{own}" for own in numbers))
    own = replace(recipe(photos, models / "segmenter", COLOURS, by="segmenter"), shard_size=1)
    annotated(own, tmp_path / "one" / "out")
    on_two = EngineOptions(workers=0, gpus=(0, 1))
    annotate_pictures(own, tmp_path / "two" / "out", on_two, progress=False)
    assert contents(tmp_path / "two" / "out") == contents(tmp_path / "one" / "out")


def test_a_table_says_what_a_picture_shows(photos, models, tmp_path):
    csv, json_lines = tmp_path / "t.csv", tmp_path / "t.jsonl"
    csv.write_text('file,classes,caption\ntrip/c.png,"moon; star",\na.png,moon,Two moons over a bench\n')
    rows = [
        {"file": "trip/c.png", "classes": ["moon", "star"]},
        {"file": "a.png", "classes": "moon", "caption": "Two moons over a bench"},
    ]
    json_lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for table in (csv, json_lines):
        plan = plan_annotation(recipe(photos, models / "sd15", table=str(table)))
        assert plan.pictures == 2 and plan.per_class == {"star": 1, "moon": 2}
        assert plan.prompts == {
            "trip/c.png": "a photo of a moon and a star",
            "a.png": "Two moons over a bench",
        }
    assert plan.measured is None and "not measured" in lines(plan)[-1]
    timed = plan_annotation(recipe(photos, models / "sd15", table=str(csv)), measure=True, workers=0)
    assert timed.hours == timed.measured.hours_here(2, refining=0) > 0
    assert json.loads(json.dumps(timed.to_dict()))["hours"] == timed.hours
    assert lines(timed)[-1].startswith("this machine: ")
    annotated(recipe(photos, models / "sd15", table=str(csv)), tmp_path / "out")
    for pair in read_pairs(tmp_path / "out"):
        assert set(pair.row["classes"]) <= {1, 2} and pair.row["classes"]
        assert pair.name != "00000001" or pair.row["classes"] == [2]


def items(photos: Path, *names: str) -> list[PromptItem]:
    classes = tuple((name, (name,)) for name in names)
    return [PromptItem("a photo", classes, condition=str(photos / file)) for file in SIZES]


def test_a_segmenter_decides_between_the_classes_that_a_picture_may_show(photos, models):
    own = recipe(photos, models / "segmenter", COLOURS, by="segmenter")
    labeller = labeller_of(own)
    for names in (("red", "blue"), ("blue",)):
        for item in items(photos, *names):
            image = read_image(Path(item.condition))
            (found,) = labeller([image], [item], [0])
            scores = Inference().probabilities(small_model(), to_tensor(image)[None])[0].numpy()
            own_scores = [scores[NAMES.index(name)] for name in ("background", *names)]
            assert np.allclose(found.heatmaps, own_scores[1:], atol=1e-5)
            assert (found.mask == np.argmax(own_scores, axis=0)).mean() > 0.999
    assert (labeller.model, labeller.method) == ("segmenter", "segmenter")


def test_seg_diffusion_takes_any_words(photos, models, tmp_path):
    own = recipe(photos, models / "words", WORDS, by="seg-diffusion")
    built = annotated(own, tmp_path / "out")
    assert built.tally.handled == 4
    with pytest.raises(ValueError, match="is no seg-diffusion: label by segmenter"):
        labeller_of(recipe(photos, models / "segmenter", COLOURS, by="seg-diffusion"))
    with pytest.raises(ValueError, match="does not know star, moon, only background, red, blue"):
        labeller_of(recipe(photos, models / "segmenter", WORDS, by="segmenter"))


def test_sam_gives_a_pixel_to_its_surest_object(photos, models):
    labeller = labeller_of(recipe(photos, models / "sam3", by="sam", score=0.3))
    sam = worded_sam(str(models / "sam3"), SamOptions(prompts="words", score=0.3, device="cpu"))
    for item in items(photos, "star", "moon"):
        image = read_image(Path(item.condition))
        (found,) = labeller([image], [item], [0])
        best, ids = np.zeros(image.shape[:2]), np.zeros(image.shape[:2])
        for place, word in enumerate(("star", "moon"), start=1):
            (objects,) = sam.found(sam.embedded(image), [word], 0.3)
            for mask, score in zip(objects.masks.numpy(), objects.scores.tolist(), strict=True):
                better = mask & (score > best)
                best[better], ids[better] = score, place
        assert (found.mask == ids).mean() > 0.999
        assert np.allclose(found.heatmaps.max(0), best, atol=1e-5)


def test_captions_say_what_a_picture_may_show(photos, models, tmp_path):
    own = recipe(photos, models / "sd15", captioner=str(models / "captioner"))
    annotated(own, tmp_path / "out")
    pairs = list(read_pairs(tmp_path / "out"))
    assert pairs and all(pair.row["classes"] == [1] for pair in pairs)
    assert all(pair.row["prompt"].startswith("star star") for pair in pairs)
    dull = recipe(photos, models / "sd15", captioner=str(models / "dull"))
    with pytest.raises(ValueError, match="caption without class 4"):
        annotated(dull, tmp_path / "none")
    table = tmp_path / "t.csv"
    table.write_text("file,classes\na.png,moon\n")
    known = recipe(photos, models / "sd15", captioner=str(models / "dull"), table=str(table))
    annotated(known, tmp_path / "known")
    (pair,) = read_pairs(tmp_path / "known")
    assert pair.row["prompt"].endswith("fish, with a moon") and pair.row["classes"] == [2]


def test_a_model_that_converses_is_asked(tmp_path):
    save_llava(tmp_path / "model")
    caption = Captioner(str(tmp_path / "model"), "cpu")
    picture = Image.fromarray(np.zeros((40, 60, 3), np.uint8))
    (said,) = caption([picture])
    assert "Describe" not in said and said == caption([picture])[0]


def test_what_cannot_be_read_or_shows_nothing_is_left_out(photos, models, tmp_path):
    (photos / "0-broken.jpg").write_bytes(b"hello")
    built = annotated(recipe(photos, models / "sd15"), tmp_path / "out", shard_size=1)
    assert built.tally.skipped["picture not readable"] == 1
    assert len(list((tmp_path / "out/data").iterdir())) == 5  # one of them without a row
    assert len(list(read_pairs(tmp_path / "out"))) == built.tally.pairs
    report_dataset(str(tmp_path / "out"), tmp_path / "report.html")
    convert(str(tmp_path / "out"), tmp_path / "coco", ExportOptions(to="coco"))
    assert (tmp_path / "report.html").is_file()


def test_links_lead_out_of_the_folder_where_that_is_meant(photos, models, tmp_path):
    Image.new("RGB", (64, 64)).save(tmp_path / "elsewhere.png")
    own = recipe(photos, models / "sd15")
    before = plan_annotation(own)
    (photos / "z.png").symlink_to("../elsewhere.png")
    with pytest.raises(ValueError, match=r"z\.png' leads out of .*elsewhere\.png; .*--allow-outside"):
        plan_annotation(own)
    meant = replace(own, pictures=replace(own.pictures, allow_outside=True))
    assert plan_annotation(meant).pictures == before.pictures + 1
    assert meant.deciding() == own.deciding()


def test_larger_pictures_are_made_smaller(photos, models, tmp_path):
    annotated(recipe(photos, models / "sd15", longest_side=60), tmp_path / "out")
    sizes = {pair.mask.shape for pair in read_pairs(tmp_path / "out")}
    assert sizes <= {(60, 60), (60, 36)} and sizes


def test_a_stopped_run_goes_on_to_the_same_bytes(photos, models, tmp_path, monkeypatch):
    own = replace(recipe(photos, models / "sd15"), shard_size=1)
    annotated(own, tmp_path / "whole")
    read, seen = PictureSampler.read, []

    def stopped(sampler, item):
        seen.append(item.condition)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return read(sampler, item)

    monkeypatch.setattr(PictureSampler, "read", stopped)
    with pytest.raises(KeyboardInterrupt):
        annotated(own, tmp_path / "stopped")
    assert len(list((tmp_path / "stopped/data").glob("*.parquet"))) == 2
    annotated(own, tmp_path / "stopped")
    assert len(seen) == 5  # two that were done are not labelled again
    whole, again = contents(tmp_path / "whole"), contents(tmp_path / "stopped")
    assert whole.keys() == again.keys()
    assert all(whole[name] == again[name] for name in whole if name != "README.md")
    with pytest.raises(ValueError, match=r"pictures.strength was 0.5, now 0.25"):
        annotated(replace(own, pictures=replace(own.pictures, strength=0.25)), tmp_path / "stopped")
    (photos / "e.png").write_bytes((photos / "a.png").read_bytes())
    with pytest.raises(ValueError, match=r"inputs.prompts has changed"):
        annotated(own, tmp_path / "stopped")


def test_a_build_does_not_go_on_with_an_annotation(photos, models, tmp_path):
    own = recipe(photos, models / "sd15")
    annotated(own, tmp_path / "out")
    with pytest.raises(FileExistsError, match="was written by attnmask annotate, not by build"):
        build_dataset(replace(own, pairs=4), tmp_path / "out", progress=False)
    with pytest.raises(ValueError, match="there are 4 pictures"):
        build_dataset(replace(own, pairs=5), tmp_path / "more", progress=False)


def test_what_follows_a_build_follows_an_annotation(photos, models, tmp_path):
    own = replace(recipe(photos, models / "segmenter", COLOURS, by="segmenter"), maps=True)
    built = annotated(own, tmp_path / "out")
    refined = refine_dataset(tmp_path / "out", tmp_path / "refined", RefineRun(method="crf"), progress=False)
    assert refined == built.tally.pairs == len(list(read_pairs(tmp_path / "refined")))
