"""Rows are those of the files that are there, whatever was read before."""

import datasets

from train_segmenter.data.shards import open_rows

CARD = "---\nconfigs:\n- config_name: default\n  data_files: [{split: train, path: data/*.parquet}]\n---\n"


def write(folder, seeds):
    (folder / "data").mkdir(parents=True, exist_ok=True)
    datasets.Dataset.from_dict({"seed": seeds}).to_parquet(folder / "data/train-00000-of-00001.parquet")
    (folder / "README.md").write_text(CARD)


def seeds(folder):
    return list(open_rows(str(folder), "train")["seed"])


def test_datasets_of_one_name_and_one_card_are_not_taken_for_each_other(tmp_path):
    write(tmp_path / "a/set", [0, 1])
    write(tmp_path / "b/set", [8, 9])
    assert [seeds(tmp_path / place / "set") for place in "ab"] == [[0, 1], [8, 9]]


def test_a_folder_that_was_written_anew_is_read_anew(tmp_path):
    write(tmp_path / "set", [0, 1])
    assert seeds(tmp_path / "set") == [0, 1]
    write(tmp_path / "set", [8, 9])
    assert seeds(tmp_path / "set") == [8, 9]
