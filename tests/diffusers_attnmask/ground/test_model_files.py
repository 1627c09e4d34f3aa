"""Models are tensors and settings: nothing of a model's folder runs, and what is damaged is named."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from diffusers_attnmask.ground.damage import DamagedFile
from diffusers_attnmask.ground.model_files import (
    check_components,
    check_folder,
    check_weights,
    readable_model,
)

ROOT = Path(__file__).parents[3]
PACKAGES = ("diffusers_attnmask", "train_segmenter", "dataset_builder", "tiny_world", "hub_cards")


def calls(*names: str) -> list[tuple[str, ast.Call]]:
    """Every call, in the packages, of what ends with one of the names, and its file."""
    return [
        (file.relative_to(ROOT).as_posix(), node)
        for package in PACKAGES
        for file in sorted((ROOT / package).rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(names)
    ]


def test_whole_weights_pass_whatever_their_first_byte(tmp_path):
    for count in (1, 2, 50):  # tensors: headers of several lengths
        save_file({f"tensor {own}": torch.zeros(3) for own in range(count)}, tmp_path / "a.safetensors")
        check_weights(tmp_path / "a.safetensors")


@pytest.mark.parametrize("bytes_left", [0, 1, 7, 8, 20, -1])
def test_weights_cut_anywhere_are_named(tmp_path, bytes_left):
    file = tmp_path / "a.safetensors"
    save_file({"tensor": torch.zeros(3)}, file)
    file.write_bytes(file.read_bytes()[:bytes_left])
    with pytest.raises(DamagedFile, match=r"a\.safetensors is (damaged|not whole)"):
        check_weights(file)


def test_components_are_of_known_libraries():
    known = {"unet": ["diffusers", "UNet2DConditionModel"], "checker": [None, None], "scale": [1, 2]}
    known |= {"safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"], "name": "x"}
    check_components(known, "model_index.json")
    for library in ("os", "code", "my.code", "diffusers_evil"):
        with pytest.raises(DamagedFile, match=rf"model_index\.json: unet is of '{library}', whose code"):
            check_components({"unet": [library, "Model"]}, "model_index.json")


def test_pickles_beside_whole_weights_are_left_alone(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80 a pickle")
    with pytest.raises(DamagedFile, match=r"pytorch_model\.bin holds weights as a pickle"):
        check_folder(tmp_path)
    save_file({"tensor": torch.zeros(3)}, tmp_path / "model.safetensors")
    check_folder(tmp_path)


def test_what_a_library_finds_wrong_is_one_line_with_the_folder(tmp_path):
    with pytest.raises(DamagedFile) as told, readable_model(tmp_path):
        raise RuntimeError("Error(s) in loading state_dict:\n\tsize mismatch for a\n\tsize mismatch for b")
    assert str(told.value).startswith(f"{tmp_path} cannot be read as a model: RuntimeError: Error(s)")
    assert "\n" not in str(told.value)


def test_a_name_of_the_hub_passes_with_its_own_errors():
    with pytest.raises(RuntimeError, match="of the Hub"), readable_model("user/name"):
        raise RuntimeError("of the Hub")


def test_nothing_is_unpickled_and_no_code_of_others_is_run():
    for file, call in calls("torch.load"):
        assert "weights_only=True" in ast.unparse(call), file
    pickled = [file for file, _ in calls("pickle.load", "pickle.loads", "joblib.load", "torch.hub.load")]
    assert pickled == []
    for file, call in calls("from_pretrained", "load_dataset", "load_dataset_builder"):
        words = {keyword.arg: keyword.value for keyword in call.keywords}
        assert not {"trust_remote_code", "custom_pipeline"} & words.keys(), file


def test_datasets_are_opened_by_their_one_reader():
    openers = {file for file, _ in calls("load_dataset", "load_dataset_builder", "load_from_disk")}
    assert openers == {
        "train_segmenter/data/shards.py",
        "dataset_builder/demo/trainings.py",  # as its reader would
        "dataset_builder/prompts/captions.py",  # of captions, which have no pictures
    }
