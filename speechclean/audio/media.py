"""Sound that FFmpeg decodes: that of films, and what libsndfile does not know.

It is decoded forward, in one thread. Samples that an encoder put before and after the sound are
left out where the container tells of them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from . import ffmpeg
from .waveform import AudioError

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream
    from av.container import InputContainer

log = logging.getLogger(__name__)
#: Sample entries of protected sound in an mp4: Common Encryption, FairPlay, Audible.
_PROTECTED = ("enca", "drms", "aavd")
#: Seconds by which a sound may end before its header says, and by which it may begin after the
#: picture; and the demuxers' words of what is not whole.
TOLERANCE_S = 0.25
LATE_S = 0.05
_CUT = "ended prematurely"


class Sound:
    """The sound of a file that `opened` opened.

    `rate` is in Hz, `samples` is what the header promises per channel, 0 where it does not, and
    `subtype` is in libsndfile's words where nothing is lost. `remarks` is what to tell of it.
    """

    def __init__(self, path: Path, demuxer: str, container: InputContainer) -> None:
        self.path = path
        self._demuxer = demuxer
        self._container = container
        self._stream = self._chosen()
        self._tick = self._stream.time_base or Fraction(0)
        self._check_whole()
        self._warned: set[str] = set()
        self._end_s, self._cut = 0.0, False
        self.rate, self.channels = (
            0,
            0,
        )  # the first frame tells: of HE-AAC headers tell half the rate
        self._frames = self._decoded()
        self._first: AudioFrame | None = None
        self._first = self._next()
        if self._first is None:
            raise AudioError(f"{path}: truncated or empty, not a sample of it can be decoded")
        self.subtype = ffmpeg.subtype(self._stream)
        self.samples = round(self._promised_s() * self.rate)
        self.remarks = self._remarks()

    def blocks(self, size: int) -> Iterator[np.ndarray]:
        """Float32 frames `[samples, channels]`, at most `size` at once; only once.

        Raises `AudioError` where the sound breaks off, or changes its rate or channels.
        """
        held, count = [], 0
        frame = self._first
        while frame is not None:
            following = self._next()
            samples = ffmpeg.values(frame)
            if following is None:
                samples = samples[: self._inside(frame)]
            held.append(samples)
            count += len(samples)
            while count >= size:
                joined = np.concatenate(held)
                yield joined[:size]
                held, count = [joined[size:]], count - size
            frame = following
        if count:
            yield np.concatenate(held)

    def _next(self) -> AudioFrame | None:
        """The next frame; None at the end."""
        with ffmpeg.messages() as told:
            frame = next(self._frames, None)
        self._cut |= any(_CUT in line for line in told)
        if frame is None:
            self._check_end()
        for line in dict.fromkeys(told):
            if line not in self._warned:
                self._warned.add(line)
                log.warning("%s: %s", self.path, line)
        return frame

    def _decoded(self) -> Iterator[AudioFrame]:
        """All frames, those of the encoder's delay left out by FFmpeg itself."""
        from av import FFmpegError

        try:
            for packet in self._container.demux(self._stream):
                if packet.has_sidedata("encryption_info"):
                    raise AudioError(ffmpeg.protected(self.path))
                if packet.is_corrupt:
                    raise AudioError(f"{self.path}: truncated, cut off after {self._end_s:.1f} s")
                for frame in packet.decode():
                    self._check_kind(frame)
                    start = self._end_s if frame.pts is None else float(frame.pts * self._tick)
                    self._end_s = start + frame.samples / frame.sample_rate
                    yield frame
        except FFmpegError as error:
            raise AudioError(
                f"{self.path}: breaks off while decoding after {self._end_s:.1f} s "
                f"({ffmpeg.reason(error)})"
            ) from error

    def _check_kind(self, frame: AudioFrame) -> None:
        """Raise `AudioError` where rate or channels are not those of the first frame."""
        now = frame.sample_rate, frame.layout.nb_channels
        if self._first is None:
            self.rate, self.channels = now
        elif now != (self.rate, self.channels):
            raise AudioError(
                f"{self.path}: changes after {self._end_s:.1f} s from "
                f"{kind(self.rate, self.channels)} to {kind(*now)}; convert it to one before"
            )

    def _chosen(self) -> AudioStream:
        """The default stream of sound, or the first; all others are passed over."""
        from av.stream import Discard, Disposition

        streams = self._container.streams
        if not streams.audio:
            kinds = ", ".join(sorted({stream.type for stream in streams})) or "nothing"
            raise AudioError(f"{self.path}: holds no sound ({kinds} alone)")
        marked = (one for one in streams.audio if one.disposition & Disposition.default)
        chosen = next(marked, streams.audio[0])
        for stream in streams:
            if stream.index != chosen.index:
                stream.discard = Discard.all
        if chosen.codec_context is None:
            raise AudioError(f"{self.path}: its sound is coded in a way that FFmpeg does not know")
        chosen.codec_context.thread_count = 1  # the same samples every time
        return chosen

    def _check_whole(self) -> None:
        """Raise `AudioError` for what the index of an mp4 has, and the file has not."""
        if self._stream.codec_tag in _PROTECTED:
            raise AudioError(ffmpeg.protected(self.path))
        if self._demuxer == "mov":
            ends = (entry.pos + entry.size for entry in self._stream.index_entries)
            lost = max(ends, default=0) - self.path.stat().st_size
            if lost > 0:
                raise AudioError(f"{self.path}: truncated, its index promises {lost} more bytes")

    def _check_end(self) -> None:
        """Raise `AudioError` where a header promises more than there was."""
        alone = len(self._container.streams) == 1
        told = alone and self._demuxer in ("matroska", "flv")
        promised = self._promised_s() if told else 0.0
        if self._cut or self._end_s < promised - TOLERANCE_S:
            of = f" of {promised:.1f}" if promised else ""
            raise AudioError(f"{self.path}: truncated, {self._end_s:.1f}{of} s are there")

    def _promised_s(self) -> float:
        """The duration by the header in seconds, or an estimate; 0 where there is none."""
        if self._stream.duration is not None:
            return float(self._stream.duration * self._tick)
        return (self._container.duration or 0) / 1e6

    def _inside(self, frame: AudioFrame) -> int:
        """How many samples of the last frame are sound, where the container tells."""
        stream, rate = self._stream, frame.sample_rate
        if not self._tick or (1 / self._tick) % rate:  # too coarse for samples
            return frame.samples
        told, whole = frame.duration, frame.samples
        listed = self._demuxer == "mov" and stream.duration and frame.pts is not None
        if listed and told * self._tick * rate >= whole:  # an edit list may know better
            told = (stream.start_time or 0) + (stream.duration or 0) - (frame.pts or 0)
        return min(whole, round(told * self._tick * rate)) if told > 0 else whole

    def _remarks(self) -> list[str]:
        streams, remarks = self._container.streams, []
        if (count := len(streams.audio)) > 1:
            place = streams.audio.index(self._stream) + 1
            remarks.append(f"holds {count} sounds, of which number {place} is read")
        if self._stream.start_time is not None and self._container.start_time is not None:
            start = float(self._stream.start_time * self._tick)
            if (late := start - self._container.start_time / 1e6) > LATE_S:
                remarks.append(
                    f"its sound begins {late:.2f} s after its picture; what is read of it has no "
                    "silence in front"
                )
        return remarks


@contextmanager
def opened(path: Path, demuxer: str) -> Iterator[Sound]:
    """The sound of a file that one of FFmpeg's demuxers reads.

    Raises `AudioError` where there is none, for what is cut off, encrypted, or not decodable.
    """
    with ffmpeg.container(path, demuxer) as container:
        yield Sound(path, demuxer, container)


def kind(rate: int, channels: int) -> str:
    """Channels and rate, in words."""
    return f"{channels} channels at {rate} Hz"
