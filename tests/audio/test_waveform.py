"""Files in and out: what is kept, what is refused, and that nothing half-written stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from speechclean.audio.sound_files import load, probe, save
from speechclean.audio.waveform import Audio, AudioError, resample
from tests.conftest import level_db, noise, tone


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize(("channels", "rate"), [(1, 8000), (2, 44100), (8, 192000)])
def test_wav_comes_back_as_it_was(tmp_path: Path, subtype: str, channels: int, rate: int) -> None:
    audio = noise(0.1, rate, channels=channels)
    path = save(audio, tmp_path / "音 1.wav", subtype)
    info = probe(path)
    assert (info.sample_rate, info.channels, info.samples, info.output_subtype) == (
        rate,
        channels,
        audio.samples,
        subtype,
    )
    error = (load(path).waveform - audio.waveform).abs().max().item()
    assert error <= {"PCM_16": 2**-16, "PCM_24": 2**-24, "FLOAT": 0}[subtype] * 1.01


def test_a_wav_of_floats_does_not_say_when_it_was_written(tmp_path: Path) -> None:
    """The same sound gives the same bytes; libsndfile puts the time into the PEAK chunk."""
    written = save(noise(0.1), tmp_path / "x.wav", "FLOAT").read_bytes()
    _, found, chunk = written.partition(b"PEAK")
    assert found
    version, time = chunk[4:8], chunk[8:12]  # after the length
    assert int.from_bytes(version, "little") == 1
    assert time == bytes(4)


@pytest.mark.parametrize(
    ("suffix", "subtype"), [(".flac", "PCM_24"), (".ogg", "VORBIS"), (".mp3", "MPEG_LAYER_III")]
)
def test_compressed_formats_are_read(tmp_path: Path, suffix: str, subtype: str) -> None:
    sound = tone(440, 1.0, 44100)
    soundfile.write(tmp_path / f"x{suffix}", sound.waveform.T.numpy(), 44100, subtype=subtype)
    audio = load(tmp_path / f"x{suffix}")
    assert audio.sample_rate == 44100
    assert abs(level_db(audio.waveform) - level_db(sound.waveform)) < 0.5
    assert probe(tmp_path / f"x{suffix}").output_subtype == (
        "PCM_24" if suffix == ".flac" else "PCM_16"
    )


def test_bad_files_are_named_with_the_reason(tmp_path: Path) -> None:
    whole = save(noise(1.0, 16000), tmp_path / "whole.wav").read_bytes()
    nan = np.zeros(100, np.float32)
    nan[40] = np.nan
    soundfile.write(tmp_path / "nan.wav", nan, 1000, subtype="FLOAT")
    soundfile.write(tmp_path / "header.wav", np.zeros(0), 16000)
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_text("not sound at all, but long enough to be looked at " * 9)
    (tmp_path / "truncated.wav").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "folder.wav").mkdir()
    reasons = {
        "nan": "NaN or infinity \\(first at 0.040 s\\)",
        "header": "without any samples",
        "empty": "empty",
        "text": "not a sound file",
        "truncated": "truncated, its header promises 16",
        "folder": "not a regular file",
        "missing": "no such file",
    }
    for name, reason in reasons.items():
        with pytest.raises(AudioError, match=reason) as raised:
            load(tmp_path / f"{name}.wav")
        assert f"{name}.wav" in str(raised.value)


def test_truncated_flac_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.flac", noise(2.0, 16000).waveform.T.numpy(), 16000)
    (tmp_path / "x.flac").write_bytes((tmp_path / "x.flac").read_bytes()[:20000])
    with pytest.raises(AudioError, match=r"truncated|breaks off"):
        load(tmp_path / "x.flac")


@pytest.mark.parametrize("length", [0x7FFFFFFF, 0xFFFFFFFF])
def test_streamed_wav_with_an_open_length_is_read(tmp_path: Path, length: int) -> None:
    whole = bytearray(save(noise(0.5, 16000), tmp_path / "x.wav").read_bytes())
    at = whole.index(b"data") + 4
    whole[at : at + 4] = length.to_bytes(4, "little")
    (tmp_path / "x.wav").write_bytes(bytes(whole))
    assert load(tmp_path / "x.wav").samples == 8000


def test_nan_is_not_written_and_leaves_nothing(tmp_path: Path) -> None:
    bad = Audio(torch.full((1, 10), float("nan")), 8000)
    with pytest.raises(AudioError, match="NaN"):
        save(bad, tmp_path / "x.wav")
    with pytest.raises(Exception, match=r"(?i)subtype|format"):
        save(noise(0.1), tmp_path / "x.wav", "NO_SUCH")
    assert list(tmp_path.iterdir()) == []


def test_loud_sound_clips_instead_of_wrapping(tmp_path: Path) -> None:
    path = save(tone(100, level=2.0), tmp_path / "x.wav")
    assert load(path).waveform.diff().abs().max() < 0.1


@pytest.mark.parametrize(
    ("waveform", "fix"),
    [
        (torch.zeros(10), "waveform\\[None\\]"),
        (torch.zeros(1, 10, dtype=torch.float64), "waveform.float\\(\\)"),
        (torch.zeros(16000, 2), "waveform.T"),
    ],
)
def test_axes_and_type_errors_tell_the_fix(waveform: torch.Tensor, fix: str) -> None:
    with pytest.raises(AudioError, match=fix):
        Audio(waveform, 8000)


def test_resampling_keeps_what_fits_and_kills_what_does_not() -> None:
    sound = tone(1000, 1.0, 48000).with_waveform(
        tone(1000, 1.0, 48000).waveform + tone(15000, 1.0, 48000).waveform
    )
    low = resample(sound, 16000, 16000)
    assert low.samples == 16000
    middle = slice(2000, 14000)
    assert level_db(low.waveform[:, middle] - tone(1000, 1.0, 16000).waveform[:, middle]) < -100


def test_channels_that_cancel_are_heard_by_the_loudest_others_by_their_mean() -> None:
    voice, music = tone(440).waveform, noise(1.0, level=0.2).waveform
    sounds = {
        "antiphase": (torch.cat([voice, -0.9 * voice]), voice),
        "antiphase music": (torch.cat([voice - 3 * music, voice + 4 * music]), voice + 4 * music),
        "one side": (torch.cat([voice, 0 * voice]), voice / 2),
        "both": (torch.cat([voice, voice]), voice),
        "strangers": (noise(channels=8).waveform, noise(channels=8).waveform.mean(0, keepdim=True)),
        "silence": (torch.zeros(2, 100), torch.zeros(1, 100)),
    }
    for name, (waveform, expected) in sounds.items():
        assert torch.allclose(Audio(waveform, 24000).mono().waveform, expected), name
