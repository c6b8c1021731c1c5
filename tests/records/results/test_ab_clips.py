"""Snippets compare like with like: the same stretch, the voice at one level, sums that still hold,
and no clicks."""

import math
from pathlib import Path

import pytest
import soundfile
import torch

from speechclean.audio.sound_files import load
from speechclean.audio.waveform import Audio
from speechclean.records.results.ab_clips import (
    HIGHEST_PEAK,
    MIXTURE_PEAK,
    most_music,
    write_snippets,
)
from speechclean.stages.types import Separation

RATE = 16000
LSB = 1 / 32768


def tone(
    seconds: float,
    hz: float = 440.0,
    amplitude: float = 0.1,
    rate: int = RATE,
    channels: int = 1,
) -> torch.Tensor:
    t = torch.arange(round(seconds * rate)) / rate
    return (amplitude * torch.sin(2 * math.pi * hz * t)).expand(channels, -1).clone()


def separation(
    speech: torch.Tensor, music: torch.Tensor, gain: float = 1.0, rate: int = RATE
) -> Separation:
    mixture = speech + music
    return Separation(
        Audio(mixture, rate), Audio(speech * gain, rate), torch.ones(mixture.shape[0], 3, 3), gain
    )


def music_at(second: float, seconds: float = 20.0, length: float = 4.0) -> torch.Tensor:
    music = torch.zeros(1, round(seconds * RATE))
    start = round(second * RATE)
    music[:, start : start + round(length * RATE)] = tone(length, 900.0, 0.3)
    return music


def written(paths: list[Path]) -> dict[str, torch.Tensor]:
    return {path.stem.rpartition("_")[2]: load(path).waveform for path in paths}


def test_the_stretch_with_most_music_is_chosen(tmp_path: Path) -> None:
    paths = write_snippets(
        separation(tone(20.0), music_at(11.0)), "a__ü", tmp_path / "ab", seconds=4.0
    )
    assert [path.name for path in paths] == [
        "a__ü_mixture.flac",
        "a__ü_cleaned.flac",
        "a__ü_residual.flac",
    ]
    found = written(paths)
    assert all(waveform.shape == (1, 4 * RATE) for waveform in found.values())
    power = found["residual"].square().mean()
    alone = write_snippets(
        separation(tone(4.0), music_at(0.0, 4.0)), "alone", tmp_path, seconds=4.0
    )
    torch.testing.assert_close(power, written(alone)["residual"].square().mean(), rtol=0.01, atol=0)


def test_runs_that_differ_a_little_show_the_same_stretch() -> None:
    generator = torch.Generator().manual_seed(0)
    music = music_at(11.2)
    other = music + 0.02 * torch.randn(music.shape, generator=generator)
    assert most_music(Audio(music, RATE), 4.0) == most_music(Audio(other, RATE), 4.0)


def test_the_voice_has_one_level_and_the_sum_holds_whatever_loudness_did(tmp_path: Path) -> None:
    speech, music = tone(3.0), tone(3.0, 900.0, 0.2)
    plain = written(write_snippets(separation(speech, music), "plain", tmp_path))
    louder = written(write_snippets(separation(speech, music, gain=7.9), "louder", tmp_path))
    for name in plain:
        torch.testing.assert_close(plain[name], louder[name], rtol=0, atol=1.01 * LSB)
    torch.testing.assert_close(
        plain["cleaned"] + plain["residual"], plain["mixture"], rtol=0, atol=2 * LSB
    )
    ratio = plain["cleaned"].square().mean().sqrt() / plain["residual"].square().mean().sqrt()
    assert float(ratio) == pytest.approx(0.5, rel=1e-3), "the residual keeps its true level"


@pytest.mark.parametrize("level", [1e-4, 0.1, 8.0])
def test_quiet_and_too_loud_sounds_come_out_well_and_never_clip(
    tmp_path: Path, level: float
) -> None:
    found = written(
        write_snippets(
            separation(tone(1.0, amplitude=level), tone(1.0, 900.0, level)), "x", tmp_path
        )
    )
    assert float(found["mixture"].abs().max()) == pytest.approx(MIXTURE_PEAK, abs=2 * LSB)


def test_a_part_louder_than_the_mixture_lowers_all_three(tmp_path: Path) -> None:
    speech = tone(1.0, amplitude=0.5)
    found = written(write_snippets(separation(speech, -0.9 * speech), "x", tmp_path))
    assert float(found["cleaned"].abs().max()) == pytest.approx(HIGHEST_PEAK, abs=2 * LSB)
    torch.testing.assert_close(
        found["cleaned"] + found["residual"], found["mixture"], rtol=0, atol=2 * LSB
    )


def test_ends_are_faded(tmp_path: Path) -> None:
    found = written(
        write_snippets(separation(torch.full((1, RATE), 0.5), tone(1.0)), "x", tmp_path)
    )
    assert abs(float(found["cleaned"][0, 0])) < 1e-3
    assert abs(float(found["cleaned"][0, -1])) < 1e-3
    assert float(found["cleaned"][0, RATE // 2]) > 0.3


def test_silence_stays_silence(tmp_path: Path) -> None:
    found = written(
        write_snippets(separation(torch.zeros(2, RATE), torch.zeros(2, RATE)), "x", tmp_path)
    )
    assert all(not waveform.any() for waveform in found.values())


@pytest.mark.parametrize("channels", [1, 2, 6, 8, 9, 12])
@pytest.mark.parametrize("rate", [8000, 44100, 48000, 96001, 192000])
def test_what_flac_cannot_hold_is_brought_into_its_limits(
    tmp_path: Path, channels: int, rate: int
) -> None:
    speech = tone(0.3, channels=channels, rate=rate)
    for path in write_snippets(separation(speech, 0.5 * speech, rate=rate), "x", tmp_path):
        info = soundfile.info(path)
        assert (info.format, info.subtype) == ("FLAC", "PCM_16")
        assert info.channels == (channels if channels <= 8 else 1)
        assert info.samplerate == min(rate, 48000)
        assert info.duration == pytest.approx(0.3, abs=1e-3)


@pytest.mark.parametrize("samples", [1, 2, 61, 1600])
def test_very_short_sounds_are_kept_whole(tmp_path: Path, samples: int) -> None:
    speech = tone(0.2)[:, :samples]
    for path in write_snippets(separation(speech, speech), "x", tmp_path):
        assert soundfile.info(path).frames == samples


def test_nothing_is_written_into(tmp_path: Path) -> None:
    given = separation(tone(1.0), tone(1.0, 900.0))
    before = given.mixture.waveform.clone(), given.speech.waveform.clone()
    write_snippets(given, "x", tmp_path)
    assert torch.equal(given.mixture.waveform, before[0])
    assert torch.equal(given.speech.waveform, before[1])
