"""What textures are built of: partials, random pitches, resonances, ramps.

Waves are `[samples]` at `SAMPLE_RATE`; frequencies in Hz, lengths in seconds.
"""

from __future__ import annotations

import numpy as np
import scipy.signal

from experiments.embedded_models.data import SAMPLE_RATE

SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 7, 10))

Rng = np.random.Generator


def times(seconds: float) -> np.ndarray:
    return np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE


def oscillator(
    frequency: np.ndarray | float, seconds: float, rng: Rng, partials: int = 1, tilt: float = 1.0
) -> np.ndarray:
    """A sum of partials at multiples of `frequency` in Hz.

    The frequency is a course `[samples]` or one number; the n-th partial has an amplitude of n to
    the minus `tilt`, and none lies above the Nyquist frequency.
    """
    course = np.broadcast_to(frequency, times(seconds).shape)
    phase = 2 * np.pi * np.cumsum(course) / SAMPLE_RATE + rng.uniform(0, 2 * np.pi)
    numbers = range(1, partials + 1)
    return sum(n**-tilt * np.sin(n * phase) * (n * course < 0.45 * SAMPLE_RATE) for n in numbers)


def pitch(rng: Rng, root: float, steps: int) -> float:
    """A random degree of a random scale over `root` Hz, within `steps` degrees of it."""
    scale = SCALES[int(rng.integers(len(SCALES)))]
    octave, degree = divmod(int(rng.integers(steps)), len(scale))
    return root * 2 ** (octave + scale[degree] / 12)


def resonance(source: np.ndarray, centre: float, width: float) -> np.ndarray:
    """A two-pole resonance of unit peak at `centre` Hz, `width` Hz wide."""
    b, a = scipy.signal.iirpeak(min(centre, 0.45 * SAMPLE_RATE), centre / width, SAMPLE_RATE)
    return scipy.signal.lfilter(b, a, source)


def sweep(rng: Rng, seconds: float) -> np.ndarray:
    """Noise in a band of an octave or so."""
    low = rng.uniform(100, 4000)
    band = scipy.signal.butter(
        1, [low, min(low * rng.uniform(1.5, 4), 11_000)], "band", fs=SAMPLE_RATE, output="sos"
    )
    return scipy.signal.sosfilt(band, rng.standard_normal(round(seconds * SAMPLE_RATE)))


def ramps(length: int, seconds: float) -> np.ndarray:
    """Fade in and out: `[length]`."""
    edge = np.minimum(np.arange(length), np.arange(length)[::-1]) / (seconds * SAMPLE_RATE)
    return np.clip(edge, 0, 1)
