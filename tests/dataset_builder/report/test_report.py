"""The page says what the dataset holds, works without a network, and its controls work in a browser."""

from __future__ import annotations

import base64
import io
import re
import shutil
import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pytest
from PIL import Image

from benchmarks.stages.painted_sampler import PaintedSampler
from dataset_builder.building.manifest import Manifest
from dataset_builder.building.run import build
from dataset_builder.dataset_folder import read_pairs
from dataset_builder.engine.options import EngineOptions
from dataset_builder.engine.workers import Alone
from dataset_builder.hub.card import write_card
from dataset_builder.hub.dataset_summary import summary_of
from dataset_builder.recipe import Recipe, SamplingOptions
from dataset_builder.report.collect import ReportOptions, collect
from dataset_builder.report.page import rendered, write_report
from tests.browsers import chromium, visible
from train_segmenter.data.split_parts import Part

OPTIONS = ReportOptions(gallery=10, extremes=3, progress=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "shapes"
    recipe = Recipe("tiny-world", pairs=30, shard_size=10, sampling=SamplingOptions(batch_size=5))
    sampler = PaintedSampler(side=32, empty=0.2)
    build(recipe, folder, EngineOptions(workers=0), make_sampler=sampler, show_progress=False)
    write_card(folder)
    return folder


@pytest.fixture(scope="module")
def collected(folder):
    return collect(folder, OPTIONS)


@pytest.fixture(scope="module")
def page(folder, tmp_path_factory):
    return write_report(folder, tmp_path_factory.mktemp("page") / "report.html", OPTIONS)


def test_the_counts_are_those_of_the_rows(folder, collected):
    pairs = list(read_pairs(folder))
    assert collected.pairs == len(pairs) == sum(collected.coverage)
    shares, seen = Counter(), Counter()
    for pair in pairs:
        mask = np.asarray(pair.mask)
        for own in set(mask.flat) - {0, 255}:
            name = collected.facts.class_names[own]
            shares[name] += (mask == own).mean()
            seen[name] += 1
    assert collected.class_coverage == pytest.approx({name: shares[name] / seen[name] for name in seen})
    assert collected.facts.tally.classes == seen


def test_the_counts_do_not_depend_on_who_counted_which_rows(folder, collected, monkeypatch):
    facts = summary_of(folder)
    assert (collected.facts.tally, collected.facts.methods) == (facts.tally, facts.methods)

    class Backwards(Alone):
        def results(self, function, tasks):
            return super().results(function, reversed(list(tasks)))

    monkeypatch.setattr(
        "dataset_builder.report.collect.working", lambda stage, _: nullcontext(Backwards(stage))
    )
    assert collect(folder, OPTIONS) == collected


def test_what_rows_say_is_summed_over_parts_of_a_dataset_without_a_manifest(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "manifest.json").unlink()
    for parts in ((), (Part("train", "[5:12]"),)):
        facts = collect(copy, OPTIONS, parts).facts
        assert facts == summary_of(copy, parts=parts)
        assert facts.tally.pairs == (7 if parts else len(list(read_pairs(copy))))


def test_the_gallery_is_spread_over_the_dataset(folder, collected, page):
    assert f"Gallery, spread over {collected.pairs} pairs" in page.read_text()
    ids = [pair.row["id"] for pair in read_pairs(folder)]
    assert len(collected.gallery) == 10
    assert (collected.gallery[0].id, collected.gallery[-1].id) == (ids[0], ids[-1])


def test_the_best_and_the_worst_are_by_quality(folder, collected):
    qualities = sorted(pair.row["quality"] for pair in read_pairs(folder))
    assert [own.quality for own in collected.best] == qualities[:-4:-1]
    assert [own.quality for own in collected.worst] == qualities[:3]


def test_skipped_pairs_are_listed_with_their_reason(folder, collected):
    skipped = sum(Manifest.read(folder).tally.skipped.values())
    assert skipped == collected.removed_count == len(collected.removed) > 0
    assert collected.removed[0].reason.startswith("mask empty")


def test_pairs_that_the_filter_dropped_are_listed(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "filtered")
    (copy / "manifest.json").unlink()
    (copy / "filter.csv").write_text(
        "id,kept,reason,coverage\n7,no,heart disagrees (IoU 0.1),heart=0.1\n8,yes,,\n"
    )
    found = collect(copy, OPTIONS)
    left_out = [(own.id, own.reason, own.classes) for own in found.removed]
    assert left_out == [("7", "heart disagrees (IoU 0.1)", ("heart",))]
    assert "heart disagrees (IoU 0.1)" in rendered(found, "shapes")


def test_the_page_needs_no_other_file_and_no_network(page):
    text = page.read_text()
    assert not re.findall(r"https?://", text)
    sources = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert len(sources) == 2 * (10 + 3 + 3)
    assert all(source.startswith("data:image/") for source in sources)


def test_the_pictures_are_those_of_the_pairs(folder, collected):
    pair, own = next(read_pairs(folder)), collected.gallery[0]
    image = Image.open(io.BytesIO(base64.b64decode(own.image.partition(",")[2])))
    overlay = Image.open(io.BytesIO(base64.b64decode(own.overlay.partition(",")[2])))
    assert image.size == overlay.size == pair.image.size
    opaque = np.asarray(overlay)[..., 3] > 0
    np.testing.assert_array_equal(opaque, np.asarray(pair.mask) > 0)


def test_the_page_says_where_the_dataset_comes_from(page, collected):
    text = page.read_text()
    splits = f"splits</dt><dd>train {collected.pairs}"
    for fact in (splits, "painted", "exact", "Contrast: how much stronger", "vocabulary: tiny-world"):
        assert fact in text, fact
    assert f"made with</dt><dd>diffusers-attnmask {version('diffusers-attnmask')}" in text
    assert re.search(r"newest file</dt><dd>\d{4}-\d\d-\d\d<", text)
    assert "licence</dt><dd>other" in text
    bins = re.findall(r'<span title="0\.\d–\d\.\d">[^<]*</span><i[^>]*></i><b>(\d+)</b>', text)
    assert bins and "0" not in (bins[0], bins[-1])


def test_after_a_filter_quality_is_another_thing(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "filtered")
    (copy / "filter.csv").write_text("id,kept,reason\n8,yes,\n")
    text = rendered(collect(copy, OPTIONS), "shapes")
    assert "Held-out IoU: how well the mask agrees" in text and "Lowest held-out IoU" in text


def test_a_prompt_with_markup_is_shown_as_text(collected):
    hostile = replace(collected.gallery[0], prompt='<script>alert("x")</script>')
    text = rendered(replace(collected, gallery=[hostile]), "<b>title</b>")
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text
    assert "<b>title" not in text


def test_a_large_image_is_shown_small(folder, tmp_path):
    recipe = Recipe("tiny-world", pairs=2, sampling=SamplingOptions(batch_size=2))
    sampler = PaintedSampler(side=300)
    build(recipe, tmp_path, EngineOptions(workers=0), make_sampler=sampler, show_progress=False)
    own = collect(tmp_path, OPTIONS).gallery[0]
    image = Image.open(io.BytesIO(base64.b64decode(own.image.partition(",")[2])))
    assert image.size == (224, 224)


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.mark.slow
def test_a_browser_shows_the_page_and_its_controls_work(browser, page, collected):
    browser.get(page.as_uri())
    assert browser.title == f"shapes: {collected.pairs} pairs"
    loaded = "return [...document.images].every(own => own.complete && own.naturalWidth > 0)"
    assert browser.execute_script(loaded)
    assert len(visible(browser, ".mask")) == 16
    first = browser.find_element("css selector", ".gallery .picture")
    first.click()
    assert len(visible(browser, ".mask")) == 15 and first.get_attribute("aria-pressed") == "false"
    browser.find_element("id", "masks").click()
    assert visible(browser, ".mask") == []
    browser.find_element("id", "masks").click()
    assert len(visible(browser, ".mask")) == 16 and first.get_attribute("aria-pressed") == "true"

    typed(browser, "opacity", "0.25")
    assert first.find_element("class name", "mask").value_of_css_property("opacity") == "0.25"
    narrow = first.size["width"]
    typed(browser, "size", "500")
    assert first.size["width"] > 2 * narrow
    assert browser.get_log("browser") == []


@pytest.mark.slow
def test_filters_and_order_hold_for_every_section(browser, page, collected):
    browser.get(page.as_uri())
    sections = {"gallery": collected.gallery, "worst": collected.worst, "best": collected.best}
    name = collected.gallery[0].classes[0]
    chosen(browser, "class", name)
    for section, pairs in sections.items():
        assert ids(browser, section) == [own.id for own in pairs if name in own.classes]
    assert counts(browser)[0] == f"{len(ids(browser, 'gallery'))} of 10 pairs shown"
    left_out = visible(browser, "tr[data-text]")
    assert all(name in own.text for own in left_out) and len(left_out) < len(collected.removed)
    chosen(browser, "class", "all")
    wanted = collected.gallery[3]
    typed(browser, "search", wanted.prompt.upper())
    assert wanted.id in ids(browser, "gallery")
    assert all(wanted.prompt in own.text for own in visible(browser, ".pairs figcaption"))
    typed(browser, "search", "no such words")
    assert visible(browser, "figure") == visible(browser, "tr[data-text]") == []
    typed(browser, "search", "")
    chosen(browser, "order", "contrast, lowest first")
    qualities = {own.id: own.quality for own in collected.gallery}
    shown = [qualities[own] for own in ids(browser, "gallery")]
    assert shown == sorted(shown) and len(shown) == 10
    assert browser.get_log("browser") == []


@pytest.mark.slow
def test_pictures_beyond_the_first_are_decoded_when_they_come_near(browser, collected, tmp_path):
    many = [replace(collected.gallery[0], id=f"pair-{number}") for number in range(150)]
    (tmp_path / "page.html").write_text(rendered(replace(collected, gallery=many), "many"))
    browser.get((tmp_path / "page.html").as_uri())
    typed(browser, "size", "640")
    waiting = "return document.querySelectorAll('[data-src]').length"
    assert browser.execute_script(waiting) > 0
    last = browser.find_elements("css selector", "#gallery ~ .gallery figure")[-1]
    browser.execute_script("arguments[0].scrollIntoView()", last)
    for _ in range(50):
        if not last.find_elements("css selector", "[data-src]"):
            break
        time.sleep(0.1)
    assert not last.find_elements("css selector", "[data-src]")


def typed(browser, name, value):
    script = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))"
    browser.execute_script(script, browser.find_element("id", name), value)


def chosen(browser, name, text):
    browser.find_element("xpath", f"//select[@id='{name}']/option[normalize-space()='{text}']").click()


def ids(browser, section):
    figures = visible(browser, f"section:has(#{section}) figure")
    return [own.find_element("tag name", "button").get_attribute("aria-label").split()[-1] for own in figures]


def counts(browser):
    return [own.text for own in browser.find_elements("class name", "count")]
