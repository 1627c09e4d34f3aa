"""Models as files of others: only tensors and settings are read of them, and what is damaged is named.

No pickle is opened, whatever its name, and no code that lies beside the weights is run.
"""

from __future__ import annotations

import os
import pickle
import re
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError, safe_open

from diffusers_attnmask.ground.damage import DamagedFile
from diffusers_attnmask.ground.hub_errors import first_line
from diffusers_attnmask.ground.interrupts import kept_interrupt
from diffusers_attnmask.ground.json_files import read_json

WEIGHTS = ".safetensors"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")  # weights by other names
PICKLED = (b"\x80", b"PK")  # how pickles, and torch's archives of them, begin
CONFIGS = ("model_index.json", "*config.json", "*.index.json")
LIBRARIES = ("diffusers", "transformers", "diffusers_attnmask")  # whose classes components may have
LONGEST = 240  # characters of what a library says
TENSORS_ALONE = {"use_safetensors": True}  # for `from_pretrained`, which would take pickles otherwise
# What libraries raise at settings and weights that do not fit each other, or are none.
UNFIT = (
    *(SafetensorError, pickle.UnpicklingError, RuntimeError, ValueError, TypeError, KeyError),
    *(AttributeError, IndexError, ImportError, EOFError, OSError, ArithmeticError, StrictDataclassError),
)

# What transformers says of a model that one of its Auto classes does not take.
OTHER_KIND = re.compile(
    r"Unrecognized configuration class <class '[\w.]*?(?P<kind>\w+)'> "
    r"for this kind of AutoModel: (?P<taker>\w+)"
)


@contextmanager
def readable_model(path: str | os.PathLike[str]) -> Iterator[None]:
    """Around what loads a model of a folder, or a file of one: first the files are looked at, and whatever
    a library then finds wrong with them is told in one line. Names of the Hub pass, which knows its files,
    unless the model is of another kind."""
    with kept_interrupt(), _told_by_name(Path(path)):
        yield


@contextmanager
def _told_by_name(path: Path) -> Iterator[None]:
    if path.is_dir():
        check_folder(path)
    elif path.suffix == WEIGHTS:
        check_weights(path)
    there = path.exists()
    try:
        yield
    except DamagedFile:
        raise
    except UNFIT as mistake:
        if other := OTHER_KIND.search(str(mistake)):
            raise ValueError(
                f"{path} is a model of another kind: {other['taker']} of transformers takes no "
                f"{other['kind']}; name one that it takes"
            ) from mistake
        if not there:
            raise
        told = textwrap.shorten(str(mistake), LONGEST) or type(mistake).__name__
        kind = "" if isinstance(mistake, ValueError | OSError) else f"{type(mistake).__name__}: "
        raise DamagedFile(f"{path} cannot be read as a model: {kind}{told}") from mistake


def check_folder(folder: Path) -> None:
    """Refuses a model's folder, with those of its components, that is damaged or would run code."""
    for own in (folder, *sorted(path for path in folder.iterdir() if path.is_dir())):
        configs = [file for kind in CONFIGS for file in sorted(own.glob(kind)) if file.is_file()]
        for file in configs:
            content = read_json(file, infinities=True)
            if file.name == "model_index.json":
                check_components(content, str(file))
        weights = sorted(own.glob(f"*{WEIGHTS}"))
        for file in weights:
            check_weights(file)
        pickles = sorted(file for file in own.iterdir() if file.suffix in PICKLES and configs)
        if pickles and not weights:
            check_no_pickle(pickles[0])


def check_no_pickle(file: str | Path) -> None:
    """Refuses a file of weights, or a link to one, whose name is that of a pickle."""
    if Path(file).suffix in PICKLES:
        raise DamagedFile(
            f"{file} holds weights as a pickle, which could run code and is not opened: convert it to "
            f"{WEIGHTS[1:]}"
        )


def check_weights(file: Path) -> None:
    """Refuses a file of weights that is cut off, or something else under this name."""
    with file.open("rb") as stream:
        start = stream.read(2)
    if not start:
        raise DamagedFile(f"{file} is not whole: it is empty")
    if any(start.startswith(own) for own in PICKLED):
        try:
            with safe_open(str(file), "pt"):
                return
        except SafetensorError:
            raise DamagedFile(f"{file} is a pickle under another name, which is not opened") from None
    try:
        with safe_open(str(file), "pt"):
            pass
    except SafetensorError as mistake:
        raise DamagedFile(f"{file} is damaged or cut off: {first_line(mistake)}") from mistake


def check_components(index: Mapping[str, Any], where: str) -> None:
    """Refuses a pipeline's index that names classes of other libraries, or of files beside it."""
    for name, entry in index.items():
        if not isinstance(entry, list) or len(entry) != 2 or entry == [None, None]:
            continue
        library = entry[0]
        if isinstance(library, str) and (library.partition(".")[0] in LIBRARIES or _of_diffusers(library)):
            continue
        if all(isinstance(own, str) for own in entry):
            raise DamagedFile(f"{where}: {name} is of {library!r}, whose code is not run; known: {LIBRARIES}")


def _of_diffusers(library: str) -> bool:
    import diffusers  # here: it takes seconds, in every worker, and few read pipelines

    return hasattr(diffusers.pipelines, library)
