"""Captions are read from every kind of file, and those that cannot be used are counted by reason."""

import csv
import json
from collections import Counter

import datasets
import numpy as np
import pytest
import torch
from transformers import CLIPConfig, CLIPModel, CLIPVisionConfig, SiglipConfig, SiglipModel

from dataset_builder.prompts import PromptOptions, prompt_plan, retrieval
from dataset_builder.prompts.captions import caption_pairs
from dataset_builder.prompts.options import CaptionOptions, RetrievalOptions
from dataset_builder.prompts.retrieval import TextEmbedder, cached_embeddings, exact_nearest, nearest
from dataset_builder.vocabulary import load_vocabulary
from diffusers_attnmask.ground.options import read_options
from tests.small_models import seeded, text_encoder, tokenizer

TEXTS = ["a red dog", 'a cat, a "bird"', "ein Ziegenkäse"]


def written(folder, kind):
    """A file of TEXTS, and its path."""
    file = folder / f"captions.{kind}"
    rows = [{"id": i, "caption": text} for i, text in enumerate(TEXTS)]
    if kind == "txt":
        file.write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    elif kind == "jsonl":
        file.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    elif kind == "json":
        file.write_text(json.dumps({"images": [], "annotations": rows}))
    elif kind in ("csv", "tsv"):
        with file.open("w", newline="", encoding="utf-8-sig") as stream:
            table = csv.DictWriter(stream, ["id", "caption"], delimiter="\t" if kind == "tsv" else ",")
            table.writeheader()
            table.writerows(rows)
    else:
        datasets.Dataset.from_list(rows).to_parquet(file)
    return str(file)


def read(path: str, column: str | None = None) -> list[str]:
    return [text for text, _ in caption_pairs(path, column)]


@pytest.mark.parametrize("kind", ["txt", "jsonl", "json", "csv", "tsv", "parquet"])
def test_captions_of_every_kind_of_file(tmp_path, kind):
    assert read(written(tmp_path, kind)) == TEXTS


def test_a_dataset_with_several_captions_in_a_cell(tmp_path):
    rows = [{"answer": TEXTS[:2], "x": 1}, {"answer": TEXTS[2:], "x": 2}]
    datasets.Dataset.from_list(rows).to_parquet(tmp_path / "data" / "train-00000-of-00001.parquet")
    assert read(str(tmp_path), "answer") == TEXTS
    with pytest.raises(ValueError, match=r"has no column any of caption.*it has answer, x: set `column`"):
        read(str(tmp_path))


