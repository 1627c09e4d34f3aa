"""The combinations that the contract's tests run are few, fixed, and leave no pair of values out."""

from itertools import combinations, product

import pytest

from tests.pairwise import pairwise

SWITCHES = {
    "small": {"a": (1, 2), "b": (1, 2), "c": (1, 2)},
    "uneven": {"long": range(7), "short": "xy", "longer": range(9), "one": [None]},
    "many": {f"switch {i}": range(2 + i % 3) for i in range(10)},
}


@pytest.mark.parametrize("switches", SWITCHES.values(), ids=SWITCHES)
def test_every_two_values_of_two_switches_meet(switches):
    found = pairwise(switches)
    for one, other in combinations(switches, 2):
        assert {(row[one], row[other]) for row in found} == set(product(switches[one], switches[other]))


@pytest.mark.parametrize(("name", "most"), [("small", 4), ("uneven", 63), ("many", 24)])
def test_they_are_few(name, most):
    """At least as many as the two longest switches have pairs, here 4, 63 and 16."""
    assert len(pairwise(SWITCHES[name])) <= most


def test_they_are_the_same_every_time():
    rows = [tuple(row.values()) for row in pairwise(SWITCHES["small"])]
    assert rows == [(1, 1, 1), (1, 2, 2), (2, 1, 2), (2, 2, 1)]


def test_every_combination_names_every_switch_in_the_given_order():
    assert all(list(row) == list(SWITCHES["many"]) for row in pairwise(SWITCHES["many"]))
