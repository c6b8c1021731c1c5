"""Sound that is all there is, is read whole; sound that is cut off is named; traps are refused."""

from __future__ import annotations

import logging
import os
import socket
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechclean.audio import mpeg
from speechclean.audio.sound_files import load, probe, save
from speechclean.audio.stream import LongAudio
from speechclean.audio.waveform import Audio, AudioError
from tests.conftest import noise

RATE = 16000
SECONDS = 3
SAMPLES = SECONDS * RATE
KINDS = {
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "aiff": ("AIFF", "PCM_16"),
    "w64": ("W64", "PCM_16"),
    "rf64": ("RF64", "PCM_16"),
    "caf": ("CAF", "PCM_16"),
    "au": ("AU", "PCM_16"),
    "wav": ("WAV", "PCM_16"),
}


def written(path: Path, **more: object) -> bytes:
    """A sound of three seconds in the format of the path's suffix; its bytes."""
    form, subtype = KINDS[path.suffix[1:]]
    sound = noise(SECONDS, RATE).waveform[0].numpy()
    soundfile.write(path, sound, RATE, format=form, subtype=subtype, **more)
    return path.read_bytes()


def wav(riff: int, data: int, behind: bytes = b"") -> bytes:
    """Three seconds of a ramp under a header with these sizes."""
    samples = np.arange(SAMPLES, dtype="<i2").tobytes()
    form = struct.pack("<HHIIHH", 1, 1, RATE, RATE * 2, 2, 16)
    head = b"RIFF" + struct.pack("<I", riff) + b"WAVEfmt " + struct.pack("<I", 16) + form
    return head + b"data" + struct.pack("<I", data) + samples + behind


def lengths(path: Path) -> tuple[int, int]:
    """Samples in memory, and by the stream."""
    sound = LongAudio.of(path)
    streamed = sum(chunk.shape[-1] for chunk in sound.chunks())
    assert sound.samples == streamed
    return load(path).samples, streamed


def refused(path: Path, words: str) -> None:
    """Whether both ways of reading name the file and the reason."""
    for read in (load, LongAudio.of):
        with pytest.raises(AudioError, match=words) as raised:
            read(path)
        assert path.name in str(raised.value)


WHOLE = 2 * SAMPLES + 36
OPEN = {
    "zero": (0, 0),
    "zero of a crash": (4088, 0),
    "closed badly": (8, 0),
    "all ones": (2**32 - 1, 2**32 - 1),
    "all ones less header": (2**32 - 1, 2**32 - 45),
    "sox": (0x7FFFF024, 0x7FFFF000),
    "signed": (2**31 - 1, 2**31 - 1),
    "two thousand million": (2000000036, 2000000000),
    "gibibyte": (2**30, 2**30),
    "counts header of 36": (WHOLE, WHOLE),
    "counts header of 44": (WHOLE + 8, WHOLE + 8),
}


@pytest.mark.parametrize("sizes", OPEN.values(), ids=OPEN)
def test_a_wav_whose_size_was_never_known_is_read_to_its_end(
    tmp_path: Path, sizes: tuple[int, int]
) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(wav(*sizes))
    assert lengths(path) == (SAMPLES, SAMPLES)
    assert probe(path).samples == SAMPLES
    assert LongAudio.of(path).read(1000, 1010)[0].mul(2**15).tolist() == list(range(1000, 1010))


@pytest.mark.parametrize("lost", [36, 44, 45, 10000])
def test_a_wav_that_lost_its_end_is_named_however_little_it_lost(tmp_path: Path, lost: int) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(wav(WHOLE, 2 * SAMPLES)[:-lost])
    refused(path, f"truncated, its header promises {lost} more bytes")


def test_a_wav_of_more_than_two_gigabytes_that_lost_its_end_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(wav(0x90000024, 0x90000000))
    refused(path, "truncated, its header promises")


