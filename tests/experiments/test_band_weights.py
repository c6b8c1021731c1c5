"""Weights by band: the fit finds those that were put in, and keeps the voice where asked to."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from experiments.tuning.band_weights import LEAST, Heard, fitted

TOP_HZ = 8000.0


def masks(seed: int = 0) -> Tensor:
    return torch.rand(3, 81, 200, generator=torch.Generator().manual_seed(seed))


def known(below: list[float], above: list[float]) -> Heard:
    """A voice whose mask is one mean of the separators' below 2 kHz and another one from there."""
    given = masks()
    low, high = ((torch.tensor(one)[:, None, None] * given).sum(0) for one in (below, above))
    hz = torch.linspace(0, TOP_HZ, 81)[:, None]
    return Heard(given, torch.where(hz < 2000, low, high), torch.ones(81, 200), TOP_HZ)


def test_each_band_has_the_weights_that_were_put_in() -> None:
    heard = [known([0.7, 0.2, 0.1], [0.1, 0.3, 0.6])]
    assert fitted(heard, 0, 2000, 1.0) == pytest.approx([0.7, 0.2, 0.1], abs=1e-3)
    assert fitted(heard, 2000, math.inf, 1.0) == pytest.approx([0.1, 0.3, 0.6], abs=1e-3)


def test_no_separator_falls_below_the_least_weight_and_all_sum_to_one() -> None:
    given = masks()
    heard = [Heard(given, given[1], torch.ones(81, 200), TOP_HZ)]
    weights = fitted(heard, 0, math.inf, 1.0)
    assert weights == pytest.approx([LEAST, 1 - 2 * LEAST, LEAST], abs=1e-4)


def test_bins_that_count_nothing_have_no_say() -> None:
    given, wanted, counted = masks(), masks()[0].clone(), torch.ones(81, 200)
    wanted[:, 100:] = given[2, :, 100:]
    counted[:, 100:] = 0
    weights = fitted([Heard(given, wanted, counted, TOP_HZ)], 0, math.inf, 1.0)
    assert weights[0] == pytest.approx(1 - 2 * LEAST, abs=1e-4)


def test_taking_voice_off_can_count_more() -> None:
    """Of two separators that are wrong by as much, the one that keeps the voice has more weight."""
    voice = torch.full((81, 200), 0.5)
    deaf, mild = voice - 0.3, voice + 0.3
    # Where either is right by chance the mean has something to lose.
    noise = 0.2 * torch.randn(2, 81, 200, generator=torch.Generator().manual_seed(1))
    heard = [Heard(torch.stack([deaf, mild]) + noise, voice, torch.ones(81, 200), TOP_HZ)]
    even, keeping = fitted(heard, 0, math.inf, 1.0), fitted(heard, 0, math.inf, 4.0)
    assert even[1] == pytest.approx(0.5, abs=0.02)
    assert keeping[1] > even[1] + 0.05
