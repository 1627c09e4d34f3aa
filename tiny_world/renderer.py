"""From a seed to an image with its exact mask, and with the objects that the mask is made of."""

from __future__ import annotations

import numpy as np

from tiny_world.captions import draw_caption
from tiny_world.scene import CLASSES, COLOURS, SIZE, Item, Scene, draw_scene
from tiny_world.shapes import SHAPES, Parts, silhouette
from tiny_world.textures import BACKGROUNDS, X, Y, smooth_noise

SHADOW_SOFTNESS = 7.0  # pixels over which a shadow fades


def render(seed: int) -> tuple[np.ndarray, np.ndarray, str, list[str]]:
    """One scene: image uint8 (128, 128, 3), mask uint8 (128, 128) with 0 = background and ``i + 1`` =
    ``CLASSES[i]``, a caption, and the names of the classes in it, back to front.

    >>> image, mask, caption, names = render(0)
    >>> image.shape, mask.shape, sorted({CLASSES[i - 1] for i in set(mask.flat) - {0}}) == sorted(names)
    ((128, 128, 3), (128, 128), True)
    """
    image, mask, _, caption, names = render_objects(seed)
    return image, mask, caption, names


def render_objects(
    seed: int, twins: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray, str, list[str]]:
    """What ``render`` returns, with the objects themselves after the mask: uint16 (128, 128), ``i + 1`` where
    the ``i``-th of the names stands. With ``twins``, another scene, in which two objects are of one class.

    >>> _, mask, objects, _, names = render_objects(0, twins=True)
    >>> names[0] == names[1], len(names) == int(objects.max()), bool(((objects > 0) == (mask > 0)).all())
    (True, True, True)
    """
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed is a whole number, at least 0, not {seed!r}")
    rng = np.random.default_rng(seed)
    scene = draw_scene(rng, twins)
    image, objects = paint_objects(scene, rng)
    return (
        image,
        _classes_of(scene)[objects],
        objects,
        draw_caption(rng, scene),
        [item.name for item in scene.items],
    )


def paint(scene: Scene, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Image uint8 (SIZE, SIZE, 3) and mask uint8 (SIZE, SIZE) of a scene; ``rng`` draws the textures."""
    image, objects = paint_objects(scene, rng)
    return image, _classes_of(scene)[objects]


def _classes_of(scene: Scene) -> np.ndarray:
    """The class id of every object's number, uint8; 0 for none."""
    return np.array([0, *(CLASSES.index(item.name) + 1 for item in scene.items)], np.uint8)


def paint_objects(scene: Scene, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Image uint8 (SIZE, SIZE, 3) and, uint16 (SIZE, SIZE), the number of the object at each pixel."""
    fall_off = rng.uniform(0.05, 0.25)  # of the light across the frame
    canvas = BACKGROUNDS[scene.background](rng)
    objects = np.zeros((SIZE, SIZE), np.uint16)
    for _ in range(rng.integers(0, 3)):
        _scatter_pebble(canvas, rng)
    light_x, light_y = scene.light
    for number, item in enumerate(scene.items, start=1):
        u, v = _object_frame(item)
        parts = SHAPES[item.name][0](u, v)
        outline = silhouette(parts) * item.radius  # pixels
        _cast_shadow(canvas, outline, -light_x * 6, -light_y * 6)
        _lay_over(canvas, _coloured(parts, item, u, v, scene.light, rng), outline)
        objects[outline < 0] = number
    slope = (light_x * (X - SIZE / 2) + light_y * (Y - SIZE / 2)) / SIZE
    canvas *= (1 + fall_off * slope)[..., None]
    return np.clip(canvas + 0.5, 0, 255).astype(np.uint8), objects


def _object_frame(item: Item) -> tuple[np.ndarray, np.ndarray]:
    """Pixel centres in the object's own coordinates, two arrays (SIZE, SIZE)."""
    cos, sin = np.float32(np.cos(item.angle) / item.radius), np.float32(np.sin(item.angle) / item.radius)
    dx, dy = X - np.float32(item.cx), Y - np.float32(item.cy)
    u, v = cos * dx + sin * dy, cos * dy - sin * dx
    return (-u if item.mirrored else u), v


def _coloured(
    parts: Parts,
    item: Item,
    u: np.ndarray,
    v: np.ndarray,
    light: tuple[float, float],
    rng: np.random.Generator,
) -> np.ndarray:
    """The object's surface with its finish and shading, float32 (SIZE, SIZE, 3)."""
    hue = np.asarray(COLOURS[item.colour], np.float32) * rng.uniform(0.88, 1.08) + rng.uniform(-10, 10, 3)
    tone = np.zeros((SIZE, SIZE), np.float32)
    for distance, part_tone in parts:
        cover = np.clip(0.5 - distance * item.radius, 0, 1)
        tone += (part_tone - tone) * cover
    if item.finish == "mottled":
        tone += 0.14 * smooth_noise(rng, 9)
    elif item.finish == "striped":
        angle, pitch = rng.uniform(0, np.pi), rng.uniform(9, 15)
        tone += 0.10 * np.sin(pitch * (u * np.cos(angle) + v * np.sin(angle)))
    dx, dy = (X - item.cx) / item.radius, (Y - item.cy) / item.radius
    tone += 0.16 * (light[0] * dx + light[1] * dy)
    tone += 0.22 * np.exp(-((dx - 0.35 * light[0]) ** 2 + (dy - 0.35 * light[1]) ** 2) / 0.12)
    tone = np.clip(tone, -0.9, 0.9)[..., None]
    return hue * (1 - np.abs(tone)) + 255 * np.maximum(tone, 0)


def _cast_shadow(canvas: np.ndarray, outline: np.ndarray, dx: float, dy: float) -> None:
    rows = np.clip(np.arange(SIZE) - round(dy), 0, SIZE - 1)
    columns = np.clip(np.arange(SIZE) - round(dx), 0, SIZE - 1)
    moved = outline[rows][:, columns]
    cover = np.clip(0.5 - moved / (2 * SHADOW_SOFTNESS), 0, 1)
    canvas *= (1 - 0.5 * cover * cover * (3 - 2 * cover))[..., None]


def _lay_over(canvas: np.ndarray, surface: np.ndarray, outline: np.ndarray) -> None:
    cover = np.clip(0.5 - outline, 0, 1)[..., None]  # one pixel of anti-aliasing, half of it inside the mask
    canvas += (surface - canvas) * cover


def _scatter_pebble(canvas: np.ndarray, rng: np.random.Generator) -> None:
    """A distractor that is no class: a small dull oval."""
    cx, cy = rng.uniform(4, SIZE - 4, 2)
    a, b, angle = rng.uniform(4, 8), rng.uniform(3, 5), rng.uniform(0, np.pi)
    dx, dy = X - np.float32(cx), Y - np.float32(cy)
    u, v = np.cos(angle) * dx + np.sin(angle) * dy, np.cos(angle) * dy - np.sin(angle) * dx
    outline = (np.hypot(u / a, v / b) - 1) * b
    _cast_shadow(canvas, outline + 3, 1, 3)
    grey = np.asarray((112, 104, 98), np.float32) * rng.uniform(0.7, 1.3)
    _lay_over(canvas, grey * (1 - 0.03 * dy[..., None]), outline)
