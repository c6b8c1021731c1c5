"""Sounds in the containers that FFmpeg reads, with a picture or without, made by FFmpeg itself."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

#: Sample formats of lossless codecs that would choose others.
INTEGERS = {"alac": "s16p", "wavpack": "s16p"}


def tones(seconds: float, rate: int, channels: int = 1) -> np.ndarray:
    """Tones whose loudness changes, which codecs keep well: float32 `[channels, samples]`."""
    at = np.arange(round(seconds * rate)) / rate
    mono = sum(0.1 * np.sin(2 * np.pi * hertz * at + hertz) for hertz in (220, 441, 663, 1210))
    mono = mono * (0.6 + 0.4 * np.sin(6 * np.pi * at)) + 0.02 * np.sin(2 * np.pi * 300 * at**2)
    return np.stack([mono * (1 - 0.4 * index) for index in range(channels)]).astype(np.float32)


def film(
    path: Path,
    codec: str,
    sound: np.ndarray,
    rate: int,
    *,
    sounds: int = 1,
    picture: str = "",
    late_s: float = 0.0,
    **options: str,
) -> bytes:
    """A file with so many streams of a sound `[channels, samples]`, each half as loud as the one
    before, and `picture`s coded so; its bytes.

    late_s: how long after the picture the sound begins; options: of the muxer
    """
    with av.open(str(path), "w", options=options) as container:
        if picture:
            shown: Any = container.add_stream(
                picture, rate=10, width=32, height=32, pix_fmt="yuv420p"
            )
        layout = {1: "mono", 2: "stereo"}[len(sound)]
        streams: list[Any] = []
        for _ in range(sounds):
            stream: Any = container.add_stream(codec, rate=rate, layout=layout)
            stream.bit_rate = 160_000 * len(sound) if codec != "libopencore_amrnb" else 12_200
            if codec in INTEGERS:
                stream.format = INTEGERS[codec]
            streams.append(stream)
        for index in range(10 if picture else 0):
            image = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 20 * index, np.uint8))
            container.mux(shown.encode(image))
        if picture:
            container.mux(shown.encode())
        for index, stream in enumerate(streams):
            stream.codec_context.open(strict=False)
            whole = np.ascontiguousarray(sound * np.float32(0.5**index))
            frame = av.AudioFrame.from_ndarray(whole, "fltp", layout)
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = round(late_s * rate)
            size = stream.codec_context.frame_size or 1024
            cut = av.AudioResampler(stream.format.name, layout, rate, frame_size=size)
            for piece in [*cut.resample(frame), *cut.resample(None), None]:
                container.mux(stream.encode(piece))
    return path.read_bytes()
