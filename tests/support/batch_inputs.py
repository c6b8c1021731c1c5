"""A folder as users have it: good files of many formats, and everything that can be wrong with the
others."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

#: Writes a file, with what it draws from a generator.
Writer = Callable[[Path, np.random.Generator], object]
RATES = (8000, 11025, 16000, 22050, 24000, 44100, 48000)
#: Extension and libsndfile's subtype of the ordinary good files.
FORMATS = (
    *(("wav", "PCM_16"), ("wav", "PCM_24"), ("wav", "FLOAT"), ("wav", "PCM_U8"), ("wav", "PCM_32")),
    *(
        ("flac", "PCM_16"),
        ("flac", "PCM_24"),
        ("ogg", "VORBIS"),
        ("mp3", "MPEG_LAYER_III"),
        ("aiff", "PCM_16"),
    ),
)
SHORTEST_S, LONGEST_S = 0.3, 1.2
#: Two hours of digital silence: streamed; holes on the disk.
SPARSE_S, SPARSE_RATE = 7200, 8000
#: Of every so many files one is bad.
BAD_EVERY = 8


def sound(
    generator: np.random.Generator, seconds: float, rate: int, channels: int = 1
) -> np.ndarray:
    """Voice-like pulses over chords: float64 `[samples, channels]`, below full scale."""
    time = np.arange(max(1, round(seconds * rate))) / rate
    voice = np.sin(2 * np.pi * generator.uniform(90, 240) * time + 3 * np.sin(2 * np.pi * 4 * time))
    music = sum(np.sin(2 * np.pi * hz * time) for hz in generator.uniform(200, 1500, 3)) / 3
    mixed = (
        0.3 * voice * (np.sin(2 * np.pi * 3 * time) > -0.3)
        + 0.15 * music
        + 0.01 * generator.standard_normal(len(time))
    )
    return np.stack([mixed * generator.uniform(0.5, 1) for _ in range(channels)], 1)


def make(
    folder: Path, count: int = 500, seed: int = 0, sparse_s: float = SPARSE_S
) -> dict[str, str | None]:
    """Fill `folder` with `count` files, the same ones for the same seed.

    Returns what has to become of each, by its path relative to `folder`: None where it has to be
    cleaned, else a part of the reason that its failure must give.
    """
    generator = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    expected: dict[str, str | None] = {}
    special, bad = list(_special(sparse_s).items()), list(BAD.items())
    for name, write in special[:count]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write(folder / name, generator)
        expected[name] = None
    number = 0
    while len(expected) < count:
        run = f"seed_{number % 7}_run{number % 5}"
        (folder / run).mkdir(exist_ok=True)
        if number % BAD_EVERY == 0:
            (kind, (reason, spoil)), round_ = (
                bad[number // BAD_EVERY % len(bad)],
                number // BAD_EVERY // len(bad),
            )
            name = f"{run}/{round_}_{kind}"
            spoil(folder / name, generator)
            expected[name] = reason
        else:
            extension, subtype = FORMATS[number % len(FORMATS)]
            name = f"{run}/text_{number:04d}_generated.{extension}"
            rate = int(generator.choice([24000, 48000] if extension == "mp3" else RATES))
            frames = sound(
                generator, generator.uniform(SHORTEST_S, LONGEST_S), rate, 1 + (number % 6 == 0)
            )
            soundfile.write(folder / name, frames, rate, subtype=subtype)
            expected[name] = None
        number += 1
    return expected


def _special(sparse_s: float) -> dict[str, Writer]:
    """Good files that are anything but ordinary."""

    def wav(
        seconds: float,
        rate: int,
        channels: int = 1,
        gain: float = 1.0,
        offset: float = 0.0,
        subtype: str = "PCM_16",
    ) -> Writer:
        def write(path: Path, generator: np.random.Generator) -> None:
            frames = np.clip(gain * sound(generator, seconds, rate, channels) + offset, -1, 1)
            soundfile.write(path, frames, rate, subtype=subtype)

        return write

    def copy_of(name: str) -> Writer:
        return lambda path, _: path.write_bytes((path.parent.parent / name).read_bytes())

    def link_to_outside(path: Path, generator: np.random.Generator) -> None:
        outside = path.parent.parent.with_name(path.parent.parent.name + "_outside.wav")
        soundfile.write(outside, sound(generator, 0.5, 24000), 24000)
        path.symlink_to(outside)

    def sparse(path: Path, _: np.random.Generator) -> None:
        samples = int(sparse_s * SPARSE_RATE)
        soundfile.write(path, np.zeros(1), SPARSE_RATE)
        head = bytearray(path.read_bytes()[:44])
        head[4:8], head[40:44] = (
            (36 + 2 * samples).to_bytes(4, "little"),
            (2 * samples).to_bytes(4, "little"),
        )
        path.write_bytes(head)
        os.truncate(path, 44 + 2 * samples)

    return {
        "odd/plain.wav": wav(0.8, 24000),
        "odd/clipped.wav": wav(0.6, 24000, gain=20),
        "odd/dc.wav": wav(0.6, 24000, offset=0.4),
        "odd/silence.wav": wav(0.6, 24000, gain=0),
        "odd/eight_channels.wav": wav(0.5, 48000, channels=8),
        "odd/rate_192_khz.wav": wav(0.5, 192000, subtype="PCM_24"),
        "odd/rate_8_khz.wav": wav(0.5, 8000),
        "odd/twentieth_of_a_second.wav": wav(0.05, 24000),
        "odd/one_sample.wav": wav(0, 24000),
        "odd/two_hours_of_silence.wav": sparse,
        "odd/ünïcödé 音声 🎤.wav": wav(0.5, 24000),
        f"odd/{'long_' * 47}x.wav": wav(0.5, 24000),
        "odd/-rf $(touch pwned) `x` 'q' \"p\" ;&|.wav": wav(0.4, 24000),
        "odd/line\nbreak\tand tab.wav": wav(0.4, 24000),
        "odd/dots...wav": wav(0.4, 24000),
        "odd/Case.wav": wav(0.5, 24000),
        "odd/case.wav": wav(0.4, 24000),
        "odd/same_name.wav": wav(0.5, 24000),
        "odd/same_name.flac": wav(0.4, 24000),
        "odd/duplicate_of_plain.wav": copy_of("odd/plain.wav"),
        "odd__plain.wav": wav(0.4, 24000),
        "odd/link.wav": link_to_outside,
    }


def _spoilt(make_bytes: Callable[[bytes], bytes], extension: str = "wav") -> Writer:
    """A writer of a good file's bytes, changed."""

    def write(path: Path, generator: np.random.Generator) -> None:
        good = path.with_name(f".good.{extension}")
        soundfile.write(good, sound(generator, 0.5, 24000), 24000)
        path.write_bytes(make_bytes(good.read_bytes()))
        good.unlink()

    return write


