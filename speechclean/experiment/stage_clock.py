"""How long each stage of the pipeline takes."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

from speechclean.system import parallel


@dataclass
class StageClock:
    """Seconds spent in each stage, by its name.

    The runs of one stage add up; files that run side by side share the time.
    """

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _lock: Lock = field(default_factory=Lock, repr=False)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Add the time that the block takes to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            passed = (time.perf_counter() - start) / parallel.beside()
            with self._lock:
                self.seconds[stage] += passed
