"""Finds wrong ids, missing files and differing sizes before training starts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from diffusers_attnmask.cli_errors import raised_on_purpose
from diffusers_attnmask.ground.bars import bar
from diffusers_attnmask.ground.damage import DamagedFile
from train_segmenter.data.base import Source, checked

SHOWN = 10


def check_source(source: Source, threads: int = 4, progress: bool = True) -> None:
    """Reads every pair once; raises a ValueError that names the files and what is wrong with each."""
    if not len(source):
        raise ValueError("The data holds no pair.")
    with ThreadPoolExecutor(threads) as pool:
        answers = pool.map(lambda index: fault_of(source, index), range(len(source)))
        shown = bar(answers, "checking data", len(source), shown=progress, passing=True)
        faults = [answer for answer in shown if answer]
    refuse(faults, len(source))


def refuse(faults: Sequence[Exception], count: int) -> None:
    """Raise one error of what is wrong with some of so many pairs, if anything is."""
    if faults:
        more = f"\n… and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        listed = "\n".join(map(str, faults[:SHOWN]))
        kind = DamagedFile if all(isinstance(own, DamagedFile) for own in faults) else ValueError
        raise kind(f"{len(faults)} of {count} pairs cannot be used:\n{listed}{more}")


def faults_of(source: Source, numbers: Iterable[int]) -> list[tuple[int, Exception]]:
    """What is wrong with some of the pairs, by their number."""
    found = ((number, fault_of(source, number)) for number in numbers)
    return [(number, fault) for number, fault in found if fault]


def fault_of(source: Source, index: int) -> Exception | None:
    """What is wrong with one pair, or None; its name or its file comes first."""
    name = source.name(index)
    try:
        checked(source[index], len(source.class_names))
    except (OSError, ValueError) as error:
        if not (isinstance(error, OSError) or raised_on_purpose(error)):
            raise  # a fault of the program, and not of the pair
        if name in str(error):
            return error
        return (DamagedFile if isinstance(error, DamagedFile) else ValueError)(f"{name}: {error}")
    return None
