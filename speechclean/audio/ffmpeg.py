"""FFmpeg by PyAV: a file opened, its messages caught, its samples as floats."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from .waveform import AudioError

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream
    from av.container import InputContainer

_lock = Lock()
#: What FFmpeg says of every file of some kinds, and nobody here relies on.
_IDLE = ("Estimating duration",)
_LOSSLESS = ("pcm_", "alac", "flac", "wavpack", "wmalossless")
_SUBTYPES = {"u8": "PCM_U8", "s16": "PCM_16", "s32": "PCM_24", "flt": "FLOAT", "dbl": "DOUBLE"}


class _Source(io.BufferedReader):
    """A file for FFmpeg: a place that there cannot be is an answer, as a damaged header asks for.

    PyAV would print the error's traceback, and raise it from where nobody expects it.
    """

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """To a byte of the file; -1 where there is no such place."""
        try:
            return super().seek(offset, whence)
        except (OSError, OverflowError, ValueError):
            return -1


@contextmanager
def container(path: Path, demuxer: str) -> Iterator[InputContainer]:
    """A file, opened by one of FFmpeg's demuxers. Raises `AudioError` where it cannot be."""
    import av

    with _Source(io.FileIO(path)) as file:
        try:
            with messages() as told:
                found = av.open(file, "r", format=demuxer, metadata_errors="replace")
        except av.FFmpegError as error:
            raise AudioError(
                f"{path}: not a sound file that FFmpeg reads ({reason(error)})"
            ) from error
        with found:
            if any("DRM" in line for line in told):
                raise AudioError(protected(path))
            yield found


@contextmanager
def messages() -> Iterator[list[str]]:
    """A list that has, after the block, FFmpeg's warnings of it; one thread at a time."""
    from av import logging as native

    lines: list[str] = []
    with _lock:
        level, repeated = native.get_level(), native.get_skip_repeated()
        native.set_level(native.WARNING)
        native.set_skip_repeated(False)
        try:
            with native.Capture() as told:
                yield lines
        finally:
            native.set_level(level)
            native.set_skip_repeated(repeated)
            texts = (text.strip() for _, _, text in told)
            lines += [text for text in texts if text and not text.startswith(_IDLE)]


def values(frame: AudioFrame) -> np.ndarray:
    """A frame's samples as float32, `[samples, channels]`; of integers as libsndfile does it."""
    given = frame.to_ndarray()
    given = given.T if frame.format.is_planar else given.reshape(frame.samples, -1)
    floats = given.astype(np.float32)
    if given.dtype == np.uint8:
        return (floats - 128) / 128
    if given.dtype.kind == "i":
        return floats / np.float32(2.0 ** (8 * given.dtype.itemsize - 1))
    return floats


def subtype(stream: AudioStream) -> str:
    """Libsndfile's name of what is kept in a lossless file; the codec's of others."""
    codec, kind = stream.codec_context.name, stream.codec_context.format.name.removesuffix("p")
    if not codec.startswith(_LOSSLESS):
        return codec.upper()
    return "PCM_32" if codec.startswith(("pcm_s32", "pcm_u32")) else _SUBTYPES.get(kind, "PCM_16")


def reason(error: Exception) -> str:
    """FFmpeg's words, with those of the decoder if it said more."""
    said = getattr(error, "log", None)
    return (said[2] if said else getattr(error, "strerror", str(error))).strip().rstrip(".")


def protected(path: Path) -> str:
    """What to say of an encrypted file."""
    return f"{path}: is encrypted (DRM), which nothing here can play; use a copy without"
