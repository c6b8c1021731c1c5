"""Seeded mixtures of any folder of speech over any folder of music, with their references.

    python -m experiments.benchmark.mixing --speech DIR --music DIR --out DIR
        [--count 60] [--seed 20261124]

Without folders it takes what ships with the project: the pilot's voices, and the music under them.
Levels go from -5 to 15 dB in equal steps, in an order of chance; speech and music are drawn without
replacement until each is used up. The level is that of the speech against the music while somebody
speaks (20 ms frames within 40 dB of the loudest). Every second mixture keeps the music's stereo;
every other pair of them begins with 0.6 s of music alone. mixture = reference + music, peaking at
0.9 or less.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from speechclean.audio.sound_files import load, save
from speechclean.audio.waveform import Audio, resample
from speechclean.stages.datasets.folder import Folder
from speechclean.stages.datasets.manifest import Pilot

LEAD_S, FADE_S, FRAME_S = 0.6, 0.03, 0.02


def shipped() -> tuple[list[Audio], list[Audio], list[str]]:
    """The pilot's voices, and what its mixtures hold beside them, with their names."""
    voices, music = [], []
    for track in Pilot().tracks():
        mixture, voice = load(track.path), track.reference
        assert voice is not None
        voice = resample(voice, mixture.sample_rate, mixture.samples)
        voices.append(voice)
        music.append(mixture.with_waveform(mixture.waveform - voice.waveform))
    return voices, music, [track.alias for track in Pilot().tracks()]


def mixtures(
    speech: Sequence[Audio],
    music: Sequence[Audio],
    count: int,
    seed: int,
    levels: tuple[float, float] = (-5.0, 15.0),
) -> Iterator[tuple[Audio, Audio, int, int, float]]:
    """Mixture, reference, which speech, which music, and the level in dB; all at the speech's
    rate.
    """
    rng = np.random.default_rng(seed)
    snrs = rng.permutation(np.linspace(*levels, count))
    voices, tunes = _draw(len(speech), rng), _draw(len(music), rng)
    for number, snr in enumerate(snrs):
        voice, tune = next(voices), next(tunes)
        mixture, reference = _mix(speech[voice].mono(), music[tune], float(snr), number, rng)
        yield mixture, reference, voice, tune, float(snr)


def _draw(count: int, rng: np.random.Generator) -> Iterator[int]:
    while True:
        yield from map(int, rng.permutation(count))


def _mix(
    voice: Audio, tune: Audio, snr: float, number: int, rng: np.random.Generator
) -> tuple[Audio, Audio]:
    rate = voice.sample_rate
    tune = resample(tune if number % 2 and tune.channels == 2 else tune.mono(), rate)
    lead = round(LEAD_S * rate) if number // 2 % 2 == 0 else 0
    reference = torch.nn.functional.pad(voice.waveform, (lead, 0)).expand(tune.channels, -1)
    samples = reference.shape[-1]
    under = tune.waveform.repeat(1, -(-samples // tune.samples) + 1)
    start = int(rng.integers(0, max(1, tune.samples)))
    under = _faded(under[:, start : start + samples], rate)
    spoken, played = (_frames(one, rate) for one in (reference, under))
    active = spoken > spoken.max() * 1e-4
    under = (
        under
        * float(spoken[active].mean() / played[active].mean().clamp(min=1e-12) / 10 ** (snr / 10))
        ** 0.5
    )
    peak = max(float(one.abs().max()) for one in (reference + under, reference, under))
    scale = min(1.0, 0.9 / max(peak, 1e-9))
    return Audio((reference + under) * scale, rate), Audio((reference * scale).contiguous(), rate)


def _frames(waveform: Tensor, rate: int) -> Tensor:
    return (
        waveform.square().mean(0).unfold(0, round(FRAME_S * rate), round(FRAME_S * rate)).mean(-1)
    )


def _faded(waveform: Tensor, rate: int) -> Tensor:
    ramp = torch.linspace(0, 1, round(FADE_S * rate))
    gain = torch.ones(waveform.shape[-1])
    gain[: len(ramp)], gain[-len(ramp) :] = ramp, ramp.flip(0)
    return waveform * gain


def sources(
    speech: str | None, music: str | None
) -> tuple[list[Audio], list[Audio], list[str], list[str]]:
    """Sounds and names of two folders, or what ships."""
    if speech is None or music is None:
        voices, tunes, names = shipped()
        return voices, tunes, names, names
    tracks = [Folder(folder).tracks() for folder in (speech, music)]
    sounds = [[load(track.path) for track in group] for group in tracks]
    return (
        sounds[0],
        sounds[1],
        [track.alias for track in tracks[0]],
        [track.alias for track in tracks[1]],
    )


def read(folder: Path) -> Iterator[tuple[Audio, Audio, str, str, float]]:
    """Mixtures that lie in a folder already, with a `mixtures.tsv` (columns id, speech, music,
    snr_active_db) as ../shared/data/dev/mix.py leaves it: mixture, reference, names of speech and
    music, level in dB.
    """
    with (folder / "mixtures.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for row in rows:
        mixture, reference = (
            load(next(folder.glob(f"{row['id']}_{kind}.*"))) for kind in ("mix", "speech")
        )
        yield (
            mixture,
            reference,
            Path(row["speech"]).stem,
            Path(row["music"]).stem,
            float(row["snr_active_db"]),
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--speech")
    parser.add_argument("--music")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=20261124)
    options = parser.parse_args()
    voices, tunes, voice_names, tune_names = sources(options.speech, options.music)
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "manifest.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("path", "reference", "alias", "snr_db", "speech", "music"))
        made = mixtures(voices, tunes, options.count, options.seed)
        for number, (mixture, reference, voice, tune, snr) in enumerate(made):
            name = f"{number:03d}"
            save(mixture, options.out / f"{name}.wav", "PCM_24")
            save(reference, options.out / f"{name}.reference.wav", "PCM_24")
            row = (
                f"{name}.wav",
                f"{name}.reference.wav",
                name,
                f"{snr:.2f}",
                voice_names[voice],
                tune_names[tune],
            )
            table.writerow(row)
    print(
        f"{options.count} mixtures in {options.out}; speechclean dataset=manifest "
        f"dataset.path={options.out}/manifest.csv"
    )


if __name__ == "__main__":
    main()
