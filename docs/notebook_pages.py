"""Runs the notebooks, and makes pages of the site from them.

    python docs/notebook_pages.py [notebook …]    # runs all, or these, and keeps their outputs

As a hook of mkdocs it makes a page of each notebook, as that is kept. Nothing is run for it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NOTEBOOKS = HERE / "notebooks"
RUN_OF = "run_of"  # key of the metadata: the digest of the cells whose outputs are kept
MOST_SECONDS = 3600  # of a cell, on a crowded machine


def digest(notebook: dict[str, Any]) -> str:
    """Of everything that is run."""
    code = [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return hashlib.sha256(json.dumps(["".join(own) for own in code]).encode()).hexdigest()


def executed(path: Path) -> dict[str, Any]:
    """A notebook with new outputs, run from its first cell to its last in a folder that is thrown away.

    Progress bars, which are written to the error stream, are no result and are left out.
    """
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    roots = [str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(roots), "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryDirectory(prefix="attnmask-notebook-") as folder:
        client = NotebookClient(
            notebook, timeout=MOST_SECONDS, kernel_name="python3", resources={"metadata": {"path": folder}}
        )
        client.execute(env=environment)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when it ran
        if cell.cell_type == "code":
            cell.outputs = [own for own in cell.outputs if own.get("name") != "stderr"]
    # what the machine is called and which Python it has
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"], RUN_OF: digest(notebook)}
    return notebook


def keep(path: Path) -> None:
    """Run a notebook, and write its outputs into it."""
    notebook = executed(path)
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def page(notebook: dict[str, Any]) -> str:
    """A notebook in Markdown: its code, what it printed, and its pictures within the page."""
    return "\n\n".join(part for cell in notebook["cells"] for part in parts(cell)) + "\n"


def parts(cell: dict[str, Any]) -> list[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] != "code":
        return [source]
    return [fenced(source, "python"), *map(output, cell["outputs"])]


def output(own: dict[str, Any]) -> str:
    if own["output_type"] == "stream":
        return fenced("".join(own["text"]), "text")
    data = {kind: "".join(value) for kind, value in own["data"].items() if "json" not in kind}
    if "text/html" in data:
        return data["text/html"].replace("\n", " ")
    if "image/png" in data:
        address = data["image/png"].replace("\n", "")
        return f'<p><img src="data:image/png;base64,{address}" alt="what the cell shows"></p>'
    return fenced(data["text/plain"], "text")


def fenced(text: str, language: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```"


def on_files(files: Any, config: Any) -> Any:
    """Of mkdocs: a page for each notebook, beside the notebook itself."""
    from mkdocs.structure.files import File

    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        address = path.relative_to(HERE).with_suffix(".md").as_posix()
        content = page(json.loads(path.read_text(encoding="utf-8")))
        files.append(File.generated(config, address, content=content))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Of mkdocs: links that lead to a notebook in the repository lead to its page on the site."""
    return re.sub(r"\]\(([\w./]*)\.ipynb\)", r"](\1.md)", markdown)


if __name__ == "__main__":
    asked = [Path(name) for name in sys.argv[1:]] or sorted(NOTEBOOKS.glob("*.ipynb"))
    for own in asked:
        print(own)
        keep(own)
