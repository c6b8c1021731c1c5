"""The sound of a file, decoded from its beginning to its end."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

from speechclean.system import native_messages

from . import media
from .layout import Layout, is_joined_flac
from .views import View
from .waveform import AudioError

log = logging.getLogger(__name__)
#: Samples per channel that are decoded at once.
BLOCK = 1 << 16
#: How lines begin that libmpg123 prints itself, past everybody's log.
_OF_MPG123 = re.compile(r"(\[.*(mpg123|\.c:).*\] )|(Note|Warning|WARNING): ")


class Forward(soundfile.SoundFile):  # type: ignore[misc]
    """Read to the end, whatever length the header gives: a seek goes by that length, and fails."""

    def seekable(self) -> bool:
        """Not to be relied on."""
        return False


def forward(path: Path, layout: Layout, source: bytes | View) -> Forward:
    """What the decoder is given, opened by libsndfile. Raises `LibsndfileError` where it is none.

    What libmpg123 prints of its first frames is a warning.
    """
    with _told(path, layout.prints):
        return Forward(source)


@contextmanager
def _told(path: Path, prints: bool = True) -> Iterator[None]:
    """Lines that libmpg123 prints inside are warnings with the file's name."""
    if not prints:
        yield
        return
    told: list[str] = []
    try:
        with native_messages.caught(_OF_MPG123) as told:
            yield
    finally:
        for line in dict.fromkeys(told):
            log.warning("%s: %s", path, line)


def decoded(path: Path, layout: Layout, size: int = BLOCK) -> Iterator[np.ndarray]:
    """Blocks of float32 frames `[samples, channels]`, at most `size` of them.

    Raises `AudioError` where the file breaks off or holds NaN or infinity, and at the end if it
    held less, or more, than a lossless header promises.
    """
    total = 0
    for rate, frames in (_by_ffmpeg if layout.demuxer else _by_libsndfile)(path, layout, size):
        _check_finite(path, frames, total, rate)
        total += len(frames)
        yield frames
    if layout.promised is not None and total < layout.promised:
        raise AudioError(f"{path}: truncated, {total} of {layout.promised} samples are there")


def _by_ffmpeg(path: Path, layout: Layout, size: int) -> Iterator[tuple[int, np.ndarray]]:
    """The rate with each block."""
    with media.opened(path, layout.demuxer) as sound:
        for frames in sound.blocks(size):
            yield sound.rate, frames


def _by_libsndfile(path: Path, layout: Layout, size: int) -> Iterator[tuple[int, np.ndarray]]:
    """The rate with each block, of all parts."""
    total, first = 0, None
    try:
        for part in range(len(layout.parts)):
            with layout.opened(path, part) as source, forward(path, layout, source) as file:
                kind = file.samplerate, file.channels
                first = first or kind
                if kind != first:
                    raise AudioError(
                        f"{path}: sounds of different kinds joined, {media.kind(*first)} and "
                        f"{media.kind(*kind)}; convert them to one before they are joined"
                    )
                while len(frames := _block(file, size, path)):
                    total += len(frames)
                    yield kind[0], frames
    except soundfile.LibsndfileError as error:
        rate = first[0] if first else 1
        if is_joined_flac(path):
            raise AudioError(
                f"{path}: FLAC files joined to one, of which no decoder reads more than the first; "
                "join them with a tool that knows FLAC, or clean them one by one"
            ) from error
        raise AudioError(
            f"{path}: breaks off while decoding after {total / rate:.1f} s ({reason(error)})"
        ) from error


def _block(file: soundfile.SoundFile, size: int, path: Path) -> np.ndarray:
    """The next frames `[samples, channels]`; what libmpg123 prints of them is a warning."""
    if file.format != "MP3":
        return file.read(size, dtype="float32", always_2d=True)
    with _told(path):
        return file.read(size, dtype="float32", always_2d=True)


def reason(error: Exception) -> str:
    """Libsndfile's words without the path that it repeats."""
    return str(getattr(error, "error_string", error)).strip().rstrip(".")


def _check_finite(path: Path, frames: np.ndarray, before: int, rate: int) -> None:
    """Raise `AudioError` if the frames `[samples, channels]` hold NaN or infinity."""
    finite = np.isfinite(frames).all(axis=1)
    if not finite.all():
        at = (before + int(np.argmin(finite))) / rate
        raise AudioError(f"{path}: holds NaN or infinity (first at {at:.3f} s); export it again")
