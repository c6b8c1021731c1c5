"""Sound files and films with damaged headers and bodies."""

from __future__ import annotations

import io
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from hypothesis import strategies as st

from speechclean.audio import sound_files
from speechclean.audio.stream import LongAudio
from speechclean.audio.waveform import AudioError
from tests.support.films import film, tones

from .mutations import mutated
from .target import BrokenPromiseError, Target, require_named

#: Containers and what is in them.
FORMATS = (
    *(("WAV", "PCM_16"), ("WAV", "PCM_U8"), ("WAV", "PCM_24"), ("WAV", "FLOAT")),
    *(("RF64", "PCM_16"), ("W64", "PCM_16"), ("AIFF", "PCM_16"), ("CAF", "PCM_16")),
    *(("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")),
)
#: What FFmpeg reads: file name, codec, rate, channels, the picture's codec.
FILMS = (
    *(("m4a", "aac", 24000, 1, ""), ("m4a", "alac", 44100, 2, ""), ("3gp", "aac", 16000, 1, "")),
    *(("mov", "pcm_s24le", 24000, 1, ""), ("mp4", "aac", 44100, 2, "mpeg4")),
    *(("webm", "libopus", 48000, 1, ""), ("webm", "libopus", 48000, 2, "libvpx")),
    *(
        ("mkv", "flac", 24000, 1, "mpeg4"),
        ("mkv", "aac", 24000, 1, ""),
        ("wv", "wavpack", 44100, 1, ""),
    ),
    *(
        ("aac", "aac", 24000, 1, ""),
        ("flv", "aac", 44100, 1, ""),
        ("avi", "mp3", 44100, 1, "mpeg4"),
    ),
    *(("wma", "wmav2", 44100, 1, ""), ("mp4", "aac", 24000, 1, "")),  # the last in fragments
)
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "50000"}


def seeds() -> list[bytes]:
    """A tenth of a second of noise in every format."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(2400)
    made = []
    for container, subtype in FORMATS:
        memory = io.BytesIO()
        soundfile.write(memory, noise, 24000, subtype, format=container)
        made.append(memory.getvalue())
    return made


@cache
def films() -> tuple[bytes, ...]:
    """A fifth of a second of tones in every container and codec, a picture beside some of them."""
    made = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (ending, codec, rate, channels, picture) in enumerate(FILMS):
            path, sound = Path(folder) / f"{number}.{ending}", tones(0.2, rate, channels)
            # Without the flag a matroska file has other bytes each time.
            options: dict[str, Any] = {"fflags": "+bitexact"}
            options |= FRAGMENTS if number == len(FILMS) - 1 else {}
            made.append(film(path, codec, sound, rate, picture=picture, **options))
    return tuple(made)


def check(content: bytes, folder: Path) -> None:
    """A sound of finite samples or a refusal; the same of a stream."""
    path = folder / "fuzzed.wav"
    path.write_bytes(content)
    whole = _read(path, lambda: sound_files.load(path).waveform)
    streamed = _read(path, lambda: torch.cat(list(LongAudio.of(path).chunks()), -1))
    if whole is not None and not torch.isfinite(whole).all():
        raise BrokenPromiseError("a sound with NaN or infinity was let in")
    if (whole is None) != (streamed is None):
        raise BrokenPromiseError("refused in memory or as a stream, and not both ways")
    if whole is not None and streamed is not None and not torch.equal(whole, streamed):
        raise BrokenPromiseError("other samples as a stream than in memory")


def _read(path: Path, reader: object) -> torch.Tensor | None:
    """What a reader finds; None where it refuses."""
    assert callable(reader)
    try:
        found = reader()
    except AudioError as error:
        require_named(error, path)
        return None
    assert isinstance(found, torch.Tensor)
    return found if found.shape[-1] else None


TARGETS = (
    Target("sounds", "sound files of twelve kinds", mutated(seeds()), check),
    Target(
        "films",
        "films, and sound that FFmpeg reads, of fifteen kinds",
        st.deferred(lambda: mutated(films())),
        check,
    ),
)
