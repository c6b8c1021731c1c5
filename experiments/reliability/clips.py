"""Thousands of short clips, cut from recordings: speech under music."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

SHORTEST_S, LONGEST_S, RATE = 2.0, 6.0, 24000


def make(folder: Path, data: Path, count: int, seed: int = 0) -> float:
    """Cut `count` clips; seconds of sound in all."""
    from speechclean.audio.sound_files import load
    from speechclean.audio.waveform import resample

    generator = np.random.default_rng(seed)
    sounds = {
        kind: [
            resample(load(path).mono(), RATE).waveform[0].numpy()
            for path in sorted((data / kind).glob("*.*"))[:12]
            if path.suffix in (".wav", ".flac", ".ogg", ".mp3")
        ]
        for kind in ("speech", "music")
    }
    folder.mkdir(parents=True, exist_ok=True)
    total = 0.0
    for number in range(count):
        seconds = float(generator.uniform(SHORTEST_S, LONGEST_S))
        speech, music = (
            _cut(sounds[kind][generator.integers(len(sounds[kind]))], seconds, generator)
            for kind in sounds
        )
        level = np.sqrt(np.mean(speech**2) / max(np.mean(music**2), 1e-9)) * 10 ** (
            -generator.uniform(0, 15) / 20
        )
        mixed = speech + level * music
        path = folder / f"seed_{number % 10}_run{number % 7}__text_{number:05d}_generated.wav"
        soundfile.write(path, 0.5 * mixed / max(np.abs(mixed).max(), 1e-9), RATE)
        total += len(mixed) / RATE
    return total


def _cut(sound: np.ndarray, seconds: float, generator: np.random.Generator) -> np.ndarray:
    length = int(seconds * RATE)
    start = int(generator.integers(max(1, len(sound) - length)))
    return np.resize(sound[start : start + length], length)
