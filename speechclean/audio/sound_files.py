"""Sound files, read and written: all that other rooms know of them.

libsndfile turns NaN into a full-scale click on writing, rounds down, and does not say why a disk
took no more: all of this is mended here, and what it does on reading in `reading`.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor

from speechclean.system.atomic_files import written_whole

from . import riff
from .decoding import reason
from .reading import (
    KEPT_SUBTYPES,
    SoundInfo,
    TooLongError,
    load,
    measured,
    probe,
    read_chunks,
    read_part,
)
from .waveform import Audio, AudioError, resample

#: The samples that a flac can have.
FLACS = ("PCM_S8", "PCM_16", "PCM_24")

__all__ = [
    "SoundInfo",
    "TooLongError",
    "as_mp3",
    "load",
    "measured",
    "probe",
    "read_chunks",
    "read_part",
    "save",
    "save_chunks",
]

#: Sample rates of MPEG-1 and MPEG-2 layer III, in Hz.
MP3_RATES = (16000, 22050, 24000, 32000, 44100, 48000)
#: What the 32-bit lengths of a plain wav can hold, less room for headers.
LONGEST_WAV = 2**32 - 4096


def save(audio: Audio, path: str | Path, subtype: str = "PCM_16") -> Path:
    """Write a wav or flac atomically: a temporary file beside it, flushed to disk, then renamed.

    Raises `AudioError` for NaN or infinity (libsndfile would write a full-scale click).
    """
    return save_chunks(
        [audio.waveform], Path(path), audio.sample_rate, audio.channels, subtype, audio.samples
    )


def save_chunks(
    chunks: Iterable[Tensor],
    path: Path,
    sample_rate: int,
    channels: int,
    subtype: str = "PCM_16",
    samples: int = 0,
) -> Path:
    """`save` of a sound that comes in chunks `[channels, samples]`.

    The number of `samples` in all decides whether a wav has to be RF64. A flac has 24 bits where it
    cannot have the subtype's.
    """
    if path.suffix.lower() == ".flac" and subtype not in FLACS:
        subtype = FLACS[-1]
    long = (
        samples * channels * KEPT_SUBTYPES.get(subtype, 2) > LONGEST_WAV and path.suffix == ".wav"
    )
    container = {"format": "RF64"} if long else {}
    with written_whole(path) as temporary:
        with soundfile.SoundFile(
            bytes(temporary), "w", sample_rate, channels, subtype, **container
        ) as file:
            for chunk in chunks:
                if not torch.isfinite(chunk).all():
                    raise AudioError(f"{path}: refusing to write NaN or infinity")
                _write(file, _quantised(chunk.T.cpu().numpy(), subtype), temporary)
        riff.remove_date(temporary)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
    return path


def as_mp3(audio: Audio) -> bytes:
    """A sound as an mp3 in memory, which every browser and telephone plays.

    Its bit rate is variable, about 100 kbit/s a channel.
    Rates that mp3 does not know are brought to 48 or 24 kHz; more than two channels are mixed down
    to one.
    """
    audio = audio.mono() if audio.channels > 2 else audio
    if audio.sample_rate not in MP3_RATES:
        audio = resample(audio, 48000 if audio.sample_rate > 24000 else 24000)
    memory = io.BytesIO()
    frames = audio.waveform.T.contiguous().cpu().numpy()
    with soundfile.SoundFile(
        memory,
        "w",
        audio.sample_rate,
        audio.channels,
        "MPEG_LAYER_III",
        format="MP3",
        bitrate_mode="VARIABLE",
        compression_level=0.3,
    ) as file:
        file.write(frames)
    return memory.getvalue()


def _write(file: soundfile.SoundFile, frames: np.ndarray, path: Path) -> None:
    """Append frames to an open file at `path`.

    Raises `OSError` with the number of what failed, which libsndfile keeps to itself: the same is
    tried again without it.
    """
    try:
        file.write(frames)
    except soundfile.LibsndfileError as error:
        with path.open("ab", buffering=0) as again:
            again.write(bytes(frames.nbytes))
        raise OSError(f"libsndfile cannot write it: {reason(error)}") from error


def _quantised(frames: np.ndarray, subtype: str) -> np.ndarray:
    """Integers for 8, 16 and 24 bits, rounded and clipped.

    libsndfile itself rounds down: an offset of half a step.
    """
    bits = {"PCM_U8": 8, "PCM_16": 16, "PCM_24": 24}.get(subtype)
    if bits is None:
        return frames
    top = 2 ** (bits - 1)
    steps = np.clip(np.rint(frames.astype(np.float64) * top), -top, top - 1).astype(np.int32)
    # It takes the upper bits of a wider integer.
    return steps << 8 if bits == 24 else (steps << 16 - bits).astype(np.int16)
