"""The files that travel in the package: two tiny-world models and their oracle, checked once per process."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from diffusers_attnmask.ground.atomic_files import remove_partial, write_text

BUNDLED = Path(__file__).with_name("bundled")
BUNDLED_NAME = "bundled"  # what recipes and commands call the model
CHECKSUMS = "SHA256SUMS"  # in the format of sha256sum, one line per file
REMEDY = "run `git checkout -- diffusers_attnmask/bundled` in a checkout, else reinstall diffusers-attnmask"


def bundled_model() -> Path:
    """Folder of the bundled 128×128 text-to-image pipeline, in plain diffusers format."""
    return _intact(BUNDLED, "tiny-world")


def bundled_transformer() -> Path:
    """Folder of the bundled small Stable Diffusion 3, of the same pictures in the same format."""
    return _intact(BUNDLED, "tiny-world-sd3")


def named_model(name: str) -> Path:
    """The folder of a bundled model by what recipes and commands call it; else a path, as it is."""
    return BUNDLED_MODELS[name]() if name in BUNDLED_MODELS else Path(name)


def bundled_oracle() -> Path:
    """Folder of the bundled segmenter that scores tiny-world pictures."""
    return _intact(BUNDLED, "oracle")


BUNDLED_MODELS = {BUNDLED_NAME: bundled_model, "bundled-transformer": bundled_transformer}


def write_checksums(folder: Path = BUNDLED) -> Path:
    """Record the digest of every file under `folder`; call it after a bundled file was made anew."""
    remove_partial(folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != CHECKSUMS)
    lines = (f"{_digest(path)}  {path.relative_to(folder).as_posix()}\n" for path in files)
    write_text(folder / CHECKSUMS, "".join(lines))
    return folder / CHECKSUMS


@cache
def _intact(bundled: Path, name: str) -> Path:
    """`bundled/name`, after every file listed for it was found and has its recorded digest."""
    expected = {path: digest for path, digest in _recorded(bundled).items() if path.startswith(f"{name}/")}
    if not expected:
        raise FileNotFoundError(f"nothing is recorded for {name!r} in {bundled / CHECKSUMS}: {REMEDY}")
    for path, digest in expected.items():
        file = bundled / path
        if not file.is_file():
            raise FileNotFoundError(f"bundled file {file} is missing: {REMEDY}")
        if _digest(file) != digest:
            raise OSError(f"bundled file {file} is damaged (its SHA-256 is not the recorded one): {REMEDY}")
    return bundled / name


def _recorded(bundled: Path) -> dict[str, str]:
    file = bundled / CHECKSUMS
    if not file.is_file():
        raise FileNotFoundError(f"bundled file {file} is missing: {REMEDY}")
    lines = file.read_text(encoding="utf-8").splitlines()
    return {path: digest for digest, _, path in (line.partition("  ") for line in lines)}


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        digest = hashlib.sha256()
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
