"""Sound files, read and written: the only module that touches them.

Files are checked here once: soundfile reads a truncated wav short without a word, reads a
header-only file as zero frames, and turns NaN into a full-scale click on writing, so each of these
is refused by name before it can reach a model.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor

from speechclean.system.atomic_files import written_whole

from . import riff
from .waveform import Audio, AudioError, resample

#: Subtypes that a wav file can hold as they are, with bytes per sample; anything else (mp3, Vorbis,
#: ...) becomes 16-bit PCM.
KEPT_SUBTYPES = {"PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}
#: Sample rates of MPEG-1 and MPEG-2 layer III, in Hz.
MP3_RATES = (16000, 22050, 24000, 32000, 44100, 48000)
#: What the 32-bit lengths of a plain wav can hold, less room for headers.
LONGEST_WAV = 2**32 - 4096


@dataclass(frozen=True)
class SoundInfo:
    """What a sound file's header says.

    `sample_rate` is in Hz, `samples` is per channel, `subtype` is in libsndfile's words.
    """

    sample_rate: int
    channels: int
    samples: int
    subtype: str

    @property
    def output_subtype(self) -> str:
        """The subtype of the cleaned wav: 24-bit in, 24-bit out; compressed in, 16-bit out."""
        return self.subtype if self.subtype in KEPT_SUBTYPES else "PCM_16"


def probe(path: str | Path) -> SoundInfo:
    """Header of a sound file.

    Raises `AudioError` when there is none to read, or when it promises more than the file holds.
    """
    path = Path(path)
    if not path.is_file():
        raise AudioError(f"{path}: {'is not a regular file' if path.exists() else 'no such file'}")
    if path.stat().st_size == 0:
        raise AudioError(f"{path}: the file is empty (0 bytes)")
    try:
        info = soundfile.info(str(path))
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise AudioError(
            f"{path}: not a sound file that libsndfile reads ({_reason(error)})"
        ) from error
    if missing := riff.missing_bytes(path):
        raise AudioError(
            f"{path}: truncated, its header promises {missing} more bytes; "
            "copy or generate it again"
        )
    return SoundInfo(info.samplerate, info.channels, info.frames, info.subtype)


def load(path: str | Path) -> Audio:
    """Read a wav, flac, ogg or mp3 at its native rate and channel count.

    Raises `AudioError` for files that are missing, empty, header only, truncated, not sound, or
    that hold NaN or infinity.
    """
    path = Path(path)
    info = probe(path)
    if info.samples == 0:
        raise AudioError(f"{path}: a header without any samples")
    try:
        frames, sample_rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise AudioError(f"{path}: breaks off while decoding ({_reason(error)})") from error
    if not len(frames):
        raise AudioError(f"{path}: a header without any samples")
    # mp3 headers only estimate the length, so they may differ by some frames; lossless containers
    # may not.
    if len(frames) < info.samples and not info.subtype.startswith("MPEG"):
        raise AudioError(f"{path}: truncated, {len(frames)} of {info.samples} samples are there")
    if (bad := _first_bad(frames)) is not None:
        raise AudioError(
            f"{path}: holds NaN or infinity (first at {bad / sample_rate:.3f} s); export it again"
        )
    return Audio(torch.from_numpy(np.ascontiguousarray(frames.T)), int(sample_rate))


def read_part(path: Path, start: int, end: int) -> Tensor:
    """Samples `start` to `end` of a sound file. Shape: `[channels, end - start]`."""
    frames, _ = soundfile.read(str(path), start=start, stop=end, dtype="float32", always_2d=True)
    return torch.from_numpy(frames.T.copy())


def read_chunks(path: Path, samples: int, sample_rate: int, size: int) -> Iterator[Tensor]:
    """A sound file of `samples` from the beginning to the end, in chunks of at most `size`.

    Shape: `[channels, samples]`. Raises `AudioError` where the file breaks off, or holds NaN or
    infinity.
    """
    total = 0
    try:
        with soundfile.SoundFile(str(path)) as file:
            while len(frames := file.read(size, dtype="float32", always_2d=True)):
                if (bad := _first_bad(frames)) is not None:
                    raise AudioError(
                        f"{path}: holds NaN or infinity "
                        f"(first at {(total + bad) / sample_rate:.3f} s)"
                    )
                total += len(frames)
                yield torch.from_numpy(np.ascontiguousarray(frames.T))
    except soundfile.LibsndfileError as error:
        raise AudioError(
            f"{path}: breaks off while decoding after {total / sample_rate:.1f} s"
        ) from error
    if total != samples:
        raise AudioError(f"{path}: truncated, {total} of {samples} samples are there")


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

    The number of `samples` in all decides whether a wav has to be RF64.
    """
    long = (
        samples * channels * KEPT_SUBTYPES.get(subtype, 2) > LONGEST_WAV and path.suffix == ".wav"
    )
    container = {"format": "RF64"} if long else {}
    with written_whole(path) as temporary:
        with soundfile.SoundFile(
            str(temporary), "w", sample_rate, channels, subtype, **container
        ) as file:
            for chunk in chunks:
                if not torch.isfinite(chunk).all():
                    raise AudioError(f"{path}: refusing to write NaN or infinity")
                file.write(_quantised(chunk.T.cpu().numpy(), subtype))
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


def _first_bad(frames: np.ndarray) -> int | None:
    """The first of the frames `[samples, channels]` that holds NaN or infinity."""
    finite = np.isfinite(frames).all(axis=1)
    return None if finite.all() else int(np.argmin(finite))


def _quantised(frames: np.ndarray, subtype: str) -> np.ndarray:
    """Integers for 16 and 24 bits, rounded and clipped.

    libsndfile itself rounds down: an offset of half a step.
    """
    bits = {"PCM_16": 16, "PCM_24": 24}.get(subtype)
    if bits is None:
        return frames
    top = 2 ** (bits - 1)
    steps = np.clip(np.rint(frames.astype(np.float64) * top), -top, top - 1).astype(np.int32)
    # soundfile takes the upper 24 of 32 bits.
    return steps.astype(np.int16) if bits == 16 else steps << 8


def _reason(error: Exception) -> str:
    """Libsndfile's words without the path that it repeats."""
    return str(getattr(error, "error_string", error)).strip().rstrip(".")
