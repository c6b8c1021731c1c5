"""SDR, SI-SIR and SI-SAR against least squares in numpy, against fast_bss_eval, and against
constructions by hand."""

from __future__ import annotations

import math
from typing import Any

import fast_bss_eval
import numpy as np
import pytest
import torch

from speechclean.audio.waveform import Audio
from speechclean.stages.metrics.sdr import Sdr
from speechclean.stages.metrics.si_sar import SiSar
from speechclean.stages.metrics.si_sdr import SiSdr
from speechclean.stages.metrics.si_sir import SiSir
from tests.support.values import number


def tones(*levels_db: float) -> list[torch.Tensor]:
    """Sines of whole periods, at right angles to one another, at these levels: `[1, 16000]`
    each."""
    time = torch.arange(16000.0, dtype=torch.float64) / 16000
    return [
        (0.3 * 10 ** (db / 20) * torch.sin(2 * torch.pi * (200 + 150 * k) * time)).float()[None]
        for k, db in enumerate(levels_db)
    ]


def by_least_squares(estimate: torch.Tensor, reference: torch.Tensor, taps: int) -> float:
    """SDR with the filter solved for directly: the reference's delayed copies as columns."""
    s, e = (x[0].double().numpy() - x[0].double().numpy().mean() for x in (reference, estimate))
    padded = np.concatenate([s, np.zeros(taps - 1)])
    columns = np.stack([np.roll(padded, delay) for delay in range(taps)], 1)
    e = np.concatenate([e, np.zeros(taps - 1)])
    target = columns @ np.linalg.lstsq(columns, e, rcond=None)[0]
    return 10 * math.log10((target**2).sum() / ((e - target) ** 2).sum())


@pytest.mark.parametrize("taps", [1, 16, 64])
def test_sdr_agrees_with_least_squares(separation: Any, track: Any, noise: Any, taps: int) -> None:
    reference = noise(samples=4000, seed=1)
    estimate = 0.7 * torch.roll(reference, 3, -1) + 0.2 * noise(samples=4000, seed=2)
    value = Sdr(taps=taps)(separation(estimate), track(Audio(reference, 16000)))
    assert value == pytest.approx(by_least_squares(estimate, reference, taps), abs=0.02)


def test_sdr_forgives_a_filter_that_si_sdr_does_not(
    separation: Any, track: Any, noise: Any
) -> None:
    reference, judged = noise(), separation(torch.roll(noise(), 5, -1))
    assert number(SiSdr()(judged, track(Audio(reference, 16000)))) < 0
    assert number(Sdr()(judged, track(Audio(reference, 16000)))) > 30


def test_sdr_at_its_ends(separation: Any, track: Any, noise: Any) -> None:
    reference = track(Audio(noise(2), 16000))
    assert Sdr()(separation(torch.zeros(2, 16000)), reference) == -100
    assert number(Sdr()(separation(noise(2)), reference)) > 90
    one_silent = noise(2) * torch.tensor([[1.0], [0.0]])
    assert Sdr()(
        separation(one_silent + 0.1 * noise(2, seed=3)), track(Audio(one_silent, 16000))
    ) == pytest.approx(20, abs=0.5)
    assert Sdr()(separation(noise(samples=500)), track(Audio(noise(samples=500), 16000))) is None


@pytest.mark.parametrize(("music_db", "damage_db"), [(-10.0, -20.0), (-30.0, -6.0), (0.0, 0.0)])
def test_what_is_left_and_what_is_broken_are_told_apart(
    separation: Any, track: Any, music_db: float, damage_db: float
) -> None:
    """Voice, music and something that is in neither, at right angles: each ratio is the level that
    was put in."""
    voice, music, damage = tones(0, 0, damage_db)
    left = 10 ** (music_db / 20)
    judged = separation(2.5 * (voice + left * music + damage), mixture=voice + music)
    clean = track(Audio(voice, 16000))
    assert SiSir()(judged, clean) == pytest.approx(-music_db, abs=0.01)
    whole = 10 * math.log10(1 + left**2) - damage_db
    assert SiSar()(judged, clean) == pytest.approx(whole, abs=0.01)


def test_split_agrees_with_fast_bss_eval(separation: Any, track: Any, noise: Any) -> None:
    voice, music = noise(seed=1), noise(seed=2) + 0.4 * noise(seed=1)
    estimate = voice + 0.3 * music + 0.1 * noise(seed=3)
    both = torch.cat([voice, music]).double()
    answers = torch.cat([estimate, music]).double()
    _, sir, sar, _ = fast_bss_eval.si_bss_eval_sources(
        both, answers, zero_mean=True, compute_permutation=True
    )
    judged = separation(estimate, mixture=voice + music)
    clean = track(Audio(voice, 16000))
    assert SiSir()(judged, clean) == pytest.approx(float(sir[0]), abs=0.01)
    assert SiSar()(judged, clean) == pytest.approx(float(sar[0]), abs=0.01)


def test_the_mixture_has_no_artefacts_and_a_clean_one_no_music(
    separation: Any, track: Any, noise: Any
) -> None:
    voice, music = noise(seed=1), noise(seed=2)
    judged = separation(voice + music)
    assert number(SiSar()(judged, track(Audio(voice, 16000)))) > 60
    assert SiSir()(separation(voice), track(Audio(voice, 16000))) is None
    assert SiSar()(separation(voice), track(Audio(voice, 16000))) is None
    muted = separation(torch.zeros(1, 16000), mixture=voice + music)
    assert SiSir()(muted, track(Audio(voice, 16000))) == -100


@pytest.mark.parametrize("metric", [Sdr, SiSir, SiSar])
def test_bad_arguments(metric: type) -> None:
    with pytest.raises(ValueError, match="cap_db must be a positive number"):
        metric(cap_db=-1)
    with pytest.raises(ValueError, match="taps must be at least 1"):
        Sdr(taps=0)
