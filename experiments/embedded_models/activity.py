"""Where a voice is active, and levels measured there: what signal-to-noise ratios of mixtures mean.

Waves are float32 `[samples]` at `SAMPLE_RATE`.
"""

import numpy as np

from experiments.embedded_models.data import SAMPLE_RATE

FRAME = SAMPLE_RATE // 50  # 20 ms, the frame in which speech counts as active


def active(wave: np.ndarray) -> np.ndarray:
    """Which 20 ms frames lie within 40 dB of the loudest one: bool `[frames]`."""
    energy = frame_energy(wave)
    return energy > energy.max(initial=0.0) * 1e-4


def frame_energy(wave: np.ndarray) -> np.ndarray:
    """Mean power per 20 ms frame: `[frames]`."""
    frames = len(wave) // FRAME
    return (wave[: frames * FRAME].reshape(frames, FRAME) ** 2).mean(axis=1)


def gain_for(speech: np.ndarray, other: np.ndarray, snr_db: float) -> float:
    """Gain for `other` that puts `speech` at `snr_db` over it while speech is active.

    1 beside a stretch of digital silence, which is at no ratio to anything.
    """
    on = active(speech)
    if not on.any():
        return 1.0
    power, rest = frame_energy(speech)[on].mean(), frame_energy(other)[on].mean()
    return float(
        np.sqrt(
            power / (max(rest, 0.02 * frame_energy(other).mean()) + 1e-10) / 10 ** (snr_db / 10)
        )
    )
