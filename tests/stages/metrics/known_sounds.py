"""Sounds that come out the same everywhere, by formulas alone: a voice of sorts, and a chord."""

from __future__ import annotations

import numpy as np
import torch

from speechclean.audio.waveform import Audio

RATE = 16000


def voice(seconds: float, pitch_hz: float = 120.0, tract: float = 1.0) -> Audio:
    """Vowels in syllables of 0.28 s, every sixth a pause: harmonics under two moving formants.

    `tract` scales the formants: 1.15 or so makes another speaker.
    """
    time = np.arange(round(seconds * RATE)) / RATE
    syllable = np.floor(time / 0.28)
    first = tract * (350 + 300 * (syllable * 0.37 % 1))
    second = tract * (900 + 1300 * (syllable * 0.61 % 1))
    phase = 2 * np.pi * np.cumsum(pitch_hz * (1 + 0.08 * np.sin(2 * np.pi * 0.9 * time))) / RATE
    sound = np.zeros_like(time)
    for number in range(1, int(5000 / pitch_hz)):
        hz = number * pitch_hz
        formants = 1 / (1 + ((hz - first) / 90) ** 2) + 0.5 / (1 + ((hz - second) / 130) ** 2)
        sound += (formants + 0.02) * np.sin(number * phase) / np.sqrt(number)
    swell = np.sin(np.pi * (time / 0.28 % 1)) ** 0.6 * (syllable % 6 < 5)
    return Audio(torch.from_numpy(0.1 * sound * swell).float()[None], RATE)


def chord(seconds: float, level: float = 0.05) -> Audio:
    """Three notes with overtones, struck anew every second."""
    time = np.arange(round(seconds * RATE)) / RATE
    notes = sum(
        np.sin(2 * np.pi * hz * overtone * time) / overtone
        for hz in (220.0, 277.2, 329.6)
        for overtone in range(1, 6)
    )
    return Audio(torch.from_numpy(level * notes * np.exp(-1.5 * (time % 1))).float()[None], RATE)


def mixed(first: Audio, second: Audio) -> Audio:
    """The sum of two sounds of one rate, as long as the shorter one."""
    samples = min(first.samples, second.samples)
    return first.with_waveform(first.waveform[:, :samples] + second.waveform[:, :samples])
