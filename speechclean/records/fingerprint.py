"""Fingerprints of what passed each stage: enough to compare two runs later, without the sound.

They tell whether the sound was the same and, if not, by how much it differed. A fingerprint (the
files of a run call it a mark) is the sha256 of the samples, their energy, and a sketch: samples,
each times a pseudo-random sign, summed into 16 buckets (Charikar, Chen & Farach-Colton, "Finding
Frequent Items in Data Streams", ICALP 2002). The sketch is linear and keeps energies on average, so
the energy of the difference of two sketches estimates that of the difference of two sounds, to
about 1.5 dB, from a hundred bytes.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from speechclean.audio.stream import LongAudio

BUCKETS = 16
#: Samples that share one draw of signs.
_BLOCK = 1 << 16
#: The stage behind the last one: the samples of the written file.
OUTPUT_STAGE = "output"


@dataclass(frozen=True)
class Fingerprint:
    """What is remembered of a waveform: its shape, sha256, energy (sum of squares) and sketch."""

    shape: tuple[int, int]
    sha256: str
    energy: float
    sketch: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """The fingerprint as JSON takes it; the sketch as base64 of float32."""
        packed = base64.b64encode(np.asarray(self.sketch, "<f4").tobytes()).decode()
        return {
            "shape": list(self.shape),
            "sha256": self.sha256,
            "energy": self.energy,
            "sketch": packed,
        }

    @classmethod
    def from_json(cls, read: Mapping[str, Any]) -> Fingerprint:
        """The fingerprint that `to_json` wrote. Raises `ValueError` for anything else."""
        sketch = np.frombuffer(base64.b64decode(read["sketch"]), "<f4")
        channels, samples = map(int, read["shape"])
        energy = float(read["energy"])
        if len(sketch) != BUCKETS or not np.isfinite([*sketch, energy]).all():
            raise ValueError(f"a sketch has {BUCKETS} finite numbers")
        return cls((channels, samples), str(read["sha256"]), energy, tuple(map(float, sketch)))

    def difference_db(self, other: Fingerprint) -> float:
        """Estimated energy of the difference, relative to the louder of the two, in dB.

        -inf for the same samples, 0 or more for unlike ones. Below about -130 dB the sketch's own
        rounding is all that is left.
        """
        if self.sha256 == other.sha256 and self.shape == other.shape:
            return -math.inf
        loudest = max(self.energy, other.energy)
        if self.shape != other.shape or not loudest:
            return 0.0
        apart = sum((one - two) ** 2 for one, two in zip(self.sketch, other.sketch, strict=True))
        return 10 * math.log10(max(apart / loudest, 1e-15))


class Fingerprinter:
    """Takes the fingerprints of one file, fed stage by stage.

    What is fed are stretches `[channels, samples]` of any length.
    """

    def __init__(self) -> None:
        self._stages: dict[str, list[_Channel]] = {}

    def feed(self, stage: str, waveform: Tensor) -> None:
        """Append a stretch to what passed a stage."""
        rows = waveform.detach().cpu().contiguous().numpy()
        channels = self._stages.setdefault(stage, [_Channel(index) for index in range(len(rows))])
        for channel, samples in zip(channels, rows, strict=True):
            channel.feed(samples)

    def fingerprints(self) -> dict[str, Fingerprint]:
        """By stage, in the order in which the stages were first fed."""
        return {stage: _fingerprint(channels) for stage, channels in self._stages.items()}


def fingerprint_of(path: Path) -> Fingerprint:
    """The fingerprint of a sound file's samples. Raises `AudioError` if it cannot be read."""
    fingerprinter = Fingerprinter()
    for chunk in LongAudio.of(path).chunks():
        fingerprinter.feed(OUTPUT_STAGE, chunk)
    return fingerprinter.fingerprints()[OUTPUT_STAGE]


class _Channel:
    def __init__(self, index: int) -> None:
        self.index, self.samples, self.energy = index, 0, 0.0
        self.hash = hashlib.sha256()
        self.sketch = np.zeros(BUCKETS)

    def feed(self, samples: np.ndarray) -> None:
        self.hash.update(samples.tobytes())
        wide = samples.astype(np.float64)
        self.energy += float(wide @ wide)
        done = 0
        while done < len(wide):
            block, inside = divmod(self.samples, _BLOCK)
            part = wide[done : done + _BLOCK - inside]
            signed = part * _signs(self.index, block)[inside : inside + len(part)]
            first = inside % BUCKETS
            padded = np.pad(signed, (first, -(first + len(signed)) % BUCKETS))
            self.sketch += padded.reshape(-1, BUCKETS).sum(0)
            self.samples += len(part)
            done += len(part)


def _fingerprint(channels: list[_Channel]) -> Fingerprint:
    # Channel by channel, so that it does not matter where the stretches end.
    digest = hashlib.sha256(b"".join(channel.hash.digest() for channel in channels)).hexdigest()
    sketch = np.sum([channel.sketch for channel in channels], 0)
    shape = (len(channels), channels[0].samples if channels else 0)
    return Fingerprint(
        shape, digest, sum(channel.energy for channel in channels), tuple(map(float, sketch))
    )


@lru_cache(maxsize=32)
def _signs(channel: int, block: int) -> np.ndarray:
    """Signs of one block of one channel.

    They are the same everywhere and always: PCG64 is a documented, fixed stream.
    """
    bits = np.unpackbits(
        np.frombuffer(
            np.random.Generator(np.random.PCG64([channel, block])).bytes(_BLOCK // 8), np.uint8
        )
    )
    return bits.astype(np.int8) * 2 - 1
