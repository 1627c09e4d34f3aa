"""The whole app, clicked through in a browser: every tab answers, and a mistake is a sentence on the page."""

from __future__ import annotations

import re
import shutil
import time
from dataclasses import replace
from functools import partial

import pytest
from typer.testing import CliRunner

from benchmarks.stages.painted_sampler import PaintedSampler
from dataset_builder.browsing.tab import browse_tab
from dataset_builder.building.run import EngineOptions, build
from dataset_builder.dataset_folder import FILTER_TABLE, read_pairs
from dataset_builder.noise.flags import flags_file, read_flags
from dataset_builder.recipe import Recipe, SamplingOptions
from diffusers_attnmask import DiffuMaskPipeline
from diffusers_attnmask.app.page import gradio, serve
from diffusers_attnmask.app.studio import UNSEEN, Studio
from diffusers_attnmask.masking.presence import RATHER_ABSENT
from tests.browsers import chromium, visible
from tests.small_models import picture, sd15

WAIT = 120  # seconds for an answer, on a machine that has other work


class Patient(Studio):
    """One whose steps can be made to last."""

    pause = 0.0

    def sample(self, asked, watch=UNSEEN):
        def step(done, total):
            time.sleep(self.pause)
            watch.progress(done, total)

        return super().sample(asked, replace(watch, progress=step))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browse") / "shapes"
    recipe = Recipe("tiny-world", pairs=6, shard_size=6, sampling=SamplingOptions(batch_size=6))
    build(recipe, folder, EngineOptions(workers=0), make_sampler=PaintedSampler(side=32), show_progress=False)
    return folder


@pytest.fixture(scope="module")
def address(data):
    pytest.importorskip("gradio", reason="pip install gradio")
    if not shutil.which("chromium"):
        pytest.skip("no browser: apt install chromium chromium-driver")
    studio = Patient(DiffuMaskPipeline.from_pipe(sd15()))
    more = {"Browse": partial(browse_tab, data=str(data))}
    _, address, _ = serve(studio, more, prevent_thread_lock=True, server_name="127.0.0.1", quiet=True)
    yield address
    gradio().close_all()


@pytest.fixture(scope="module")
def browser(address):
    with chromium() as browser:
        browser.get(address)
        until(browser, lambda: visible(browser, "button[role=tab]"))
        yield browser


def until(browser, found):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, WAIT, ignored_exceptions=(Exception,)).until(lambda _: found())


def tab(browser, name):
    browser.find_element("xpath", f"//button[@role='tab'][normalize-space()='{name}']").click()


def button(browser, name):
    (own,) = [own for own in visible(browser, "button.lg") if own.text.strip() == name]
    return own


def typed(browser, label, text):
    """Into the visible field of a label, in place of what stands there."""
    from selenium.webdriver.common.keys import Keys

    place = (
        f"//label[.//span[normalize-space()='{label}']]//*[self::input or self::textarea]"
        f" | //input[@aria-label='{label}']"
    )
    (field,) = [own for own in browser.find_elements("xpath", place) if own.is_displayed()]
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(Keys.DELETE, text)
    return field


def sentences(browser):
    return [own.text for own in visible(browser, ".mistake")]


def pictures(browser):
    loaded = "return arguments[0].complete && arguments[0].naturalWidth > 0"
    shown = visible(browser, ".image-frame img, .thumbnail-item img")
    return [own for own in shown if browser.execute_script(loaded, own)]


@pytest.mark.slow
def test_sample_answers_and_a_mistake_is_a_sentence(browser):
    typed(browser, "Prompt", "a dog and a star")
    button(browser, "Sample").click()
    until(browser, lambda: sentences(browser))
    assert "fish" in sentences(browser)[0] and "Error" not in browser.find_element("tag name", "body").text
    typed(browser, "Prompt", "a fish and a star\n")  # Enter submits
    until(browser, lambda: len(pictures(browser)) >= 3)
    assert sentences(browser) == []
    chips = [own.text for own in visible(browser, "label.selected")]
    assert all(re.fullmatch(r"(star|fish) [01]\.\d\d", own) for own in chips) and len(chips) == 2
    absent = [own.text for own in visible(browser, ".absent")]
    assert bool(absent) == any(float(own.split()[1]) < RATHER_ABSENT for own in chips)


