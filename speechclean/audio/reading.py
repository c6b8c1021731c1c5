"""Sound files, read: every one is checked here once.

libsndfile reads a truncated file short without a word, and one whose header promises too little as
well; a header-only file is no sound to it. Each is refused by name, or read to its true end, before
it can reach a model.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor

from . import media
from .decoding import decoded, forward, reason
from .layout import Layout, layout_of
from .waveform import Audio, AudioError

log = logging.getLogger(__name__)
#: Subtypes that a wav file can hold as they are, with bytes per sample; anything else (mp3, Vorbis,
#: ...) becomes 16-bit PCM.
KEPT_SUBTYPES = {"PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}
#: What a file of speech can be: below is a damaged header, above as well, or a trap. Of either, a
#: few kB would be hours or gigabytes of sound for the networks.
LOWEST_HZ, HIGHEST_HZ, MOST_CHANNELS = 1000, 384000, 64
#: As many samples as libsndfile reports where it cannot tell, and more.
UNKNOWN = 2**62


class TooLongError(AudioError):
    """A sound that is longer than it may be."""


@dataclass(frozen=True)
class SoundInfo:
    """What a sound file's header says.

    `sample_rate` is in Hz, `samples` is per channel, `subtype` is in libsndfile's words where it
    has one. `remarks` is what to tell of the file.
    """

    sample_rate: int
    channels: int
    samples: int
    subtype: str
    remarks: tuple[str, ...] = ()

    @property
    def output_subtype(self) -> str:
        """The subtype of the cleaned wav: 24-bit in, 24-bit out; compressed in, 16-bit out."""
        return self.subtype if self.subtype in KEPT_SUBTYPES else "PCM_16"


def probe(path: str | Path) -> SoundInfo:
    """What a sound file holds by its header; `samples` may be wrong where it is compressed.

    Raises `AudioError` when there is nothing to read, for rates and channels that no speech has,
    and for what is cut off where that shows.
    """
    path = Path(path)
    return _info(path, _layout(path))


def load(path: str | Path, most: int | None = None) -> Audio:
    """Read a sound, or the sound of a film, at its native rate and channel count, to its true end.

    Raises `AudioError` for files that are missing, empty, header only, truncated, not sound, or
    that hold NaN or infinity; `TooLongError` for more than `most` values in all channels.
    """
    path = Path(path)
    layout = _layout(path)
    info = _info(path, layout)
    _tell(path, info)
    blocks, values = [], 0
    for frames in decoded(path, layout):
        values += frames.size
        if most is not None and values > most:
            raise TooLongError(f"{path}: decodes to more than {most} values")
        blocks.append(np.ascontiguousarray(frames.T))
    if not values:
        raise AudioError(f"{path}: a header without any samples")
    return Audio(torch.from_numpy(np.concatenate(blocks, axis=1)), info.sample_rate)


def measured(path: Path, most_gb: float | None = None) -> SoundInfo:
    """`probe` with the number of samples that are there, which takes decoding where it has to.

    Raises `AudioError` as `load` does, and `TooLongError` for what takes more than `most_gb` as
    32-bit floats.
    """
    layout = _layout(path)
    info = _info(path, layout)
    _tell(path, info)
    most = math.inf if most_gb is None else most_gb * 1e9 / 4 / info.channels
    if layout.measured:
        samples = info.samples
    else:
        samples = 0
        for frames in decoded(path, layout):
            samples += len(frames)
            if samples > most:
                break
    if samples > most:
        raise TooLongError(
            f"{path}: decodes to more than {most_gb:g} GB; cut it into shorter files, "
            "or raise max_decoded_gb"
        )
    if not samples:
        raise AudioError(f"{path}: a header without any samples")
    return replace(info, samples=samples)


def read_part(path: Path, start: int, end: int) -> Tensor:
    """Samples `start` to `end` of a sound file. Shape: `[channels, end - start]`.

    Where a header cannot be trusted with a place, all that comes before is decoded as well.
    """
    layout = _layout(path)
    if layout.measured:
        with layout.opened(path) as source, soundfile.SoundFile(source) as file:
            file.seek(start)
            frames = file.read(end - start, dtype="float32", always_2d=True)
        return torch.from_numpy(frames.T.copy())
    pieces, at = [], 0
    for block in decoded(path, layout):
        pieces.append(block[max(0, start - at) : max(0, end - at)])
        at += len(block)
        if at >= end:
            break
    return torch.from_numpy(np.concatenate(pieces).T.copy())


def read_chunks(path: Path, samples: int, size: int) -> Iterator[Tensor]:
    """A sound file of `samples` from the beginning to the end, in chunks of at most `size`.

    Shape: `[channels, samples]`. Raises `AudioError` where the file breaks off, or holds NaN or
    infinity.
    """
    total = 0
    for frames in decoded(path, _layout(path), size):
        total += len(frames)
        yield torch.from_numpy(np.ascontiguousarray(frames.T))
    if total != samples:
        raise AudioError(f"{path}: truncated, {total} of {samples} samples are there")


def _layout(path: Path) -> Layout:
    """The layout of what is a file of sound by its kind: a pipe is not even opened."""
    if not path.is_file():
        raise AudioError(f"{path}: {'is not a regular file' if path.exists() else 'no such file'}")
    if path.stat().st_size == 0:
        raise AudioError(f"{path}: the file is empty (0 bytes)")
    layout = layout_of(path)
    if layout.missing:
        raise AudioError(f"{path}: truncated, {layout.missing}; copy or generate it again")
    return layout


def _info(path: Path, layout: Layout) -> SoundInfo:
    """The header of a file's first part."""
    info = _of_ffmpeg(path, layout) if layout.demuxer else _of_libsndfile(path, layout)
    if not LOWEST_HZ <= info.sample_rate <= HIGHEST_HZ:
        raise AudioError(
            f"{path}: a sample rate of {info.sample_rate} Hz, where {LOWEST_HZ} to {HIGHEST_HZ} Hz "
            "can be speech; if its header is wrong, correct it, else resample it"
        )
    if info.channels > MOST_CHANNELS:
        raise AudioError(
            f"{path}: {info.channels} channels, where {MOST_CHANNELS} are the most; "
            "take out those that hold the speech"
        )
    promised = layout.promised or (0 if info.samples >= UNKNOWN else info.samples)
    return replace(info, samples=promised)


def _of_libsndfile(path: Path, layout: Layout) -> SoundInfo:
    try:
        with layout.opened(path) as source, forward(path, layout, source) as file:
            return SoundInfo(file.samplerate, file.channels, file.frames, file.subtype)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise AudioError(
            f"{path}: not a sound file that libsndfile reads ({reason(error)})"
        ) from error


def _of_ffmpeg(path: Path, layout: Layout) -> SoundInfo:
    with media.opened(path, layout.demuxer) as sound:
        remarks = tuple(sound.remarks)
        return SoundInfo(sound.rate, sound.channels, sound.samples, sound.subtype, remarks)


def _tell(path: Path, info: SoundInfo) -> None:
    for remark in info.remarks:
        log.warning("%s: %s", path, remark)