def _not_finite(value: float) -> Writer:
    def write(path: Path, generator: np.random.Generator) -> None:
        frames = sound(generator, 0.5, 24000)
        frames[len(frames) // 2] = value
        soundfile.write(path, frames, 24000, subtype="FLOAT")

    return write


def _unreadable(path: Path, generator: np.random.Generator) -> None:
    soundfile.write(path, sound(generator, 0.5, 24000), 24000)
    path.chmod(0)
    # root reads anything; a link into nowhere is unreadable for everybody
    if os.access(path, os.R_OK):
        path.unlink()
        path.symlink_to("nowhere.wav")


#: Names of bad files with what the reason has to say of them, and how they are made.
BAD: dict[str, tuple[str, Writer]] = {
    "empty.wav": ("empty", lambda path, _: path.write_bytes(b"")),
    "header_only.wav": ("without any samples", _spoilt(lambda _: _header())),
    "truncated.wav": ("truncated", _spoilt(lambda whole: whole[: len(whole) // 2])),
    "truncated.flac": ("", _spoilt(lambda whole: whole[: len(whole) // 2], "flac")),
    "text.wav": ("not a sound file", lambda path, _: path.write_text("this is no sound\n" * 40)),
    "noise.mp3": ("not a sound file", lambda path, _: path.write_bytes(b"\1\2\3\4" * 500)),
    "nan.wav": ("NaN or infinity", _not_finite(np.nan)),
    "inf.wav": ("NaN or infinity", _not_finite(np.inf)),
    "folder.wav": ("not a regular file", lambda path, _: path.mkdir()),
    "pipe.wav": ("not a regular file", lambda path, _: os.mkfifo(path)),
    "unreadable.wav": ("", _unreadable),
}


def _header() -> bytes:
    import io

    memory = io.BytesIO()
    soundfile.write(memory, np.zeros(0), 24000, format="WAV", subtype="PCM_16")
    return memory.getvalue()
