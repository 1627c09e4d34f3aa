"""A push shows all of a dataset or nothing of it, and says what went wrong."""

from __future__ import annotations

from collections import Counter

import pytest
from datasets import load_dataset

from benchmarks.stages.painted_sampler import PaintedSampler
from dataset_builder.building.run import build
from dataset_builder.dataset_folder import shard_paths
from dataset_builder.engine.options import EngineOptions
from dataset_builder.hub.card import write_card
from dataset_builder.hub.push import Push, push_folder
from tests.dataset_builder.hub.conftest import RECIPE
from tests.dataset_builder.hub.hub_server import TOKEN

REPO = "someone/shapes"


def expected_files(folder):
    names = [*shard_paths(folder), *(folder / name for name in ("README.md", "id2label.json"))]
    names += [folder / "manifest.json", folder / "assets" / "samples.png"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in names}


def test_the_repository_holds_the_folder_after_one_commit(hub, folder):
    assert push_folder(folder, REPO, token=TOKEN) == f"{hub.endpoint}/datasets/{REPO}"
    assert hub.files(REPO) == expected_files(folder)
    assert hub.repos[REPO]["commits"] == 1
    assert not hub.repos[REPO]["private"]


def test_what_was_pushed_loads(hub, folder, tmp_path):
    push_folder(folder, REPO, token=TOKEN)
    for name, content in hub.files(REPO).items():
        path = tmp_path / "clone" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    dataset = load_dataset(str(tmp_path / "clone"), split="train", cache_dir=str(tmp_path / "cache"))
    assert len(dataset) == sum(1 for _ in dataset) > 0
    assert dataset.features["classes"].feature.names[1] == "star"


def test_a_private_repository_is_made_when_asked_for(hub, folder):
    push_folder(folder, REPO, private=True, token=TOKEN)
    assert hub.repos[REPO]["private"]


def test_a_public_repository_is_not_taken_for_a_private_one(hub, folder):
    push_folder(folder, REPO, token=TOKEN)
    with pytest.raises(ValueError, match="exists and is public"):
        push_folder(folder, REPO, private=True, token=TOKEN)


def test_a_second_version_leaves_no_shard_of_the_first(hub, folder, tmp_path):
    push_folder(folder, REPO, token=TOKEN)
    other = tmp_path / "other"
    recipe = RECIPE.with_changes(shard_size=6)
    build(recipe, other, EngineOptions(workers=0), make_sampler=PaintedSampler(), show_progress=False)
    write_card(other)
    push_folder(other, REPO, token=TOKEN)
    assert hub.files(REPO) == expected_files(other)


def test_files_go_up_while_the_build_goes_on_and_show_at_its_end(hub, tmp_path):
    folder, seen = tmp_path / "shapes", []
    push = Push(REPO, token=TOKEN)

    def stage(path):
        push.stage(path, folder)
        seen.append((len(hub.objects), len(hub.files(REPO))))

    build(
        RECIPE,
        folder,
        EngineOptions(workers=0),
        make_sampler=PaintedSampler(),
        show_progress=False,
        on_shard=stage,
    )
    write_card(folder, REPO)
    assert seen == [(1, 0), (2, 0), (3, 0)]
    push.commit(folder)
    assert hub.files(REPO) == expected_files(folder)


def test_a_dropped_connection_is_tried_again(hub, folder):
    hub.drop = ["PUT /lfs", "POST /api/datasets/someone/shapes/preupload"]
    push_folder(folder, REPO, token=TOKEN)
    assert hub.drop == []
    assert hub.files(REPO) == expected_files(folder)


def test_a_connection_that_stays_lost_publishes_nothing_and_the_next_push_goes_on(hub, folder):
    push = Push(REPO, token=TOKEN)
    first, second, _ = shard_paths(folder)
    push.stage(first, folder)
    hub.drop = ["PUT /lfs"] * 50
    with pytest.raises(
        OSError, match=r"connection to .* was lost .* nothing was published\. Run the same command"
    ):
        push.stage(second, folder)
    assert hub.files(REPO) == {}
    hub.drop, before = [], Counter(hub.requests)
    push_folder(folder, REPO, token=TOKEN)
    assert hub.files(REPO) == expected_files(folder)
    sent = (hub.requests - before)["PUT /lfs"]
    assert sent == 3  # two shards and the picture; the first shard was there already


def test_a_connection_lost_at_the_commit_publishes_nothing(hub, folder):
    hub.drop = ["POST /api/datasets/someone/shapes/commit"]
    with pytest.raises(OSError, match="nothing was published"):
        push_folder(folder, REPO, token=TOKEN)
    assert hub.files(REPO) == {}


@pytest.mark.parametrize("requests", [0, 1, 4, 6])
def test_a_token_that_expires_on_the_way_is_named_and_nothing_is_published(hub, folder, requests):
    hub.token_lives = requests
    with pytest.raises(
        OSError, match=r"does not accept the token: it is missing, wrong or expired.*hf auth login"
    ):
        push_folder(folder, REPO, token=TOKEN)
    assert all(not repo["files"] for repo in hub.repos.values())


def test_a_token_without_write_access_is_named(hub, folder):
    hub.read_only = True
    with pytest.raises(OSError, match="the token may not write to someone/shapes"):
        push_folder(folder, REPO, token=TOKEN)


@pytest.mark.parametrize("name", ["shapes", "a/b/c", "someone/sha pes"])
def test_a_name_that_is_no_repository_is_refused(hub, name):
    with pytest.raises(ValueError, match="is no name of a repository"):
        Push(name, token=TOKEN)


def test_a_card_that_the_hub_refuses_stops_the_push(hub, folder):
    card = folder / "README.md"
    card.write_text(card.read_text().replace("cc0-1.0", "do what you like"))
    with pytest.raises(ValueError, match="license"):
        push_folder(folder, REPO, token=TOKEN)
    assert hub.files(REPO) == {}