@pytest.mark.slow
def test_stop_ends_the_sampling_of_whoever_presses_it(browser, address, monkeypatch):
    monkeypatch.setattr(Patient, "pause", 0.3)
    mine = browser.current_window_handle
    browser.switch_to.new_window("tab")
    browser.get(address)
    until(browser, lambda: visible(browser, "button[role=tab]"))
    others = browser.current_window_handle
    browser.switch_to.window(mine)
    button(browser, "Sample").click()
    until(browser, lambda: visible(browser, ".progress-text"))
    browser.switch_to.window(others)
    button(browser, "Stop").click()
    browser.switch_to.window(mine)
    until(browser, lambda: not visible(browser, ".progress-text"))
    assert sentences(browser) == [], "another person's Stop is another's"
    button(browser, "Sample").click()
    until(browser, lambda: visible(browser, ".progress-text"))
    button(browser, "Stop").click()
    until(browser, lambda: sentences(browser) and sentences(browser)[0].startswith("Stopped after"))
    browser.switch_to.window(others)
    browser.close()
    browser.switch_to.window(mine)


@pytest.mark.slow
def test_compare_shows_each_method(browser):
    tab(browser, "Compare")
    typed(browser, "Prompt", "a fish and a star")
    button(browser, "Compare").click()
    until(browser, lambda: len(pictures(browser)) >= 3 + 6)


@pytest.mark.slow
def test_picture_asks_for_one_and_finds_its_masks(browser, tmp_path):
    tab(browser, "Picture")
    button(browser, "Find the masks").click()
    until(browser, lambda: sentences(browser) == ["Choose a picture first."])
    picture(size=64).save(tmp_path / "photo.png")
    browser.find_elements("css selector", "input[type=file]")[0].send_keys(str(tmp_path / "photo.png"))
    until(browser, lambda: pictures(browser))
    typed(browser, "What it shows", "a dog")
    button(browser, "Find the masks").click()
    until(browser, lambda: sentences(browser) and sentences(browser)[0].startswith("Add at least one class"))
    typed(browser, "Classes", "dog\n")
    button(browser, "Find the masks").click()
    until(browser, lambda: len(pictures(browser)) >= 3)
    assert sentences(browser) == []


@pytest.mark.slow
def test_prompt_attention_shows_every_word(browser):
    tab(browser, "Prompt attention")
    typed(browser, "Prompt", "red dog")
    button(browser, "Show every word").click()
    until(browser, lambda: len(pictures(browser)) >= 3)
    captions = {own.text for own in visible(browser, ".caption-label")}
    assert {"red", "dog"} <= captions


@pytest.mark.slow
def test_browse_finds_pairs_and_keeps_flags(browser, data, tmp_path):
    tab(browser, "Browse")
    button(browser, "Open").click()
    until(browser, lambda: len(pictures(browser)) == 6)
    pictures(browser)[0].click()
    until(browser, lambda: len(pictures(browser)) == 7)
    typed(browser, "What is wrong with it", "no star")
    button(browser, "Flag").click()
    until(browser, lambda: flags_file(data).is_file())
    assert list(read_flags(flags_file(data)).values()) == ["no star"]
    (first, *others) = [own.name for own in read_pairs(data)]
    rows = [f"{first},no,the mask is empty", *(f"{own},yes," for own in others)]
    (tmp_path / FILTER_TABLE).write_text("\n".join(["id,kept,reason", *rows]))
    typed(browser, "What a filter made of it", str(tmp_path))
    button(browser, "Open").click()
    until(browser, lambda: "6 of 6 pairs" in browser.find_element("tag name", "body").text)
    typed(browser, "Kept, or why not", "the mask is empty\n")
    until(browser, lambda: "1 of 6 pairs" in browser.find_element("tag name", "body").text)
    typed(browser, "Dataset", "/no/where")
    button(browser, "Open").click()
    until(browser, lambda: sentences(browser))
    assert "/no/where" in sentences(browser)[0]


@pytest.mark.slow
def test_it_fits_a_phone_and_is_dark_where_the_browser_is(address):
    with chromium(420, 900) as browser:
        browser.get(f"{address}?__theme=dark")
        until(browser, lambda: visible(browser, "button[role=tab]"))
        wide = browser.execute_script("return document.body.scrollWidth")
        assert wide <= browser.execute_script("return document.documentElement.clientWidth")
        until(browser, lambda: browser.execute_script("return document.body.classList.contains('dark')"))
        colour = "return getComputedStyle(document.querySelector('h1')).color"
        until(browser, lambda: min(map(int, re.findall(r"\d+", browser.execute_script(colour))[:3])) > 200)


def test_without_gradio_the_command_says_how_to_get_it(monkeypatch):
    import typer

    from dataset_builder.commands.app import app

    monkeypatch.setitem(__import__("sys").modules, "gradio", None)
    command = typer.Typer()
    command.command()(app)
    told = CliRunner().invoke(command, []).exception
    assert isinstance(told, OSError) and "pip install 'diffusers-attnmask[app]'" in str(told)
