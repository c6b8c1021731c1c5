"""Make music that soundfonts lack and that lies under speech.

Drones, sung leads without words, jingles, arpeggios, risers.

    python -m experiments.embedded_models.textures --out /tmp/composed --count 240

Pieces of half a minute, mono at 24 kHz, `<kind>-<number>__0.wav`: a kind of material that the
recordings are thin in, each made from its seed alone. data.py banks them with the composed music.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import scipy.signal
import soundfile

from experiments.embedded_models.data import SAMPLE_RATE
from experiments.embedded_models.oscillators import (
    Rng,
    oscillator,
    pitch,
    ramps,
    resonance,
    sweep,
    times,
)

SECONDS = 30.0
#: First three formants in Hz of five sung vowels, of a low voice (Peterson & Barney, "Control
#: methods used in a study of the vowels", JASA 1952, rounded); a higher voice is a sixth above.
VOWELS = {
    "a": (730, 1090, 2440),
    "e": (530, 1840, 2480),
    "i": (270, 2290, 3010),
    "o": (570, 840, 2410),
    "u": (300, 870, 2240),
}


def drone(rng: Rng) -> np.ndarray:
    """A few detuned tones over a root, each breathing slowly, with a band of noise."""
    root, t, out = rng.uniform(45, 160), times(SECONDS), np.zeros(round(SECONDS * SAMPLE_RATE))
    for ratio in rng.choice(
        [1, 1.5, 2, 3, 4, 5 / 2, 6 / 5, 5 / 4], int(rng.integers(2, 6)), replace=False
    ):
        for _ in range(2):  # a pair beats
            breath = 0.55 + 0.45 * np.sin(
                2 * np.pi * rng.uniform(0.03, 0.4) * t + rng.uniform(0, 6.3)
            )
            tone = oscillator(
                root * ratio * 2 ** (rng.normal(0, 0.06) / 12),
                SECONDS,
                rng,
                int(rng.integers(1, 12)),
                1.3,
            )
            out += breath * tone / ratio**0.5
    return out + rng.uniform(0, 0.6) * sweep(rng, SECONDS)


def sung(rng: Rng) -> np.ndarray:
    """A voice on vowels.

    A pulse train glides from note to note with vibrato, through three moving formants.
    """
    root, out, at = rng.uniform(110, 330), np.zeros(round(SECONDS * SAMPLE_RATE)), 0.0
    raised = 2 ** (2 / 12) if root > 180 else 1.0
    before = pitch(rng, root, 8)
    while at < SECONDS - 1:
        length = min(rng.uniform(0.3, 2.2), SECONDS - at)
        t, after = times(length), pitch(rng, root, 8)
        glide = np.clip(t / rng.uniform(0.05, 0.2), 0, 1)
        vibrato = (
            rng.uniform(0.2, 0.6)
            * np.clip(t / 0.4 - 0.5, 0, 1)
            * np.sin(2 * np.pi * rng.uniform(4.8, 6.4) * t)
        )
        source = oscillator(
            2 ** ((1 - glide) * np.log2(before) + glide * np.log2(after) + vibrato / 12),
            length,
            rng,
            40,
            0.8,
        )
        source += rng.uniform(0, 0.1) * rng.standard_normal(len(t))
        vowel = VOWELS[str(rng.choice(list(VOWELS)))]
        note = sum(
            resonance(source, raised * centre, 60 + 0.06 * centre) / (n + 1)
            for n, centre in enumerate(vowel)
        )
        start = round(at * SAMPLE_RATE)
        out[start : start + len(t)] += note * ramps(len(t), 0.05) * rng.uniform(0.5, 1)
        before, at = after, at + length + (rng.uniform(0.2, 1.5) if rng.random() < 0.25 else -0.03)
    return out


def jingle(rng: Rng) -> np.ndarray:
    """A short motif of bells (FM, Chowning 1973), repeated.

    Now and then there is a hit before it and silence after.
    """
    motif = [
        (rng.uniform(0, 1.2), pitch(rng, rng.uniform(250, 700), 10))
        for _ in range(int(rng.integers(2, 8)))
    ]
    ratio, depth, decay = (
        rng.choice([1.0, 1.4, 2.0, 3.5, 7.0]),
        rng.uniform(0.5, 6),
        rng.uniform(0.15, 1.2),
    )
    out, at = np.zeros(round(SECONDS * SAMPLE_RATE)), 0.0
    t = times(2.0)
    while at < SECONDS - 4:
        for delay, frequency in motif:
            fade = np.exp(-t / decay)
            bell = fade * np.sin(
                2 * np.pi * frequency * t + depth * fade * np.sin(2 * np.pi * ratio * frequency * t)
            )
            start = round((at + delay) * SAMPLE_RATE)
            out[start : start + len(t)] += bell
        if rng.random() < 0.4:
            start = round(at * SAMPLE_RATE)
            out[start : start + len(t)] += (
                2 * np.exp(-t / 0.2) * np.sin(2 * np.pi * (90 * t - 20 * t**2))
            )
        at += rng.uniform(1.6, 6.0)
    return out


def arpeggio(rng: Rng) -> np.ndarray:
    """Sixteenths of a saw through a filter that opens and closes, with echoes."""
    step, root = 60 / rng.uniform(80, 150) / 4, rng.uniform(80, 220)
    notes = [pitch(rng, root, 12) for _ in range(int(rng.choice([3, 4, 6, 8])))]
    out, length = np.zeros(round(SECONDS * SAMPLE_RATE)), round(step * SAMPLE_RATE)
    for number in range(int(SECONDS / step) - 1):
        tone = oscillator(notes[number % len(notes)], step, rng, 24, 1.0)
        start = round(number * step * SAMPLE_RATE)
        out[start : start + len(tone)] += (
            tone * ramps(len(tone), 0.004) * np.exp(-np.arange(len(tone)) / length * 2)
        )
    cutoff = rng.uniform(600, 5000)
    out = scipy.signal.sosfilt(scipy.signal.butter(2, cutoff, fs=SAMPLE_RATE, output="sos"), out)
    echo = round(3 * step * SAMPLE_RATE)
    for repeat in (1, 2, 3):
        out[repeat * echo :] += 0.45**repeat * out[: -repeat * echo]
    return out


def riser(rng: Rng) -> np.ndarray:
    """Noise and tones that climb for seconds, end in a hit, and begin again."""
    out, at = np.zeros(round(SECONDS * SAMPLE_RATE)), 0.0
    while at < SECONDS - 1:
        length = min(rng.uniform(1.5, 7), SECONDS - at)
        t = times(length)
        swell = (t / length) ** 2
        climb = rng.uniform(60, 300) * 2 ** (rng.uniform(1, 4) * t / length)
        start = round(at * SAMPLE_RATE)
        out[start : start + len(t)] += swell * (
            0.6 * oscillator(climb, length, rng, 6, 1.2) + sweep(rng, length)
        )
        at += length + rng.uniform(0.0, 1.0)
    return out


KINDS: dict[str, Callable[[Rng], np.ndarray]] = {
    "drone": drone, "sung": sung, "jingle": jingle, "arpeggio": arpeggio, "riser": riser,
}  # fmt: skip


def piece(kind: str, seed: int, number: int) -> np.ndarray:
    """One piece, peaking at -3 dBFS: float64 `[samples]`.

    A third of the pieces have two kinds at once, and most have a hall.
    """
    rng = np.random.default_rng((seed, number))
    wave = KINDS[kind](rng)
    wave = wave / (np.abs(wave).max() + 1e-9)
    if rng.random() < 0.33:
        other = KINDS[str(rng.choice(list(KINDS)))](rng)
        wave = wave + rng.uniform(0.2, 0.8) * other / (np.abs(other).max() + 1e-9)
    if rng.random() < 0.7:
        t = times(rng.uniform(0.3, 2.5))
        tail = rng.standard_normal(len(t)) * 10 ** (-3 * t / t[-1])
        wave = (
            wave
            + rng.uniform(0.1, 0.6)
            * scipy.signal.fftconvolve(wave, tail / np.sqrt(np.sum(tail**2)))[: len(wave)]
        )
    return wave * (0.708 / (np.abs(wave).max() + 1e-9))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=240, help="pieces, the kinds in turn")
    parser.add_argument("--seed", type=int, default=17)
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    for number in range(args.count):
        kind = list(KINDS)[number % len(KINDS)]
        soundfile.write(
            args.out / f"{kind}-{number:04d}__0.wav",
            piece(kind, args.seed, number),
            SAMPLE_RATE,
            subtype="PCM_16",
        )
    print(f"{args.count} pieces")


if __name__ == "__main__":
    main()
