"""Files that another tool cleaned: pairs are found, brought to one shape, and judged at one
level."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from speechclean.audio.sound_files import save
from speechclean.audio.waveform import Audio, AudioError, resample
from speechclean.experiment.already_cleaned import paired, read_pairs
from speechclean.stages.datasets import DatasetError
from speechclean.stages.datasets.cleaned import Cleaned
from tests.conftest import noise, tone


def test_pairs_by_relative_path_whatever_the_extension(tmp_path: Path) -> None:
    for place in (
        "in/a.wav",
        "in/deep/b.flac",
        "out/a.flac",
        "out/deep/b.wav",
        "out/more.wav",
        "ref/a.wav",
    ):
        save(noise(0.1), tmp_path / place)
    tracks = Cleaned(str(tmp_path / "in"), str(tmp_path / "out"), str(tmp_path / "ref")).tracks()
    assert [
        (
            track.alias,
            track.cleaned_path and track.cleaned_path.name,
            track.reference_path is not None,
        )
        for track in tracks
    ] == [
        ("a", "a.flac", True),
        ("deep__b", "b.wav", False),
    ]
    (tmp_path / "out" / "a.flac").unlink()
    with pytest.raises(DatasetError, match="no cleaned file for a;"):
        Cleaned(str(tmp_path / "in"), str(tmp_path / "out")).tracks()
    with pytest.raises(DatasetError, match="no such folder"):
        Cleaned(str(tmp_path / "in"), str(tmp_path / "nix")).tracks()
    (tmp_path / "set.csv").write_text(
        "path,cleaned,transcript\nin/a.wav,out/more.wav,words\nin/deep/b.flac,,\n"
    )
    with pytest.raises(DatasetError, match="column 'cleaned' for b"):
        Cleaned(path=str(tmp_path / "set.csv")).tracks()
    with pytest.raises(ValueError, match="give a table, or two folders"):
        Cleaned(mixtures="in")


@pytest.mark.parametrize("level", [0.25, 1.0, 3.0])
def test_the_voices_level_is_told_from_the_music_beside_it(level: float) -> None:
    voice, music = tone(300, level=0.3), tone(1100, level=0.2)
    mixture = voice.with_waveform(voice.waveform + music.waveform)
    made = paired(mixture, voice.with_waveform(level * voice.waveform))
    assert made.gain == pytest.approx(level, rel=1e-3)
    assert torch.allclose(made.residual.waveform, music.waveform, atol=1e-3)
    assert 0 <= float(made.mask.min()) <= float(made.mask.max()) <= 1


def test_rate_channels_and_a_coders_delay_are_brought_into_one_shape() -> None:
    mixture = noise(0.5, 48000, channels=2)
    made = paired(mixture, resample(mixture.mono(), 16000, 8010))
    assert (made.speech.sample_rate, made.speech.samples, made.mixture.channels) == (
        48000,
        24000,
        1,
    )
    assert paired(mixture, Audio(torch.zeros(2, 24000), 48000)).gain == 1
    with pytest.raises(AudioError, match=r"lasts 0.200 s and the mixture 0.500 s"):
        paired(mixture, noise(0.2, 48000, channels=2))


def test_one_bad_pair_does_not_take_the_rest_down(tmp_path: Path) -> None:
    save(noise(0.3), tmp_path / "in" / "a.wav")
    save(noise(0.3), tmp_path / "in" / "b.wav")
    save(noise(0.3), tmp_path / "out" / "a.wav")
    (tmp_path / "out" / "b.wav").write_text("no sound")
    found = list(read_pairs(Cleaned(str(tmp_path / "in"), str(tmp_path / "out")).tracks()))
    assert found[0].separation is not None
    assert "b.wav" in found[1].reason
    assert replace(found[1], reason="").separation is None
