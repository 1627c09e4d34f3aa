"""`attnmask train` under the launchers of several processes, as the pages show it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.train_segmenter.shapes import small_model, write_folder
from train_segmenter.training.trackers import read_log

PROGRAMS = Path(sys.executable).parent
ACCELERATE = "--multi_gpu --num_processes 2 --num_machines 1 --mixed_precision no --dynamo_backend no"
LAUNCHERS = {
    "accelerate": [PROGRAMS / "accelerate", "launch", *ACCELERATE.split(), "--no_python"],
    "torchrun": [PROGRAMS / "torchrun", "--standalone", "--nproc-per-node", "2", "--no-python"],
}
ASKED = "--steps 4 --batch-size 2 --log-every 1 --evaluate-every 4 --ema 0 --device cpu --json"


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_two_launched_processes_share_a_training(launcher, tmp_path):
    data = write_folder(tmp_path / "data", 8)
    small_model().save_pretrained(tmp_path / "model")
    words = f"train --data folder:{data} --validation folder:{data} --model {tmp_path / 'model'} {ASKED}"
    command = [*LAUNCHERS[launcher], PROGRAMS / "attnmask", *words.split(), "--out", tmp_path / "run"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=500, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    (line,) = [line for line in ended.stdout.splitlines() if line.startswith("{")]
    assert json.loads(line)["steps"] == 4
    assert json.loads((tmp_path / "run/train.json").read_text())["processes"] == 2
    assert [line["step"] for line in read_log(tmp_path / "run")] == [1, 2, 3, 4]
