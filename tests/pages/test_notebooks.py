"""The notebooks are kept as they ran, and run."""

import importlib.util
import json

import pytest

from tests.pages.blocks import ROOT

spec = importlib.util.spec_from_file_location("notebook_pages", ROOT / "docs/notebook_pages.py")
notebook_pages = importlib.util.module_from_spec(spec)
spec.loader.exec_module(notebook_pages)

NOTEBOOKS = sorted((ROOT / "docs/notebooks").glob("*.ipynb"))
LARGEST = 400_000  # bytes


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def cells(notebook):
    return [own for own in notebook["cells"] if own["cell_type"] == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda own: own.stem)
def test_outputs_are_of_these_cells_and_no_errors(path):
    notebook = read(path)
    told = f"run: python docs/notebook_pages.py {path.relative_to(ROOT)}"
    assert notebook["metadata"][notebook_pages.RUN_OF] == notebook_pages.digest(notebook), told
    assert [own["execution_count"] for own in cells(notebook)] == [*range(1, len(cells(notebook)) + 1)]
    kinds = {output["output_type"] for own in cells(notebook) for output in own["outputs"]}
    assert kinds and "error" not in kinds
    assert path.stat().st_size < LARGEST


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda own: own.stem)
def test_a_page_of_the_site_shows_code_and_outputs(path):
    notebook = read(path)
    page = notebook_pages.page(notebook)
    assert page.startswith("# ") and page.count("```python") >= len(cells(notebook))
    shown = [own for cell in cells(notebook) for own in cell["outputs"]]
    assert page.count("<img") + page.count("```text") >= len(shown) > 0
    assert "/tmp/" not in page and "Traceback" not in page


def test_links_to_notebooks_lead_to_their_pages():
    linked = notebook_pages.on_page_markdown("see [it](notebooks/masks.ipynb) and [that](train.ipynb)")
    assert linked == "see [it](notebooks/masks.md) and [that](train.md)"


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda own: own.stem)
def test_a_notebook_runs_and_shows_as_much_as_it_keeps(path):
    pytest.importorskip("nbclient")
    kept, now = cells(read(path)), cells(notebook_pages.executed(path))
    for before, after in zip(kept, now, strict=True):
        kinds = [{own["output_type"] for own in cell["outputs"]} for cell in (before, after)]
        assert kinds[0] == kinds[1], before["source"]
