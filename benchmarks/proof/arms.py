"""The arms of `segmenter_proof`, in the order in which one is chosen by others."""

from __future__ import annotations

import re
from collections.abc import Mapping

from benchmarks.proof.bench import Arm, Bench
from tiny_world.oracle import Renders
from train_segmenter.data import Source

FINE_TUNED = 10  # (g) sees one real render for ten of (a),
FEWER = 30  # and in the last rows one for so many
FIRST_SEEDS = {"train": 800_000_000, "validation": 0, "test": 0}  # within each split


def all_arms(
    bench: Bench, real: int, generated: Mapping[str, Source], others: Mapping[str, Source]
) -> list[Arm]:
    """(a) on so many renders, others by their titles, (b) to (g) where pairs were generated, and controls."""
    exact = first_renders(real)
    arms = [bench.from_scratch("a", "(a) renders, exact masks", exact)]
    arms += [bench.from_scratch(folder_name(title), title, source) for title, source in others.items()]
    if generated:
        found = [bench.from_scratch(title[1], title, source) for title, source in generated.items()]
        found.append(bench.augmented(best_of(found)))
        found.append(bench.self_trained(best_of(found)))
        best, few = best_of(found), first_renders(real // FINE_TUNED)
        tuned = bench.fine_tuned("g", f"(g) {best.title[:3]}, then {len(few)} renders", best, few)
        arms += [*found, tuned, *controls(bench, best, few, exact)]
    return arms


def folder_name(title: str) -> str:
    return re.sub(r"\W+", "-", title)


def controls(bench: Bench, best: Arm, few: Renders, exact: Renders) -> list[Arm]:
    """The renders of (g) alone, those of (a) at its rates, and fewer with and without its pairs."""
    fewer = first_renders(len(exact) // FEWER)
    return [
        bench.from_scratch("few", f"{len(few)} renders alone", few),
        bench.at_rates_of_g("few-as-g", f"{len(few)} renders at the rates of (g)", few),
        bench.at_rates_of_g("a-as-g", "(a) at the rates of (g)", exact),
        bench.fine_tuned("fewer", f"{best.title[:3]}, then {len(fewer)} renders", best, fewer),
        bench.at_rates_of_g("fewer-as-g", f"{len(fewer)} renders at the rates of (g)", fewer),
    ]


def first_renders(count: int, split: str = "train") -> Renders:
    return Renders.draw(max(1, count), split, FIRST_SEEDS[split])


def best_of(arms: list[Arm]) -> Arm:
    return max(arms, key=lambda arm: arm.validation)