def test_a_column_by_name_from_parquet(tmp_path):
    datasets.Dataset.from_list([{"words": "a dog", "caption": "x"}]).to_parquet(tmp_path / "a.parquet")
    assert read(str(tmp_path / "a.parquet"), "words") == ["a dog"]


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("a.jsonl", '{"caption": "x"}\n{', "line 2 is not JSON"),
        ("a.jsonl", '{"caption": 3}', "row 1: 3 is not a caption"),
        ("a.json", '{"info": 1}', "neither a list of captions nor COCO's"),
        ("a.csv", "id,words\n1,dog\n", "no column any of .*it has id, words"),
        ("a.doc", "x", "should end in .txt, .jsonl"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_place(tmp_path, name, text, complaint):
    (tmp_path / name).write_text(text)
    with pytest.raises((ValueError, TypeError), match=complaint):
        read(str(tmp_path / name))
    with pytest.raises(FileNotFoundError, match=r"no caption file 'none\.txt'; a dataset of the Hub is hub:"):
        read("none.txt")


def caption_plan(folder, lines, **options):
    file = folder / "captions.txt"
    file.write_text("\n".join(lines), encoding="utf-8")
    values = {"captions": [{"path": str(file), **options}]}
    return prompt_plan(read_options(PromptOptions, values, "prompts"), load_vocabulary("voc"), seed=0)


def test_every_caption_is_kept_or_counted(tmp_path):
    lines = [
        "a dog on grass",
        "A  dog on grass",
        "sunset over hills",
        "a kitten meets a puppy",
        "",
        "a dog with a hot dog",
        "vector of a cat",
    ]
    plan = caption_plan(tmp_path, lines, filter="published", prefix="Photo of ")
    report = plan.report
    assert (report.captions_read, report.captions_kept) == (7, 2)
    assert report.rejected == {
        "is repeated": 1,
        "names no class": 1,
        "is empty": 1,
        "names a class within another word": 1,
        "says 'vector'": 1,
    }
    assert report.per_class["dog"] == 2 and report.per_class["cat"] == 1
    assert "horse" in report.without and len(report.without) == 18
    assert {plan[i].text for i in range(20)} == {"Photo of a dog on grass", "Photo of a kitten meets a puppy"}
    both = next(plan[i] for i in range(20) if "kitten" in plan[i].text)
    assert both.classes == (("cat", ("kitten",)), ("dog", ("puppy",)))


def test_classes_take_turns_however_rare_their_captions(tmp_path):
    plan = caption_plan(tmp_path, [f"dog number {i}" for i in range(50)] + ["a cat", "a cow"])
    counts = Counter(plan[i].class_names[0] for i in range(150))
    assert counts == {"dog": 50, "cat": 50, "cow": 50}
    assert (
        len({plan[i].text for i in range(150) if plan[i].class_names == ("dog",)}) == 50
    )  # none twice in a round


def test_templates_serve_the_classes_that_captions_lack(tmp_path):
    plan = caption_plan(tmp_path, ["my dog"])
    assert plan.names == ("dog",)
    options = {"captions": str(tmp_path / "captions.txt"), "templates": {"weight": 0.5}}
    plan = prompt_plan(read_options(PromptOptions, options, "prompts"), load_vocabulary("voc"), seed=0)
    assert len(plan.names) == 20 and plan.report.without == ()
    from_captions = [plan[i].text == "my dog" for i in range(4000) if plan.main_class(i) == "dog"]
    assert 0.54 < sum(from_captions) / len(from_captions) < 0.79  # 1 / 1.5, ± 4 standard deviations


def test_captions_that_name_nothing_are_one_clear_error(tmp_path):
    with pytest.raises(
        ValueError, match=r"none of 2 captions names a class of vocabulary 'voc'.*'names no class': 2"
    ):
        caption_plan(tmp_path, ["hills", "sea"])


def test_another_file_content_is_another_fingerprint(tmp_path):
    first, second = (caption_plan(tmp_path, lines).fingerprint for lines in (["a dog"], ["the dog"]))
    assert first != second == caption_plan(tmp_path, ["the dog"]).fingerprint


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A small random CLIP in a folder, as transformers saves it."""
    folder = tmp_path_factory.mktemp("clip")
    config = CLIPConfig(
        text_config=text_encoder().config.to_dict(),
        vision_config=CLIPVisionConfig(
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            image_size=32,
            patch_size=16,
        ).to_dict(),
        projection_dim=16,
    )
    with seeded("clip"):
        model = CLIPModel(config)
        for name, weights in model.text_model.named_parameters():
            if "embedding" in name:  # CLIP's default spread of 0.02 makes all words alike
                weights.data.normal_(0, 0.5)
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return str(folder)


def test_retrieval_keeps_the_captions_nearest_to_their_class(tmp_path, clip):
    lines = [
        f"a dog {word}" for word in ("riding a train", "in the street", "and a cat", "table", "moon", "star")
    ]
    options = {"model": clip, "per_class": 2, "cache": str(tmp_path / "cache")}
    plan = caption_plan(tmp_path, [*lines, "a boat"], retrieval=options)
    # the same by hand, from the model's own features
    model, tokens = CLIPModel.from_pretrained(clip).eval(), tokenizer()
    features = model.get_text_features(
        **tokens([*lines, "a photo of a dog"], padding=True, return_tensors="pt")
    )
    features = features.pooler_output.detach().numpy()
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    best = np.argsort(-(features[:-1] @ features[-1]))[:2]
    assert {plan[i].text for i in range(40) if plan.main_class(i) == "dog"} == {
        lines[place] for place in best
    }
    assert plan.report.per_class["dog"] == 2 and plan.report.per_class["boat"] == 1
    assert plan.report.rejected == {"is not among the nearest of its class": 2}  # moon and star


def test_embeddings_are_computed_once(tmp_path, clip, monkeypatch):
    monkeypatch.setattr(retrieval, "CHUNK", 4)
    embedder = TextEmbedder(clip, batch_size=3)
    texts = [f"dog {i}" for i in range(10)]
    first = np.concatenate(list(cached_embeddings(texts, embedder, tmp_path)))
    assert first.shape == (10, 16) and len(list(tmp_path.glob("*.npy"))) == 3
    np.testing.assert_allclose(first, embedder(texts), atol=1e-3)
    calls = []
    monkeypatch.setattr(
        TextEmbedder, "__call__", lambda self, chunk: calls.append(chunk) or np.zeros((len(chunk), 16))
    )
    again = np.concatenate(list(cached_embeddings([*texts[:8], "new"], embedder, tmp_path)))
    np.testing.assert_array_equal(again[:8], first[:8])
    assert calls == [["new"]]


@pytest.fixture
def siglip(tmp_path):
    """A small random SigLIP in a folder, with a tokenizer."""
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    names = tokenizer()
    text = small | {
        "vocab_size": len(names),
        "max_position_embeddings": 12,
        "projection_size": 16,
        "bos_token_id": None,
        "eos_token_id": names.eos_token_id,
        "pad_token_id": names.pad_token_id,
    }
    with seeded("siglip"):
        SiglipModel(
            SiglipConfig(text_config=text, vision_config=small | {"image_size": 32, "patch_size": 16})
        ).save_pretrained(tmp_path)
    names.save_pretrained(tmp_path)
    return str(tmp_path)


def test_siglip_reads_texts_padded_to_its_full_length(siglip):
    texts = ["a dog", "a photo of a cat riding a train"]
    names = tokenizer()
    padded = [
        ids + [names.pad_token_id] * (12 - len(ids)) for ids in (names(text)["input_ids"] for text in texts)
    ]
    model = SiglipModel.from_pretrained(siglip).eval()
    with torch.no_grad():
        expected = model.get_text_features(input_ids=torch.tensor(padded)).pooler_output.numpy()
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    embedder = TextEmbedder(siglip, batch_size=2)
    np.testing.assert_allclose(embedder(texts), expected, atol=1e-6)
    np.testing.assert_allclose(embedder(texts[:1]), expected[:1], atol=1e-6)  # whatever its company


def test_faiss_finds_what_the_exact_search_finds():
    pytest.importorskip("faiss")
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((200, 8)).astype(np.float32)
    query = rng.standard_normal(8).astype(np.float32)
    assert nearest(vectors, query, 12) == exact_nearest(vectors, query, 12)
    assert nearest(vectors[:0], query, 12) == []


def test_a_model_without_text_features_is_refused(tmp_path):
    text_encoder().save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="CLIPTextModel, which embeds no texts"):
        TextEmbedder(str(tmp_path), 2)


def test_retrieval_options_are_checked():
    with pytest.raises(ValueError, match="must say"):
        RetrievalOptions("m", query="a photo")
    assert CaptionOptions("x").retrieval is None
