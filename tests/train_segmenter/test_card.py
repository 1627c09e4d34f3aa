"""The model card says what was trained and measured, in the Hub's own metadata."""

import numpy as np
import pytest
from huggingface_hub import ModelCard
from PIL import Image

from tests.cards import check_card
from tests.train_segmenter.shapes import small_model
from train_segmenter.card import Evaluation, write_card
from train_segmenter.evaluation import Report
from train_segmenter.training.loop import SUMMARY_FILE

NAMES = ("background", "dog", "cat")


@pytest.fixture
def folder(tmp_path):
    model = small_model(NAMES)
    model.save_pretrained(tmp_path / "my-model")
    return tmp_path / "my-model"


def test_metrics_stand_in_the_model_index_and_the_table(folder):
    confusion = np.diag([8, 1, 0, 0])
    confusion[1, 0] = 1
    Evaluation(Report(NAMES, confusion, 3), "VOC:/home/someone/VOC2012@val").write(folder)
    write_card(folder, data="user/generated", repo="user/my-model")
    card = ModelCard.load(folder / "README.md")
    results = {result.metric_type: result for result in card.data.eval_results}
    assert results["mean_iou"].metric_value == pytest.approx((8 / 9 + 1 / 2) / 2)
    assert results["mean_iou"].dataset_type == "voc/VOC2012@val"
    assert (
        card.data.library_name == "segmentation-models-pytorch"
        and card.data.pipeline_tag == "image-segmentation"
    )
    for line in (
        "| 1 | dog | 0.5000 |",
        "| 2 | cat | absent |",
        'load("user/my-model")',
        "of user/generated",
    ):
        assert line in card.text


@pytest.mark.parametrize("judged", [True, False])
def test_a_card_is_markdown_as_it_was_meant(folder, judged):
    if judged:
        Evaluation(Report(NAMES, np.eye(4, dtype=int), 3), "VOC:/data/VOC2012").write(folder)
    (folder / SUMMARY_FILE).write_text('{"pairs": 12, "steps": 3, "loss": "a | b"}')
    (folder / "validation").mkdir()
    for step in (100, 200):
        Image.new("RGB", (8, 8)).save(folder / f"validation/step-{step:08d}.png")
    write_card(folder, data="user/generated, VOC:/data/VOC2012@train, some/folder@train")
    text = (folder / "README.md").read_text()
    assert check_card(text, folder) == 2, "classes and settings"
    assert "](validation/step-00000200.png)" in text and "| a \\| b |" in text
    card = ModelCard(text)
    assert card.data.datasets == ["user/generated", "some/folder"]
    assert card.data.get("metrics") == (["mean_iou", "overall_accuracy"] if judged else None)


def test_a_card_without_evaluation_has_no_empty_numbers(folder):
    write_card(folder)
    card = ModelCard.load(folder / "README.md")
    assert card.data.eval_results is None and "## Evaluation" not in card.text
    assert "| 2 | cat |\n" in card.text and "None" not in card.text


def test_a_card_written_anew_still_says_what_the_model_was_trained_on(folder):
    (folder / SUMMARY_FILE).write_text('{"pairs": 12, "steps": 3}')
    write_card(folder, data="user/generated")
    write_card(folder, repo="user/name")
    card = ModelCard.load(folder / "README.md")
    assert "trained on 12 pairs of user/generated with" in card.text and 'load("user/name")' in card.text
    assert "| steps | 3 |" in card.text and "| data |" not in card.text


def test_a_folder_without_a_segmenter_has_no_card(tmp_path):
    with pytest.raises(FileNotFoundError, match="no trained segmenter"):
        write_card(tmp_path)
