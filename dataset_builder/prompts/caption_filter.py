"""Which captions describe a photograph with the class in its centre, as DiffuMask (ICCV 2023) sorts them."""

from __future__ import annotations

from collections.abc import Sequence

from dataset_builder.prompts.matching import Mention, split_words
from dataset_builder.vocabulary import Words
from diffusers_attnmask.ground.options import Count, Fault, OptionsError, Whole, options

# Words of stock pictures, drawings, and views in which the object is cut off.
BANNED = (
    *("vector", "stock", "3d", "cartoon", "clipart", "illustration", "blur", "blurred", "blurry"),
    *("interior", "close-up", "closeup", "headlight", "headlights"),
)


@options
class CaptionFilter:
    """Rules that captions must pass; without any, all do.

    banned: words and phrases that must not occur. class_within: a class must be named among so many first
    words. min_words, max_words: of the shortest caption and of the longest.
    """

    banned: Words = ()
    class_within: Count | None = None
    max_words: Count | None = None
    min_words: Whole = 1

    def __post_init__(self) -> None:
        if self.max_words is not None and self.max_words < self.min_words:
            least = f" must be at least min_words, {self.min_words}, not {self.max_words}"
            raise OptionsError([Fault("max_words", least)])

    def fault(self, text: str, mentions: Sequence[Mention]) -> str | None:
        """Why the caption is rejected, or None."""
        words = split_words(text)
        if self.max_words is not None and len(words) > self.max_words:
            return f"more than {self.max_words} words"
        if len(words) < self.min_words:
            return f"fewer than {self.min_words} words"
        spaced = f" {' '.join(words)} "
        for phrase in self.banned:
            if f" {' '.join(split_words(phrase))} " in spaced:
                return f"says {phrase!r}"
        if self.class_within is not None and not self.near(mentions):
            return f"names no class in its first {self.class_within} words"
        return None

    def near(self, mentions: Sequence[Mention]) -> list[str]:
        """The classes named early enough."""
        limit = self.class_within
        return [m.name for m in mentions if m.name is not None and (limit is None or m.place < limit)]


PUBLISHED = CaptionFilter(banned=BANNED, class_within=5, max_words=50)
