"""The model card says what was trained and measured, in the Hub's own metadata."""

import numpy as np
import pytest
from huggingface_hub import ModelCard

from tests.train_segmenter.shapes import small_model
from train_segmenter.card import Evaluation, push_model, write_card
from train_segmenter.evaluation import Report

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


def test_a_card_without_evaluation_has_no_empty_numbers(folder):
    write_card(folder)
    card = ModelCard.load(folder / "README.md")
    assert card.data.eval_results is None and "## Evaluation" not in card.text
    assert "| 2 | cat |\n" in card.text and "None" not in card.text


def test_push_uploads_the_model_its_card_and_nothing_else(folder, monkeypatch):
    import huggingface_hub

    calls = {}

    class Hub:
        def create_repo(self, repo, **options):
            calls["repo"] = repo, options

        def upload_folder(self, **options):
            calls["upload"] = options

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    assert push_model(folder, "user/name", private=True) == "https://huggingface.co/user/name"
    assert calls["repo"] == ("user/name", {"private": True, "exist_ok": True})
    assert calls["upload"]["folder_path"] == folder and "checkpoints" not in str(
        calls["upload"]["allow_patterns"]
    )
    assert 'load("user/name")' in (folder / "README.md").read_text()


def test_a_folder_without_a_segmenter_has_no_card(tmp_path):
    with pytest.raises(FileNotFoundError, match="no trained segmenter"):
        write_card(tmp_path)
