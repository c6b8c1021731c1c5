"""Seeded crops of speech over music, for training and validation.

Units: samples at `SAMPLE_RATE`, dB, Hz; waves are float32 `[samples]`.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft

from experiments.embedded_models.activity import FRAME, active, gain_for
from experiments.embedded_models.data import SAMPLE_RATE
from experiments.embedded_models.pools import Pool
from experiments.embedded_models.shaping import low_pass, shape


@dataclass(frozen=True)
class Crop:
    """What a model is given (`speech + music`) and what it should answer.

    `music` holds noise too.
    """

    speech: np.ndarray
    music: np.ndarray
    snr_db: float


@dataclass(frozen=True)
class Recipe:
    """Shares and ranges of the mixtures; the probabilities are per crop."""

    snr_db: tuple[float, float] = (-7.0, 17.0)
    speech_alone: float = 0.08
    music_alone: float = 0.05
    two_musics: float = 0.25
    noise: float = 0.08
    room: float = 0.15
    fade: float = 0.15
    cut: float = 0.08
    lead: float = 0.16
    duck: float = 0.12
    narrow: float = 0.12
    speech_eq_db: float = 3.0
    music_eq_db: float = 4.0
    music_speeds: tuple[float, float] = (0.75, 1.33)
    real: float = 0.8
    silence: float = 0.0


def envelope(rng: np.random.Generator, length: int, recipe: Recipe) -> np.ndarray | float:
    """Random gain of music over a crop, as under real speech.

    Fades (up to 18 dB over the crop) and cuts (music starts or stops in it).
    """
    draw = rng.random()
    if draw < recipe.fade:
        return (10 ** (np.linspace(0, rng.uniform(-18, 18), length) / 20)).astype(np.float32)
    if draw < recipe.fade + recipe.cut:
        at, width = rng.uniform(0.15, 0.85) * length, rng.uniform(0.01, 0.3) * SAMPLE_RATE
        ramp = np.clip((np.arange(length) - at) / width, 0, 1).astype(np.float32)
        return ramp if rng.random() < 0.5 else 1 - ramp
    return 1.0


def ducked(rng: np.random.Generator, speech: np.ndarray) -> np.ndarray:
    """Gain of music that steps back under the voice: `[samples]`.

    It is 4-14 dB down while somebody speaks, with one-pole glides of 0.05-0.3 s down and 0.2-0.8 s
    up, like a side-chained compressor.
    """
    speaks, depth = active(speech), rng.uniform(4, 14)
    rates = [
        1 - np.exp(-0.02 / seconds) for seconds in (rng.uniform(0.05, 0.3), rng.uniform(0.2, 0.8))
    ]
    level, course = float(speaks[0]) if len(speaks) else 0.0, np.zeros(len(speaks))
    for frame, on in enumerate(speaks):
        level += rates[0 if on else 1] * (float(on) - level)
        course[frame] = level
    at = np.arange(len(speech)) / FRAME
    return (10 ** (-depth * np.interp(at, np.arange(len(course)) + 0.5, course) / 20)).astype(
        np.float32
    )


def lead(rng: np.random.Generator, length: int) -> np.ndarray:
    """Gain of a voice that comes in late or stops early: 0 and 1, `[length]`, with 10 ms ramps.

    Before a late voice there is music alone (a lead-in).
    """
    at, width = rng.uniform(0.15, 0.6) * length, 0.01 * SAMPLE_RATE
    ramp = np.clip((np.arange(length) - at) / width, 0, 1).astype(np.float32)
    return ramp if rng.random() < 0.6 else ramp[::-1]


def sounds(rng: np.random.Generator, length: int, share: float) -> np.ndarray | float:
    """0 for up to a second at either end, or both, and 1 in between: `[length]`.

    In a `share` of the crops; 1 in the others.
    """
    if rng.random() >= share:
        return 1.0
    ends = rng.uniform(0, 1, 2) * min(SAMPLE_RATE, length // 4) * (rng.random(2) < 0.7)
    inside = np.zeros(length, np.float32)
    inside[int(ends[0]) : length - int(ends[1])] = 1
    return inside


def music_under(
    rng: np.random.Generator,
    pools: dict[str, Pool],
    speech: np.ndarray,
    cutoff: float | None,
    recipe: Recipe,
) -> np.ndarray:
    """What a crop's voice is under: music, another with it, noise; as long as the voice."""
    length = len(speech)
    music, _ = shape(
        rng, pools["music"], length, recipe.music_eq_db, 0.0, cutoff, recipe.music_speeds
    )
    if rng.random() < recipe.two_musics:
        other, _ = shape(
            rng, pools["music"], length, recipe.music_eq_db, 0.0, cutoff, recipe.music_speeds
        )
        music = music + other * gain_for(music, other, rng.uniform(0, 10))
    music = music * envelope(rng, length, recipe)
    if recipe.duck and rng.random() < recipe.duck:
        music = music * ducked(rng, speech)
    if rng.random() < recipe.noise and "noise" in pools:
        other, _ = shape(rng, pools["noise"], length, recipe.music_eq_db, 0.0, cutoff)
        music = music + other * gain_for(music, other, rng.uniform(3, 20))
    return music


def crop(rng: np.random.Generator, pools: dict[str, Pool], length: int, recipe: Recipe) -> Crop:
    """One mixture of `length` samples; the same generator state gives the same crop."""
    kind = rng.random()
    cutoff: float | None = None
    speech, rate = shape(rng, pools["speech"], length, recipe.speech_eq_db, recipe.room, None)
    if rate < SAMPLE_RATE and rng.random() < 0.7:
        cutoff = 0.485 * rate
    elif rng.random() < recipe.narrow:
        cutoff = float(rng.uniform(3_800, 11_500))
    if cutoff is not None:
        spectrum = scipy.fft.rfft(speech)
        spectrum *= low_pass(np.arange(len(spectrum)) * (SAMPLE_RATE / length), cutoff)
        speech = scipy.fft.irfft(spectrum, length).astype(np.float32)
    if rng.random() < recipe.lead:
        speech = speech * lead(rng, length)
    music = music_under(rng, pools, speech, cutoff, recipe)
    snr_db = float(rng.uniform(*recipe.snr_db))
    music = music * gain_for(speech, music, snr_db)
    if kind < recipe.speech_alone:
        music, snr_db = np.zeros_like(music), float("inf")
    elif kind < recipe.speech_alone + recipe.music_alone:
        speech, snr_db = np.zeros_like(speech), float("-inf")
    if recipe.silence:
        heard = sounds(rng, length, recipe.silence)
        speech, music = speech * heard, music * heard
    level = 10 ** (rng.uniform(-30, -16) / 20) / (np.sqrt(np.mean((speech + music) ** 2)) + 1e-5)
    return Crop((speech * level).astype(np.float32), (music * level).astype(np.float32), snr_db)


def batch(
    rng: np.random.Generator, pools: dict[str, Pool], size: int, length: int, recipe: Recipe
) -> np.ndarray:
    """`size` crops as float32 `[size, 2, length]`, sources in the order (music, speech)."""
    crops = [crop(rng, pools, length, recipe) for _ in range(size)]
    return np.stack([np.stack([c.music, c.speech]) for c in crops])
