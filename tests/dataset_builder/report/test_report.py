"""The page says what the dataset holds, works without a network, and its controls work in a browser."""

from __future__ import annotations

import base64
import io
import re
import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from benchmarks.painted_sampler import PaintedSampler
from dataset_builder.building.manifest import Manifest
from dataset_builder.building.run import build
from dataset_builder.dataset_folder import read_pairs
from dataset_builder.engine.options import EngineOptions
from dataset_builder.hub.card import write_card
from dataset_builder.recipe import Recipe, SamplingOptions
from dataset_builder.report.collect import Extremes, ReportOptions, collect
from dataset_builder.report.page import rendered, write_report

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


def test_the_gallery_is_spread_over_the_dataset(folder, collected):
    ids = [pair.row["id"] for pair in read_pairs(folder)]
    assert len(collected.gallery) == 10
    assert (collected.gallery[0].id, collected.gallery[-1].id) == (ids[0], ids[-1])


def test_the_best_and_the_worst_are_by_quality():
    pairs = {quality: object() for quality in (0.4, 0.9, 0.1, 0.5)}
    for sign, expected in ((1, [0.9, 0.5]), (-1, [0.1, 0.4])):
        extremes = Extremes(2, sign)
        for quality, pair in pairs.items():
            extremes.offer(quality, pair)
        assert extremes.ranked() == [pairs[quality] for quality in expected]


def test_skipped_pairs_are_listed_with_their_reason(folder, collected):
    skipped = sum(Manifest.read(folder).tally.skipped.values())
    assert skipped == collected.removed_count == len(collected.removed) > 0
    assert collected.removed[0].reason.startswith("mask empty")


def test_pairs_that_the_filter_dropped_are_listed(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "filtered")
    (copy / "manifest.json").unlink()
    (copy / "filter.csv").write_text("id,kept,reason\n7,no,heart disagrees (IoU 0.1)\n8,yes,\n")
    found = collect(copy, OPTIONS)
    assert [(own.id, own.reason) for own in found.removed] == [("7", "heart disagrees (IoU 0.1)")]
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
    webdriver = pytest.importorskip("selenium.webdriver", reason="pip install selenium")
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not binary or not driver:
        pytest.skip("no browser: apt install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield browser
    browser.quit()


def visible(browser, selector):
    return [own for own in browser.find_elements("css selector", selector) if own.is_displayed()]


@pytest.mark.slow
def test_a_browser_shows_the_page_and_its_controls_work(browser, page, collected):
    browser.get(page.as_uri())
    assert browser.title == f"shapes: {collected.pairs} pairs"
    loaded = "return [...document.images].every(own => own.complete && own.naturalWidth > 0)"
    assert browser.execute_script(loaded)
    assert visible(browser, ".mask") == []

    browser.find_element("id", "masks").click()
    assert len(visible(browser, ".mask")) == 16
    browser.find_element("id", "masks").click()
    browser.find_element("css selector", ".gallery .picture").click()
    assert len(visible(browser, ".mask")) == 1

    name = collected.gallery[0].classes[0]
    browser.find_element("css selector", f"#class option:nth-child({1 + option(collected, name)})").click()
    expected = [own.id for own in collected.gallery if name in own.classes]
    shown = visible(browser, "[data-filtered] figure")
    assert len(shown) == len(expected) < 10
    assert browser.find_element("id", "count").text == f"{len(expected)} of 10 pairs shown."
    assert browser.get_log("browser") == []


def option(collected, name):
    return collected.facts.class_names.index(name)
