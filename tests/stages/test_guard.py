"""The guard: the most cleaned speech that does no harm, or the mixture itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from speechclean.stages.guard import Fallback, NoGuard
from speechclean.stages.types import Separation
from tests.conftest import noise


@pytest.fixture
def separation() -> Separation:
    mixture = noise(0.2)
    made = Separation(
        mixture, mixture.with_waveform(0.5 * mixture.waveform * 2.0), torch.ones(1, 3, 1)
    )
    return replace(made, gain=2.0)


def share(kept: Separation, made: Separation) -> float:
    """How much of the mixture's voice the cleaned speech has lost, against what the guard was
    given."""
    dry = made.mixture.waveform * made.gain
    return float(((dry - kept.speech.waveform) / (dry - made.speech.waveform)).mean())


@pytest.mark.parametrize(
    ("harmless_below", "expected"), [(2.0, 1.0), (0.8, 0.7), (0.5, 0.4), (0.1, 0.0)]
)
def test_lowers_the_wet_mix_until_no_harm_is_found(
    separation: Separation, harmless_below: float, expected: float
) -> None:
    kept, wet = Fallback()(separation, lambda one: share(one, separation) > harmless_below)
    assert wet == expected
    if wet:
        assert share(kept, separation) == pytest.approx(wet, abs=1e-3)
        assert kept.gain == separation.gain
    else:
        assert torch.equal(kept.speech.waveform, separation.mixture.waveform), "sample by sample"


def test_no_guard_asks_nothing(separation: Separation) -> None:
    def asked(_: Separation) -> bool:
        raise AssertionError

    assert NoGuard()(separation, asked) == (separation, 1.0)


@pytest.mark.parametrize("wets", [[0.4, 0.7], [1.0], [0.0], [0.5, 0.5, -1]])
def test_bad_arguments(wets: list[float]) -> None:
    with pytest.raises(ValueError, match="must fall and lie between 0 and 1"):
        Fallback(wets)
