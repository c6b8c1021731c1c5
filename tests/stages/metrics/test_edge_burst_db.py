"""Bursts of music at the ends: found where a network leaves one, and in nothing that was there."""

from __future__ import annotations

import csv
from typing import Any

import pytest
import torch
from torch import Tensor

from speechclean.audio.sound_files import load
from speechclean.audio.waveform import Audio, resample
from speechclean.stages.metrics import edge_burst_db
from speechclean.stages.metrics.edge_burst_db import EdgeBurst
from tests.stages.metrics.conftest import PILOT

RATE, EDGE = 16000, 960
MUSIC, LEFT = 0.1, 0.001  # music, and what is left of it: 40 dB less


@pytest.fixture
def voice() -> Tensor:
    """2 s of somebody speaking, at 16 kHz, `[1, samples]`."""
    with (PILOT / "manifest.csv").open(newline="") as file:
        row = next(csv.DictReader(file))
    spoken = resample(load(PILOT / row["reference"]).mono(), RATE).waveform
    loudest = int(spoken.square().unfold(-1, 2 * RATE, 800).sum(-1).argmax()) * 800
    found = spoken[:, loudest : loudest + 2 * RATE]
    return found * (0.1 / found.std())


def steady(seconds: float) -> Tensor:
    return torch.randn(1, round(seconds * RATE), generator=torch.Generator().manual_seed(1))


def mixed(voice: Tensor, lead_s: float = 1.0, tail_s: float = 1.0) -> tuple[Tensor, Tensor]:
    """The voice between pauses, and under music."""
    pauses = [torch.zeros(1, round(seconds * RATE)) for seconds in (lead_s, tail_s)]
    clean = torch.cat([pauses[0], voice, pauses[1]], -1)
    return clean, clean + MUSIC * steady(clean.shape[-1] / RATE)


def cleaned(clean: Tensor, rise_db: float = 0.0, end: str = "end") -> Tensor:
    """The voice with 40 dB less music, which rises at an end."""
    gain = torch.full_like(clean, LEFT)
    gain[:, slice(-EDGE, None) if end == "end" else slice(EDGE)] *= 10 ** (rise_db / 20)
    return clean + gain * steady(clean.shape[-1] / RATE)


@pytest.mark.parametrize("end", ["end", "beginning"])
@pytest.mark.parametrize("rise_db", [0.0, 15.0, 30.0])
@pytest.mark.parametrize("with_reference", [True, False])
def test_a_burst_by_hand(
    separation: Any, track: Any, voice: Tensor, rise_db: float, end: str, with_reference: bool
) -> None:
    clean, mixture = mixed(voice)
    mask = (clean.abs().max() > 0) * torch.ones(1, 257, 1)
    judged = separation(cleaned(clean, rise_db, end), mixture=mixture, mask=None)
    known = track(Audio(clean, RATE)) if with_reference else track()
    if not with_reference:  # under a mask of ones the detector hears the mixture itself
        judged = separation(
            cleaned(clean, rise_db, end), mixture=mixture, mask=oracle(clean, mixture)
        )
    assert mask.any()
    assert EdgeBurst()(judged, known) == pytest.approx(
        rise_db if rise_db else 0, abs=1.0 if rise_db else 0.8
    )
    assert EdgeBurst()(judged.before(), known) == pytest.approx(0, abs=1e-9)


def oracle(clean: Tensor, mixture: Tensor) -> Tensor:
    from speechclean.audio.stft import ratio_mask, stft

    return ratio_mask(stft(clean, 512), stft(mixture - clean, 512))


def test_what_nobody_hears_is_no_burst(separation: Any, track: Any, voice: Tensor) -> None:
    clean, mixture = mixed(voice)
    quiet = separation(clean + 1e-2 * (cleaned(clean, 30.0) - clean), mixture=mixture)
    known = track(Audio(clean, RATE))
    assert EdgeBurst()(quiet, known) == 0
    heard = EdgeBurst(least_dbfs=-90)(quiet, known)
    assert heard is not None
    assert heard > 25


def test_silence_before_a_burst_reads_a_number(separation: Any, track: Any, voice: Tensor) -> None:
    clean, mixture = mixed(voice)
    speech = clean.clone()
    speech[:, -EDGE:] += 0.01 * steady(EDGE / RATE)
    value = EdgeBurst()(separation(speech, mixture=mixture), track(Audio(clean, RATE)))
    assert value == pytest.approx(60, abs=1), "-40 dBFS over what 16 bits do not hold"


def test_music_that_ends_on_a_beat_is_no_burst(separation: Any, track: Any, voice: Tensor) -> None:
    clean, mixture = mixed(voice)
    beat = mixture.clone()
    beat[:, -EDGE:] *= 10
    value = EdgeBurst()(separation(cleaned(clean, 20.0), mixture=beat), track(Audio(clean, RATE)))
    assert value == pytest.approx(0, abs=1)


@pytest.mark.parametrize(("lead_s", "tail_s"), [(0.0, 0.0), (0.3, 0.4)])
def test_speech_that_breaks_off_is_no_burst(
    separation: Any, track: Any, voice: Tensor, lead_s: float, tail_s: float
) -> None:
    """Neither end is of music alone: no number."""
    clean, mixture = mixed(voice, lead_s, tail_s)
    louder = cleaned(clean, 30.0)
    for known in (track(Audio(clean, RATE)), track()):
        mask = oracle(clean, mixture)
        assert EdgeBurst()(separation(louder, mixture=mixture, mask=mask), known) is None


def test_a_word_that_the_cut_leaves_60_ms_of(separation: Any, track: Any, voice: Tensor) -> None:
    """Too short for any detector: the reference has it too, so that it is no burst."""
    clean, mixture = mixed(voice)
    word = 0.1 * steady(EDGE / RATE)
    for sound in (clean, mixture):
        sound[:, -EDGE:] += word
    value = EdgeBurst()(separation(cleaned(clean), mixture=mixture), track(Audio(clean, RATE)))
    assert value is not None
    assert value < 1


def test_clean_speech_has_none(separation: Any, track: Any, voice: Tensor) -> None:
    clean, _ = mixed(voice)
    breath = clean + 2e-3 * steady(clean.shape[-1] / RATE)
    assert EdgeBurst()(separation(breath), track()) == 0
    assert EdgeBurst()(separation(clean), track()) is None, "silence at the ends is no music"


@pytest.mark.parametrize("samples", [1, 100, round(0.5 * RATE)])
def test_too_short_to_tell(separation: Any, track: Any, samples: int) -> None:
    assert EdgeBurst()(separation(0.1 * steady(samples / RATE)), track()) is None


def test_all_channels_count(separation: Any, track: Any, voice: Tensor) -> None:
    clean, mixture = (sound.repeat(2, 1) for sound in mixed(voice))
    speech = cleaned(clean[:1]).repeat(2, 1)
    speech[1] = cleaned(clean[:1], 20.0)
    value = EdgeBurst()(separation(speech, mixture=mixture), track(Audio(clean, RATE)))
    assert value == pytest.approx(17, abs=1)  # half the power


@pytest.mark.parametrize(
    "wrong", [{"edge_s": 0.0}, {"beside_s": -1.0}, {"guard_s": -0.1}, {"least_dbfs": 3.0}]
)
def test_bad_arguments(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        EdgeBurst(**wrong)
    assert edge_burst_db.SILENT_DBFS == -100
