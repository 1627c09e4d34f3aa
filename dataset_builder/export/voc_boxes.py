"""VOC's XML: the size of a picture, and the class and the box of each object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from diffusers_attnmask.ground.instances import Instance

DEPTH = 3  # of the channels of a picture


def annotation(file_name: str, size: tuple[int, int], objects: Iterable[Instance]) -> bytes:
    """The XML of a picture of a size, height and width. VOC counts pixels from 1, and boxes to their last."""
    height, width = size
    root = Element("annotation")
    _told(root, {"folder": "VOC2012", "filename": file_name})
    _told(SubElement(root, "source"), {"database": "attnmask export"})
    _told(SubElement(root, "size"), {"width": width, "height": height, "depth": DEPTH})
    _told(root, {"segmented": 1})
    for own in objects:
        x, y, across, down = own.box
        at_edge = x == 0 or y == 0 or x + across == width or y + down == height
        entry = SubElement(root, "object")
        _told(entry, {"name": own.name, "pose": "Unspecified", "truncated": int(at_edge), "difficult": 0})
        box = {"xmin": x + 1, "ymin": y + 1, "xmax": x + across, "ymax": y + down}
        _told(SubElement(entry, "bndbox"), box)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8") + b"\n"


def _told(parent: Element, values: Mapping[str, object]) -> None:
    for name, value in values.items():
        SubElement(parent, name).text = str(value)
