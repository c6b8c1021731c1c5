"""Streams give what memory gives, and go forward only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from speechclean.audio import stream
from speechclean.audio.sound_files import load, save
from speechclean.audio.stream import Forward, LongAudio, Moments, RawWriter
from speechclean.audio.waveform import AudioError, resample
from tests.conftest import noise


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "CHUNK", 5003)


@pytest.mark.parametrize(
    ("suffix", "subtype"), [("wav", "PCM_24"), ("flac", "PCM_16"), ("ogg", "VORBIS")]
)
def test_chunks_are_the_whole(tmp_path: Path, suffix: str, subtype: str) -> None:
    path = tmp_path / f"x.{suffix}"
    soundfile.write(path, noise(1.0, 24000, channels=2).waveform.T.numpy(), 24000, subtype=subtype)
    sound = LongAudio.of(path)
    assert torch.equal(torch.cat(list(sound.chunks()), -1), load(path).waveform)
    assert torch.equal(sound.read(7000, 9000), load(path).waveform[:, 7000:9000])


@pytest.mark.parametrize(
    ("source", "target"), [(24000, 16000), (44100, 24000), (8000, 44100), (24000, 24000)]
)
def test_resampled_chunks_are_the_resampled_whole(tmp_path: Path, source: int, target: int) -> None:
    audio = load(save(noise(1.3, source, channels=2), tmp_path / "x.wav"))
    streamed = torch.cat(list(LongAudio.of(tmp_path / "x.wav").at_rate(target)), -1)
    assert streamed.shape == resample(audio, target).waveform.shape
    assert (streamed - resample(audio, target).waveform).abs().max() < 1e-6


def test_what_is_written_raw_comes_back_bit_by_bit(tmp_path: Path) -> None:
    waveform = noise(1.0, 24000, channels=3).waveform
    writer = RawWriter(tmp_path / "x.f32")
    for piece in waveform.split(777, -1):
        writer.write(piece)
    sound = writer.done(24000, 3)
    assert sound.samples == 24000
    assert torch.equal(torch.cat(list(sound.chunks()), -1), waveform)


def test_files_that_break_off_or_hold_nan_say_so(tmp_path: Path) -> None:
    broken = np.zeros(20000, np.float32)
    broken[12000] = np.inf
    soundfile.write(tmp_path / "nan.wav", broken, 16000, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"NaN or infinity \(first at 0.750 s\)"):
        list(LongAudio.of(tmp_path / "nan.wav").chunks())
    soundfile.write(tmp_path / "x.flac", noise(2.0, 16000).waveform.T.numpy(), 16000)
    (tmp_path / "x.flac").write_bytes((tmp_path / "x.flac").read_bytes()[:20000])
    with pytest.raises(AudioError, match=r"truncated|breaks off"):
        list(LongAudio.of(tmp_path / "x.flac").chunks())


def test_a_truncated_wav_is_refused_before_it_is_streamed(tmp_path: Path) -> None:
    path = save(noise(2.0, 16000), tmp_path / "x.wav")
    path.write_bytes(path.read_bytes()[:20000])
    with pytest.raises(AudioError, match="truncated, its header promises"):
        LongAudio.of(path)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 40), max_size=12),
    st.lists(st.tuples(st.integers(0, 30), st.integers(-5, 60)), max_size=12),
    st.integers(0, 20),
)
def test_windows_are_slices(
    lengths: list[int], windows: list[tuple[int, int]], history: int
) -> None:
    whole = torch.arange(sum(lengths)).float()[None]
    reader = Forward(iter(whole.split(lengths, -1)), history)
    start = 0
    for step, length in windows:
        start += step
        assert torch.equal(
            reader.read(start, start + length).flatten(),
            whole[0, start : max(start, start + length)],
        )


def test_going_back_is_refused_beyond_the_history() -> None:
    reader = Forward(iter(torch.zeros(1, 1000).split(10, -1)), history=50)
    reader.read(500, 600)
    assert reader.read(450, 460).shape[-1] == 10
    with pytest.raises(ValueError, match="forward only"):
        reader.read(300, 310)


def test_moments_by_hand() -> None:
    moments, values = Moments(), 3 + 2 * torch.randn(10000)
    for piece in values.split(999):
        moments.feed(piece)
    assert moments.deviation() == pytest.approx(values.double().std(correction=0).item(), rel=1e-9)
    assert Moments().deviation() == 0