def test_a_wav_with_no_sound_but_a_chunk_of_words_has_no_samples(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    whole = wav(36 + 12, 0)
    path.write_bytes(whole[:44] + b"LIST" + struct.pack("<I", 4) + b"INFO")
    refused(path, "without any samples")


@pytest.mark.parametrize("suffix", KINDS)
def test_half_a_file_is_named_and_the_whole_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    whole = written(path)
    assert lengths(path) == (SAMPLES, SAMPLES)
    path.write_bytes(whole[: len(whole) // 2])
    refused(path, "truncated|breaks off")


@pytest.mark.parametrize("suffix", ["ogg", "opus"])
def test_an_ogg_cut_between_two_pages_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    whole = written(path)
    path.write_bytes(whole[: whole.rindex(b"OggS")])
    refused(path, "truncated, its last page is not the end")


@pytest.mark.parametrize("suffix", ["ogg", "opus", "mp3"])
def test_joined_files_are_read_to_the_last(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(written(path) * 3)
    assert lengths(path) == (3 * SAMPLES, 3 * SAMPLES)


def test_joined_flacs_are_refused_in_plain_words(tmp_path: Path) -> None:
    path = tmp_path / "x.flac"
    whole = written(path)
    path.write_bytes(whole + whole)
    refused(path, "FLAC files joined to one")
    path.write_bytes(whole[:-40] + b"fLaC" + whole[-40:])  # the word alone is no beginning
    refused(path, "breaks off|truncated")


def test_joined_mp3s_of_two_rates_are_refused(tmp_path: Path) -> None:
    first = written(tmp_path / "x.mp3")
    soundfile.write(tmp_path / "y.mp3", np.full(24000, 0.1), 24000)
    (tmp_path / "x.mp3").write_bytes(first + (tmp_path / "y.mp3").read_bytes())
    refused(tmp_path / "x.mp3", "different kinds joined")


@pytest.mark.parametrize("mode", ["VARIABLE", "CONSTANT"])
@pytest.mark.parametrize("cut", [0, 50])
def test_an_mp3_without_its_first_frame_is_read_to_its_end(
    tmp_path: Path, mode: str, cut: int
) -> None:
    path = tmp_path / "x.mp3"
    whole = written(path, bitrate_mode=mode, compression_level=0.3)
    header = mpeg.header_at(whole, 0)
    assert header is not None
    path.write_bytes(whole[header.length + cut :])
    in_memory, streamed = lengths(path)
    assert in_memory == streamed
    assert abs(in_memory - SAMPLES) <= 3 * header.samples  # a decoder's delay, and padding


def test_what_lies_between_the_frames_of_an_mp3_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "x.mp3"
    whole = written(path)
    middle = whole.index(b"\xff\xf3", 3000)
    tag = b"ID3\4\0\0\0\0\0\x0a" + bytes(10)
    path.write_bytes(tag + whole[:middle] + tag + b"no frame" * 40 + whole[middle:] + b"TAG" * 42)
    assert lengths(path) == (SAMPLES, SAMPLES)


@pytest.mark.parametrize("promised", [0, 1000, SAMPLES])
def test_a_flac_is_read_to_its_end_whatever_it_promises(tmp_path: Path, promised: int) -> None:
    path = tmp_path / "x.flac"
    path.write_bytes(_promising(written(path), promised))
    assert lengths(path) == (SAMPLES, SAMPLES)
    assert LongAudio.of(path).read(100, 200).shape == (1, 100)


def test_a_flac_that_promises_days_is_truncated(tmp_path: Path) -> None:
    path = tmp_path / "x.flac"
    path.write_bytes(_promising(written(path), 2**36 - 1))
    refused(path, f"truncated, {SAMPLES} of {2**36 - 1} samples")


def _promising(flac: bytes, samples: int) -> bytes:
    bits = int.from_bytes(flac[18:26], "big")
    return flac[:18] + (bits & ~(2**36 - 1) | samples).to_bytes(8, "big") + flac[26:]


@pytest.mark.parametrize(
    ("rate", "channels", "words"),
    [(1, 1, "1 Hz"), (655350, 1, "655350 Hz"), (16000, 1000, "1000 channels")],
)
def test_rates_and_channels_that_no_speech_has_are_refused(
    tmp_path: Path, rate: int, channels: int, words: str
) -> None:
    path = tmp_path / "x.wav"
    soundfile.write(path, np.zeros((100, channels)), rate)
    refused(path, words)


def test_pipes_devices_and_sockets_are_refused_without_being_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    os.mkfifo("pipe.wav")
    Path("device.wav").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("socket.wav")
        for kind in ("pipe", "device", "socket"):
            refused(tmp_path / f"{kind}.wav", "is not a regular file")


def test_a_file_that_inflates_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.flac"
    soundfile.write(path, np.zeros((10 * RATE, 2)), RATE)
    assert LongAudio.of(path, 0.00129).samples == 10 * RATE
    with pytest.raises(AudioError, match=r"decodes to more than 0\.00127 GB"):
        LongAudio.of(path, 0.00127)


def test_a_name_that_is_no_unicode_is_read(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/M\xfcller.wav"))
    path.write_bytes(wav(WHOLE, 2 * SAMPLES))
    assert lengths(path) == (SAMPLES, SAMPLES)


def test_a_sound_is_written_into_a_folder_that_is_no_unicode(tmp_path: Path) -> None:
    path = Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9/x.wav"))
    sound = noise(0.1)
    save(sound, path)
    assert load(path).samples == sound.samples


def test_what_a_decoder_prints_is_a_warning_with_the_name_of_the_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.mp3"
    whole = written(path, bitrate_mode="VARIABLE", compression_level=0.3)
    header = mpeg.header_at(whole, 0)
    assert header is not None
    path.write_bytes(whole[header.length + 50 :])  # its next frame leans on what was cut off
    with caplog.at_level(logging.WARNING):
        load(path)
    assert any(str(path) in line and "part2_3_length" in line for line in caplog.messages)
    assert capfd.readouterr().err == ""


def test_eight_bits_are_rounded(tmp_path: Path) -> None:
    levels = np.linspace(-1, 1, 2001, dtype=np.float32)[None]
    import torch

    path = save(Audio(torch.from_numpy(levels), RATE), tmp_path / "x.wav", "PCM_U8")
    expected = np.clip(np.rint(levels[0].astype(float) * 128), -128, 127) / 128
    assert np.array_equal(load(path).waveform[0].numpy(), expected.astype(np.float32))


def test_a_full_disk_is_named_when_a_sound_is_written(tmp_path: Path) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            save(noise(3.0, RATE), tmp_path / "x.wav")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_what_the_decoder_of_mp3_prints_of_the_first_frames_has_the_files_name(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "x.mp3"
    path.write_bytes(written(path)[:400])  # not one frame behind the one that tells of the others
    with pytest.raises(AudioError, match=r"x\.mp3"):
        probe(path)
    assert capfd.readouterr().err == ""
    assert caplog.messages
    assert all(line.startswith(f"{path}: Warning: ") for line in caplog.messages)
