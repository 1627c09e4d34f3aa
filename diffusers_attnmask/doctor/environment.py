"""What this installation consists of: requirements and extras as the package metadata declares them."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution, metadata, requires, version

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

DISTRIBUTION = "diffusers-attnmask"
NOT_FOR_USERS = ("all", "docs", "test")  # extras: the first gathers others, the others are for development


@dataclass(frozen=True)
class Package:
    """A required distribution: the version found (None: absent) and what is wrong with it (None: nothing)."""

    name: str
    required: str
    version: str | None
    problem: str | None


def requirements(extra: str = "") -> list[Requirement]:
    """The core requirements, or those that `extra` adds; an extra made of extras is resolved into theirs."""
    return list({str(found): found for found in _resolved(extra)}.values())


def extras() -> list[str]:
    """The extras that add something for those who use the project, in the order of setup.cfg."""
    return [
        name for name in metadata(DISTRIBUTION).get_all("Provides-Extra") or () if name not in NOT_FOR_USERS
    ]


def inspect(requirement: Requirement, *, load: bool = False) -> Package:
    """Look a requirement up; `load` also imports it, which finds compiled packages that do not load."""
    wanted = str(requirement).partition(";")[0].strip()
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return Package(requirement.name, wanted, None, "not installed")
    if not requirement.specifier.contains(found, prereleases=True):
        return Package(requirement.name, wanted, found, f"version {found} is installed, {wanted} is needed")
    return Package(requirement.name, wanted, found, _import_problem(requirement.name) if load else None)


def install_command(packages: list[Package]) -> str:
    return shlex.join(
        [sys.executable, "-m", "pip", "install", "--upgrade", *(each.required for each in packages)]
    )


def lacks_compiler(command: str) -> bool:
    """Whether an install command would compile something that nothing here can compile."""
    return "pydensecrf2" in command and not shutil.which("g++")


def _resolved(extra: str) -> Iterator[Requirement]:
    for line in requires(DISTRIBUTION) or ():
        found = Requirement(line)
        if found.marker and not found.marker.evaluate({"extra": extra}):
            continue
        if extra and (found.marker is None or found.marker.evaluate({"extra": ""})):
            continue
        if canonicalize_name(found.name) == DISTRIBUTION:
            for gathered in sorted(found.extras):
                yield from _resolved(gathered)
        else:
            yield found


def _import_problem(name: str) -> str | None:
    for module in _modules(name):
        try:
            import_module(module)
        except Exception as reason:  # whatever a broken installation raises is its diagnosis
            return f"does not import: {type(reason).__name__}: {reason}"
    return None


def _modules(name: str) -> list[str]:
    """The top-level modules that a distribution installed, without private ones."""
    files = distribution(name).files or ()
    tops = {file.parts[0].removesuffix(".py") for file in files if file.suffix == ".py"}
    return sorted(top for top in tops if top.isidentifier() and not top.startswith("_"))
