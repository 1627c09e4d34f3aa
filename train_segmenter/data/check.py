"""Finds wrong ids, missing files and differing sizes before training starts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from diffusers_attnmask.cli_errors import raised_on_purpose
from diffusers_attnmask.ground.bars import bar
from diffusers_attnmask.ground.damage import DamagedFile
from diffusers_attnmask.ground.ids import IGNORE_ID
from train_segmenter.data.base import Source, checked, shown_ids

SHOWN = 10


def check_source(source: Source, threads: int = 4, progress: bool = True) -> None:
    """Reads every pair once; raises a ValueError that names the files and what is wrong with each, or that no
    mask shows anything but the class of id 0."""
    if not len(source):
        raise ValueError("The data holds no pair.")
    faults, ids, names = [], set[int](), source.class_names
    with ThreadPoolExecutor(threads) as pool:
        answers = pool.map(lambda index: looked_at(source, index), range(len(source)))
        for own in bar(answers, "checking data", len(source), shown=progress, passing=True):
            faults.append(own) if isinstance(own, Exception) else ids.update(own)
    refuse(faults, len(source))
    if len(names) > 1 and ids <= {0}:
        raise ValueError(
            f"the masks of all {len(source)} pairs, such as {source.name(0)}, show nothing but {names[0]}: "
            f"write ids to them, 1 for {names[1]}; {IGNORE_ID} is ignored"
        )


def refuse(faults: Sequence[Exception], count: int) -> None:
    """Raise one error of what is wrong with some of so many pairs, if anything is."""
    if faults:
        more = f"\n… and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        listed = "\n".join(map(str, faults[:SHOWN]))
        kind = DamagedFile if all(isinstance(own, DamagedFile) for own in faults) else ValueError
        raise kind(f"{len(faults)} of {count} pairs cannot be used:\n{listed}{more}")


def faults_of(source: Source, numbers: Iterable[int]) -> list[tuple[int, Exception]]:
    """What is wrong with some of the pairs, by their number."""
    found = ((number, looked_at(source, number)) for number in numbers)
    return [(number, own) for number, own in found if isinstance(own, Exception)]


def looked_at(source: Source, index: int) -> tuple[int, ...] | Exception:
    """The ids that a pair's mask shows, or what is wrong with it; its name or its file comes first."""
    name = source.name(index)
    try:
        return shown_ids(checked(source[index], len(source.class_names)).mask)
    except (OSError, ValueError) as error:
        if not (isinstance(error, OSError) or raised_on_purpose(error)):
            raise  # a fault of the program, and not of the pair
        if name in str(error):
            return error
        return (DamagedFile if isinstance(error, DamagedFile) else ValueError)(f"{name}: {error}")
