"""Seeded crops of speech over music: what the models hear in training and what chooses between them
in validation.

Everything linear (speed, equaliser, low-pass, room) happens in one forward and one inverse FFT per
source, so that a 3 s crop costs about 10 ms and the training step keeps the core. Units: samples at
`SAMPLE_RATE`, dB, Hz; waves are float32 `[samples]`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.fft

from experiments.embedded_models.data import SAMPLE_RATE, Bank, Clip

# read before the crop: circular filters wrap into it, then it is dropped
PRE_ROLL = SAMPLE_RATE // 2
SPEEDS = (0.88, 1.14)  # slower and faster than recorded, pitch included
FRAME = SAMPLE_RATE // 50  # 20 ms, the frame in which speech counts as active


@dataclass(frozen=True)
class Crop:
    """What a model is given (`speech + music`) and what it should answer; `music` holds noise
    too.
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


class Pool:
    """Clips to draw from: a voice or track by the square root of its length, then a clip by its
    length.
    """

    def __init__(self, banks: Sequence[tuple[Bank, float]], split: str) -> None:
        self.parts = []
        for bank, share in banks:
            by_id: dict[str, list[Clip]] = {}
            for clip in bank.of(split):
                by_id.setdefault(clip.id, []).append(clip)
            if not by_id:
                continue
            groups = list(by_id.values())
            weights = np.sqrt([sum(clip.length for clip in group) for group in groups])
            self.parts.append((bank, share, groups, weights / weights.sum()))
        total = sum(share for _, share, _, _ in self.parts)
        self.shares = [share / total for _, share, _, _ in self.parts]

    def draw(self, rng: np.random.Generator, length: int) -> tuple[np.ndarray, int]:
        """A loud enough float32 `[length]` and the sample rate that its clip was stored at."""
        for _ in range(8):
            bank, _, groups, weights = self.parts[rng.choice(len(self.parts), p=self.shares)]
            group = groups[rng.choice(len(groups), p=weights)]
            lengths = np.array([clip.length for clip in group], float)
            clip = group[rng.choice(len(group), p=lengths / lengths.sum())]
            wave = np.zeros(length, np.float32)
            if clip.length >= length:
                wave[:] = bank.read(clip, int(rng.integers(clip.length - length + 1)), length)
            else:
                at = int(rng.integers(length - clip.length + 1))
                wave[at : at + clip.length] = bank.read(clip, 0, clip.length)
            if np.sqrt(np.mean(wave[PRE_ROLL:] ** 2)) > 3e-3:
                break
        return wave, clip.source_rate


def curve(rng: np.random.Generator, freqs: np.ndarray, spread_db: float) -> np.ndarray:
    """Smooth random equaliser: gain per frequency, seven knots an octave and a bit apart,
    `spread_db` each.
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
    """Spectrum of a direct sound plus an exponentially decaying noise tail (RT60 0.1-0.45 s, 6-20
    dB below it).
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
    speeds=SPEEDS,
):
    """Draw a source and pass it through speed, equaliser, room and low-pass: `[length]` and its
    stored rate.
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


def active(wave: np.ndarray) -> np.ndarray:
    """Which 20 ms frames lie within 40 dB of the loudest one: bool `[frames]`."""
    energy = frame_energy(wave)
    return energy > energy.max(initial=0.0) * 1e-4


def frame_energy(wave: np.ndarray) -> np.ndarray:
    """Mean power per 20 ms frame: `[frames]`."""
    frames = len(wave) // FRAME
    return (wave[: frames * FRAME].reshape(frames, FRAME) ** 2).mean(axis=1)


def gain_for(speech: np.ndarray, other: np.ndarray, snr_db: float) -> float:
    """Gain for `other` that puts `speech` at `snr_db` over it while speech is active."""
    on = active(speech)
    power, rest = frame_energy(speech)[on].mean(), frame_energy(other)[on].mean()
    return float(
        np.sqrt(
            power / (max(rest, 0.02 * frame_energy(other).mean()) + 1e-10) / 10 ** (snr_db / 10)
        )
    )


def envelope(rng: np.random.Generator, length: int, recipe: Recipe) -> np.ndarray | float:
    """Fades (up to 18 dB over the crop) and cuts (music starts or stops in it), as under real
    speech.
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
    """Gain of music that steps back under the voice, `[samples]`: 4-14 dB down while somebody
    speaks, in and out by one-pole glides of 0.05-0.3 s and 0.2-0.8 s, as a side-chained compressor
    does it.
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
    """Gate of 0 and 1, `[length]`, 10 ms ramps: the voice comes in late (a lead-in of music alone)
    or stops early.
    """
    at, width = rng.uniform(0.15, 0.6) * length, 0.01 * SAMPLE_RATE
    ramp = np.clip((np.arange(length) - at) / width, 0, 1).astype(np.float32)
    return ramp if rng.random() < 0.6 else ramp[::-1]


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
    snr_db = float(rng.uniform(*recipe.snr_db))
    music = music * gain_for(speech, music, snr_db)
    if kind < recipe.speech_alone:
        music, snr_db = np.zeros_like(music), float("inf")
    elif kind < recipe.speech_alone + recipe.music_alone:
        speech, snr_db = np.zeros_like(speech), float("-inf")
    level = 10 ** (rng.uniform(-30, -16) / 20) / (np.sqrt(np.mean((speech + music) ** 2)) + 1e-5)
    return Crop((speech * level).astype(np.float32), (music * level).astype(np.float32), snr_db)


def make_pools(banks: dict[str, Bank], split: str, real: float) -> dict[str, Pool]:
    """Pools of one split from the banks present: `voices` and `composed` join `speech` and `music`
    at `1 - real`.
    """

    def pool(main: str, extra: str) -> Pool:
        parts = [(banks[main], real)]
        if extra in banks and real < 1:
            parts.append((banks[extra], 1 - real))
        return Pool(parts, split)

    return {
        "speech": pool("speech", "voices"),
        "music": pool("music", "composed"),
    } | ({"noise": Pool([(banks["noise"], 1.0)], "train")} if "noise" in banks else {})


def batch(
    rng: np.random.Generator, pools: dict[str, Pool], size: int, length: int, recipe: Recipe
) -> np.ndarray:
    """`size` crops as float32 `[size, 2, length]`, sources in the order (music, speech)."""
    crops = [crop(rng, pools, length, recipe) for _ in range(size)]
    return np.stack([np.stack([c.music, c.speech]) for c in crops])
