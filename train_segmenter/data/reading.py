"""Pairs read by threads before they are asked for, so that a model need not wait for files."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from train_segmenter.data.base import Sample, Source

THREADS = 4


def read_ahead(source: Source, indices: Iterable[int], ahead: int = 16) -> Iterator[Sample]:
    """The pairs in the order of their indices, with up to `ahead` of them read in advance."""
    waiting: deque[Future[Sample]] = deque()
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            for index in indices:
                waiting.append(pool.submit(source.__getitem__, index))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
