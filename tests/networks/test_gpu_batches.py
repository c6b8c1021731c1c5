"""Batches that find their size: by what one input takes, and by halves where memory runs out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from speechclean.networks import gpu_batches
from speechclean.networks.gpu_batches import GpuBatches


class Work:
    """Doubles what it hears; a batch of more than `holds` finds no memory."""

    def __init__(self, holds: int = 10**6) -> None:
        self.holds = holds
        self.sizes: list[int] = []

    def __call__(self, heard: Tensor) -> Tensor:
        self.sizes.append(len(heard))
        if len(heard) > self.holds:
            raise torch.OutOfMemoryError("no memory")
        return 2 * heard


HEARD = torch.arange(33.0).reshape(11, 3)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> None:
    """A card with room for four inputs, by what the first one took."""
    monkeypatch.setattr(gpu_batches, "measurable", lambda _: True)
    monkeypatch.setattr(gpu_batches, "measured", lambda work, heard: (work(heard), 100))
    monkeypatch.setattr(gpu_batches, "free", lambda _: int(4.5 * 100 / gpu_batches.SHARE))


@pytest.mark.usefixtures("card")
def test_the_first_input_says_how_many_fit() -> None:
    work, batches = Work(), GpuBatches()
    assert torch.equal(batches.answer(work, HEARD), 2 * HEARD)
    assert work.sizes == [1, 4, 4, 2]
    work.sizes.clear()
    assert torch.equal(batches.answer(work, HEARD), 2 * HEARD)
    assert work.sizes == [4, 4, 3], "what is known is measured again"
    batches.answer(work, torch.zeros(3, 5))
    assert batches.limits.keys() == {3, 5}, "another length takes another amount"


@pytest.mark.usefixtures("card")
def test_memory_that_somebody_else_took_since() -> None:
    work, batches = Work(), GpuBatches()
    batches.answer(work, HEARD)
    work.holds = 2
    assert torch.equal(batches.answer(work, HEARD), 2 * HEARD)
    assert batches.limits[3] == 2


def test_a_device_that_cannot_be_measured_halves() -> None:
    work, batches = Work(holds=3), GpuBatches()
    assert torch.equal(batches.answer(work, HEARD), 2 * HEARD)
    assert work.sizes[:3] == [11, 5, 2]
    assert max(work.sizes[2:]) == 2
    assert batches.limits == {3: 2}


def test_one_input_that_does_not_fit_is_told() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        GpuBatches().answer(Work(holds=0), HEARD)


def test_a_cpu_takes_what_it_is_given() -> None:
    work = Work()
    GpuBatches().answer(work, HEARD)
    assert work.sizes == [11]
