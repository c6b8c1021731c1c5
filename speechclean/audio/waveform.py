"""Sound in, sound out: the only module that touches sound files.

`Audio` is what flows between stages; `load`, `save` and `resample` are its doors to the world.
Files are checked here once: soundfile reads a truncated wav short without a word, reads a
header-only file as zero frames, and turns NaN into a full-scale click on writing, so each of these
is refused by name before it can reach a model.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from torch import Tensor

from speechclean.system.atomic_files import written_whole

#: Subtypes that a wav file can hold as they are, with bytes per sample; anything else (mp3, Vorbis,
#: ...) becomes 16-bit PCM.
KEPT_SUBTYPES = {"PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}
#: Sample rates of MPEG-1 and MPEG-2 layer III, in Hz.
MP3_RATES = (16000, 22050, 24000, 32000, 44100, 48000)
#: What the 32-bit lengths of a plain wav can hold, less room for headers.
LONGEST_WAV = 2**32 - 4096


class AudioError(ValueError):
    """A sound file or waveform that cannot be used; the message says which, why and what to do."""


@dataclass(frozen=True)
class Audio:
    """A waveform with its sample rate.

    Shape: `waveform` is float32 `[channels, samples]`; `sample_rate` is in Hz.
    """

    waveform: Tensor
    sample_rate: int

    def __post_init__(self) -> None:
        shape = tuple(self.waveform.shape)
        if self.waveform.ndim != 2:
            raise AudioError(
                f"waveform must be [channels, samples], got {shape}; for mono use waveform[None]"
            )
        if self.waveform.dtype != torch.float32:
            raise AudioError(
                f"waveform must be float32, got {self.waveform.dtype}; use waveform.float()"
            )
        if shape[0] > 64 and shape[1] <= 64:
            raise AudioError(f"waveform {shape} looks like [samples, channels]; use waveform.T")
        if self.sample_rate <= 0:
            raise AudioError(f"sample_rate must be positive, got {self.sample_rate}")

    @property
    def channels(self) -> int:
        return int(self.waveform.shape[0])

    @property
    def samples(self) -> int:
        return int(self.waveform.shape[1])

    @property
    def seconds(self) -> float:
        return self.samples / self.sample_rate

    def with_waveform(self, waveform: Tensor) -> Audio:
        """The same rate, another waveform `[channels, samples]`."""
        return Audio(waveform, self.sample_rate)

    def mono(self) -> Audio:
        """The mean of the channels: `[1, samples]`."""
        return (
            self if self.channels == 1 else self.with_waveform(self.waveform.mean(0, keepdim=True))
        )


@dataclass(frozen=True)
class SoundInfo:
    """What a sound file's header says: `sample_rate` in Hz, `samples` per channel, `subtype` in
    libsndfile's words.
    """

    sample_rate: int
    channels: int
    samples: int
    subtype: str

    @property
    def output_subtype(self) -> str:
        """The subtype a wav of the cleaned sound gets: 24-bit in, 24-bit out; compressed formats
        become 16-bit.
        """
        return self.subtype if self.subtype in KEPT_SUBTYPES else "PCM_16"


def probe(path: str | Path) -> SoundInfo:
    """Header of a sound file. Raises `AudioError` when there is none to read, or when it promises
    more than the file holds.
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
    if missing := _missing_riff_bytes(path):
        raise AudioError(
            f"{path}: truncated, its header promises {missing} more bytes; copy or generate it again"
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
    if not np.isfinite(frames).all():
        bad = int(np.argmax(~np.isfinite(frames).all(axis=1)))
        raise AudioError(
            f"{path}: holds NaN or infinity (first at {bad / sample_rate:.3f} s); export it again"
        )
    return Audio(torch.from_numpy(np.ascontiguousarray(frames.T)), int(sample_rate))


def save(audio: Audio, path: str | Path, subtype: str = "PCM_16") -> Path:
    """Write a wav or flac, whole or not at all: a temporary file beside it, flushed to disk, then
    renamed.

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
    """`save` of a sound that comes in chunks `[channels, samples]`; `samples` in all decides when a
    wav has to be RF64.
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
        _take_date_out(temporary)
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
    return path


def as_mp3(audio: Audio) -> bytes:
    """A sound as an mp3 in memory, which every browser and telephone plays: variable rate, about
    100 kbit/s a channel.

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


def resample(audio: Audio, sample_rate: int, samples: int | None = None) -> Audio:
    """Resample with soxr (very high quality), optionally to an exact number of `samples` (cut or
    zero-padded).

    >>> resample(Audio(torch.zeros(1, 48000), 48000), 16000).samples
    16000
    """
    waveform = audio.waveform
    if sample_rate != audio.sample_rate:
        source = waveform.T.cpu().numpy()
        target = soxr.resample(source, audio.sample_rate, sample_rate, quality="VHQ")
        waveform = torch.from_numpy(np.ascontiguousarray(target.T)).to(waveform.device)
    if samples is not None and waveform.shape[-1] != samples:
        waveform = torch.nn.functional.pad(waveform, (0, samples - waveform.shape[-1]))
    return Audio(waveform, sample_rate)


def _quantised(frames: np.ndarray, subtype: str) -> np.ndarray:
    """Integers for 16 and 24 bits, rounded and clipped; libsndfile itself rounds down, an offset of
    half a step.
    """
    bits = {"PCM_16": 16, "PCM_24": 24}.get(subtype)
    if bits is None:
        return frames
    top = 2 ** (bits - 1)
    steps = np.clip(np.rint(frames.astype(np.float64) * top), -top, top - 1).astype(np.int32)
    # soundfile takes 24 bits from the top of 32
    return steps.astype(np.int16) if bits == 16 else steps << 8


def _take_date_out(path: Path) -> None:
    """Zero the time of writing that libsndfile puts into the PEAK chunk of a wav of floats: the
    same sound, the same bytes.
    """
    with open(path, "r+b") as file:
        head = file.read(12)
        if head[:4] not in (b"RIFF", b"RF64"):
            return
        while len(chunk := file.read(8)) == 8 and chunk[:4] != b"data":
            length = struct.unpack("<I", chunk[4:])[0]
            if chunk[:4] == b"PEAK":
                file.seek(4, os.SEEK_CUR)  # its version
                file.write(b"\0\0\0\0")
                return
            file.seek(length + length % 2, os.SEEK_CUR)


def _missing_riff_bytes(path: Path) -> int:
    """Bytes that a RIFF data chunk promises beyond the end of the file; 0 for other formats and for
    streamed headers.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(12)
        if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return 0
        while len(chunk := file.read(8)) == 8:
            name, length = chunk[:4], struct.unpack("<I", chunk[4:])[0]
            if name == b"data":
                # Writers that stream to a pipe leave 0 or 2^31-1 ... 2^32-1 here: "until the end of
                # the file".
                streamed = length == 0 or length >= 0x7FFFF000
                return 0 if streamed else max(0, file.tell() + length - size)
            file.seek(length + length % 2, os.SEEK_CUR)
    return 0


def _reason(error: Exception) -> str:
    """Libsndfile's words without the path that it repeats."""
    return str(getattr(error, "error_string", error)).strip().rstrip(".")
