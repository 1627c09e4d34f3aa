"""Prompts by a language model as a source: written in one order, a batch after the other, as far as needed.

Which text is the n-th prompt of a class follows from options, vocabulary, seed and the model alone, and not
from how many are asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from random import Random

from dataset_builder.content_digest import content_digest
from dataset_builder.prompts.draws import generator
from dataset_builder.prompts.item import DrawnPrompt
from dataset_builder.prompts.language_model import LanguageModel
from dataset_builder.prompts.matching import Matcher, named_classes
from dataset_builder.prompts.options import TemplateOptions
from dataset_builder.prompts.orders import Order, drawn_order, read_answer
from dataset_builder.prompts.templates import TemplateSource
from dataset_builder.prompts.writer_options import WriterOptions
from dataset_builder.prompts.written_file import Written, WrittenFile
from dataset_builder.vocabulary import Vocabulary

ENDLESS = 2**31 - 1  # how many prompts of a class there are


@dataclass(frozen=True)
class WriterSource:
    """names: the classes, each of which has a prompt in every round. identity: of all that decides what is
    written. file: where prompts are kept."""

    options: WriterOptions
    vocabulary: Vocabulary
    names: tuple[str, ...]
    seed: int
    identity: str
    file: WrittenFile
    written: list[Written] = field(default_factory=list)

    @property
    def weight(self) -> float:
        return self.options.weight

    def amount(self, name: str) -> int:
        return ENDLESS if name in self.names else 0

    def draw(self, name: str, visit: int, key: Sequence[object], rng: Random) -> DrawnPrompt:
        """The prompt that was written for the class in the `visit`-th round."""
        place = visit * len(self.names) + self.names.index(name)
        if place >= len(self.written):
            self.write(place + 1)
        text = self.written[place].text
        return DrawnPrompt(text, named_classes(self.matcher.mentions(text)))

    def write(self, count: int) -> None:
        """As many prompts, at least, or those that another run wrote."""
        with self.file.held():
            self.written[:] = self.file.read()
            while len(self.written) < count:
                batch = self.batch(len(self.written))
                self.file.append(batch)
                self.written.extend(batch)

    def batch(self, first: int) -> list[Written]:
        """The prompts from place `first` on."""
        size = self.options.batch_size
        orders = {place: self.order(place) for place in range(first, first + size)}
        made = self.answered(orders)
        for place, order in orders.items():
            if place not in made:
                made[place] = self.instead(place, order)
        return [made[place] for place in orders]

    def answered(self, orders: Mapping[int, Order]) -> dict[int, Written]:
        """What the model wrote of some orders, each drawn until it is right."""
        said = {own.text.casefold() for own in self.written}
        made: dict[int, Written] = {}
        faults: dict[str, str] = {}  # by class, of its last draft
        for attempt in range(self.options.attempts):
            waiting = {place: order for place, order in orders.items() if place not in made}
            for place, text in self.drafts(waiting, attempt):
                name = orders[place].name
                if fault := self.fault(text, orders[place], said):
                    faults[name] = f"{text!r} {fault}"
                else:
                    said.add(text.casefold())
                    made[place] = Written(name, text)
        self.check_able([*self.written, *made.values()], faults)
        return made

    def drafts(self, orders: Mapping[int, Order], attempt: int) -> Iterator[tuple[int, str]]:
        """One text for each of the orders, which may be wrong."""
        if orders:
            requests = [order.request(self.options) for order in orders.values()]
            seed = generator(self.seed, "writer", min(orders), attempt).getrandbits(63)
            yield from zip(orders, self.model.answers(requests, seed), strict=True)

    def fault(self, text: str, order: Order, said: Collection[str]) -> str:
        """What is wrong with a draft, "" for nothing."""
        read = read_answer(text, order, self.options, self.matcher)
        if isinstance(read, str):
            return read
        return "was written before" if text.casefold() in said else ""

    def check_able(self, written: Sequence[Written], faults: Mapping[str, str]) -> None:
        """Raise where none of a class's drafts was right, then or ever before."""
        able = {own.name for own in written if own.by == "writer"}
        for name, fault in faults.items():
            if name not in able:
                raise ValueError(
                    f"{self.options.model} wrote no prompt for {name!r} in {self.options.attempts} attempts; "
                    f"the last one, {fault}: take another writer, or ask for less"
                )

    def order(self, place: int) -> Order:
        name = self.names[place % len(self.names)]
        return drawn_order(name, self.options, self.vocabulary, generator(self.seed, "order", place))

    def instead(self, place: int, order: Order) -> Written:
        """A template's prompt in place of one that the model did not find."""
        rng = generator(self.seed, "instead", place)
        drawn = self.templates.draw(order.name, place // len(self.names), (self.seed, "instead"), rng)
        return Written(order.name, drawn.text, "template")

    @cached_property
    def model(self) -> LanguageModel:
        return LanguageModel(self.options)

    @cached_property
    def matcher(self) -> Matcher:
        return Matcher(self.vocabulary)

    @cached_property
    def templates(self) -> TemplateSource:
        return TemplateSource(TemplateOptions(), self.vocabulary)


def writer_source(
    options: WriterOptions, vocabulary: Vocabulary, names: Sequence[str], seed: int, folder: Path | None
) -> WriterSource:
    """The prompts that options ask for, in a file of their own for whatever decides them."""
    model = Path(options.model)
    weights = content_digest(model) if model.is_dir() else options.revision
    deciding = (asdict(options), asdict(vocabulary), tuple(names), seed, weights)
    identity = sha256(repr(deciding).encode()).hexdigest()
    path = (folder or default_cache()) / f"prompts-{identity[:16]}.jsonl"
    return WriterSource(
        options, vocabulary, tuple(names), seed, identity, WrittenFile(path, options.batch_size)
    )


def default_cache() -> Path:
    from huggingface_hub.constants import HF_HOME

    return Path(HF_HOME) / "attnmask" / "prompts"
