"""What docstrings say of options, key by key."""

from diffusers_attnmask.ground.option_words import words_of


class Oven:
    """An oven.

    heat: in degrees (low: 150). fan and light: whether they are on. Note: this is no option.

    door, lid: open or shut.
    """

    heat: int
    fan: bool
    light: bool
    door: str
    lid: str


class Grill(Oven):
    """heat: of the coils. spit: how
    fast it turns.
    """

    spit: float


def test_each_option_gets_the_words_after_its_name():
    assert words_of(Oven) == {
        "heat": "in degrees (low: 150).",
        "fan": "whether they are on. Note: this is no option.",
        "light": "whether they are on. Note: this is no option.",
        "door": "open or shut.",
        "lid": "open or shut.",
    }


def test_an_heir_adds_to_what_it_inherits():
    assert words_of(Grill) == {**words_of(Oven), "heat": "of the coils.", "spit": "how fast it turns."}
