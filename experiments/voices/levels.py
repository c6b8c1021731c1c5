"""Music under speech at a level, for the sets that are made here."""

import numpy as np

FRAME_S = 0.02
ACTIVE = 1e-4  # of the loudest frame's energy: 40 dB below it


def energies(wave: np.ndarray, rate: int) -> np.ndarray:
    """Mean square of every frame of `[samples, channels]`, over channels: `[frames]`."""
    frame = round(FRAME_S * rate)
    whole = wave[: len(wave) // frame * frame]
    mean: np.ndarray = (whole**2).mean(axis=1).reshape(-1, frame).mean(axis=1)
    return mean


def active(speech: np.ndarray, rate: int) -> np.ndarray:
    """Whether somebody speaks, frame by frame."""
    found = energies(speech, rate)
    return found > found.max() * ACTIVE


def gain(speech: np.ndarray, music: np.ndarray, rate: int, snr_db: float) -> float:
    """What to multiply the music with, so that the speech is `snr_db` above it while somebody
    speaks; both `[samples, channels]`.
    """
    on = active(speech, rate)
    ratio = energies(speech, rate)[on].mean() / energies(music, rate)[on].mean()
    return float(np.sqrt(ratio / 10 ** (snr_db / 10)))
