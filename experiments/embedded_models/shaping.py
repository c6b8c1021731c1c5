"""A source as it could have been recorded: speed, equaliser, low-pass, room.

All of it happens in one forward and one inverse FFT per source, so that a 3 s crop costs about
10 ms and the training step keeps the core. Units: samples at `SAMPLE_RATE`, dB, Hz.
"""

import numpy as np
import scipy.fft

from experiments.embedded_models.data import SAMPLE_RATE
from experiments.embedded_models.pools import PRE_ROLL, Pool

SPEEDS = (0.88, 1.14)  # slower and faster than recorded, pitch included


def curve(rng: np.random.Generator, freqs: np.ndarray, spread_db: float) -> np.ndarray:
    """Smooth random equaliser: gain per frequency.

    Seven knots, a bit more than an octave apart, with a spread of `spread_db` each.
    """
    knots = np.log2(np.geomspace(60.0, 12_000.0, 7))
    gains = rng.normal(0.0, spread_db, 7)
    return (10 ** (np.interp(np.log2(np.maximum(freqs, 20.0)), knots, gains) / 20)).astype(
        np.float32
    )


def low_pass(freqs: np.ndarray, cutoff_hz: float) -> np.ndarray:
    """Raised-cosine low-pass, 4 % of the cutoff wide, as resampling to a lower rate leaves it."""
    return (
        0.5 - 0.5 * np.cos(np.pi * np.clip((cutoff_hz - freqs) / (0.04 * cutoff_hz), 0, 1))
    ).astype(np.float32)


def room(rng: np.random.Generator, size: int) -> np.ndarray:
    """Spectrum of a direct sound and an exponentially decaying tail of noise.

    RT60 0.1-0.45 s, 6-20 dB below the direct sound.
    """
    rt60, level_db = rng.uniform(0.1, 0.45), rng.uniform(-20, -6)
    length = min(int(rt60 * SAMPLE_RATE), PRE_ROLL)
    tail = rng.standard_normal(length) * 10 ** (-3 * np.arange(length) / (rt60 * SAMPLE_RATE))
    tail[: int(0.004 * SAMPLE_RATE)] = 0
    tail *= 10 ** (level_db / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return scipy.fft.rfft(tail.astype(np.float32), size)


def shape(
    rng: np.random.Generator,
    pool: Pool,
    length: int,
    eq_db: float,
    rooms: float,
    cutoff_hz: float | None,
    speeds: tuple[float, float] = SPEEDS,
) -> tuple[np.ndarray, int]:
    """Draw a source and pass it through speed, equaliser, room and low-pass.

    Returns `[length]` and the rate that the source was stored at.
    """
    total = length + PRE_ROLL
    size = scipy.fft.next_fast_len(int(total * rng.uniform(*speeds)), real=True)
    wave, rate = pool.draw(rng, size)
    spectrum = scipy.fft.rfft(wave)
    bins = total // 2 + 1
    spectrum = np.pad(spectrum, (0, max(0, bins - len(spectrum))))[:bins] * np.float32(total / size)
    freqs = np.arange(bins) * (SAMPLE_RATE / total)
    spectrum *= curve(rng, freqs, eq_db)
    if rng.random() < rooms:
        spectrum *= room(rng, total)
    if cutoff_hz is not None:
        spectrum *= low_pass(freqs, cutoff_hz)
    shaped = scipy.fft.irfft(spectrum, total)[PRE_ROLL:]
    return shaped.astype(np.float32), rate
