"""Captions in natural variants: with and without colours, articles, place and "a photo of", in any order."""

from __future__ import annotations

import numpy as np

from tiny_world.scene import Scene

PLACES = {
    name: f"{'in' if name == 'snow' else 'on'} {name}"
    for name in ("grass", "sand", "water", "snow", "wood", "stone")
}


def with_article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def join_phrases(phrases: list[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"


def full_caption(scene: Scene) -> str:
    """Everything that a caption can say of a scene."""
    phrases = [with_article(f"{item.colour} {item.name}") for item in scene.items]
    return f"a photo of {join_phrases(phrases)} {PLACES[scene.background]}"


def draw_caption(rng: np.random.Generator, scene: Scene) -> str:
    items = [scene.items[i] for i in rng.permutation(len(scene.items))]
    if rng.random() < 0.2:
        return (", " if rng.random() < 0.5 else " ").join(item.name for item in items)
    coloured, with_articles = rng.random() < 0.75, rng.random() < 0.65
    phrases = [f"{item.colour} {item.name}" if coloured else item.name for item in items]
    if with_articles:
        phrases = [with_article(phrase) for phrase in phrases]
    subject = join_phrases(phrases)
    if len(phrases) == 2 and rng.random() < 0.2:
        subject = f"{phrases[0]} next to {phrases[1]}"
    if rng.random() < 0.5:
        subject = f"a photo of {subject}"
    place = PLACES[scene.background]
    draw = rng.random()
    if draw < 0.15:
        return f"{place}, {subject}"
    return f"{subject} {place}" if draw < 0.8 else subject
