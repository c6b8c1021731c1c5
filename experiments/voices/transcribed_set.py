"""The transcribed set: mixtures by which words are counted, from voices that no training hears.

    python -m experiments.voices.transcribed_set --data ../shared/data --out DIR [--workers 2]

84 texts (`transcribed.tsv`) said by the 17 voices that `voices.tsv` holds out for this set, and the
7 clips of DATA/dev that have transcripts, four times each, over the music of DATA/dev. A quarter of
each voice lies in each band of 5 dB from -5 to 15 dB (frames in which somebody speaks), and so does
a quarter of everything. Music alone comes before and after; a third is stereo, with the speech in
the middle. DIR gets wavs of 16 bits and set.csv. The same tools and data give the same bits.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
import soxr

from experiments.voices.levels import FRAME_S, active, energies, gain
from experiments.voices.speaking import Speaker
from experiments.voices.split import Voice, voices_for

TEXTS = Path(__file__).with_name("transcribed.tsv")
SEED = 20261126
BANDS = ((-5.0, 0.0), (0.0, 5.0), (5.0, 10.0), (10.0, 15.0))  # dB
RATES = (22_050, 24_000, 44_100, 48_000)  # of what is synthesised; dev's clips keep theirs
ENDS_S, LONGEST_S = (0.5, 2.5), 12.0  # music alone at either end; all of a mixture
LEVEL_DB = (-26.0, -18.0)  # of the speech while somebody speaks, full scale 0
PEAK, FADE_S = 0.9, 0.01
QUIETEST_DB = -12.0  # of the music under the speech against the piece's mean: no empty stretches
COLUMNS = (
    *("path", "reference", "transcript", "language", "alias"),
    *("snr_db", "voice", "piece", "speech_start_s", "speech_end_s"),
)


@dataclass(frozen=True)
class Item:
    """One mixture to be made; `clip` is a file of dev, or None for a text to be said."""

    alias: str
    text: str
    language: str
    voice: str
    clip: str | None
    snr_db: float
    rate: int | None
    stereo: bool
    piece: str


def plan(data: Path, seed: int = SEED) -> list[Item]:
    """All mixtures, in order. What is drawn hangs on the seed and on names alone."""
    rng = np.random.default_rng(seed)
    spoken = [(voice.name, voice.language, text, None) for voice, text in _said(rng)]
    clips = [(Path(file).stem, "en", text, file) for file, text in _clips(data)]
    pieces = sorted(path.name for path in (data / "dev" / "music").glob("*.flac"))
    if not clips or not pieces:
        raise FileNotFoundError(f"{data}/dev: no transcripts.tsv with clips, or no music/*.flac")
    # A voice's texts follow one another, so that every fourth is one of each voice and language.
    by_band = [spoken[band :: len(BANDS)] + clips for band in range(len(BANDS))]
    pool: list[str] = []
    items = []
    for band, (low, high) in enumerate(BANDS):
        count = len(by_band[band])
        edges = np.linspace(low, high, count + 1)
        levels = rng.permutation((edges[:-1] + edges[1:]) / 2)
        rates = rng.permutation(np.resize(RATES, count))
        for place, (voice, language, text, clip) in enumerate(by_band[band]):
            pool = pool or [str(name) for name in rng.permutation(pieces)]
            items.append(
                Item(
                    f"{band}{place:02d}_{language}_{voice.replace('+', '_')}",
                    text,
                    language,
                    voice,
                    clip,
                    round(float(levels[place]), 2),
                    None if clip else int(rates[place]),
                    (place + band) % 3 == 2,
                    pool.pop(),
                )
            )
    return items


def _said(rng: np.random.Generator) -> list[tuple[Voice, str]]:
    """Which voice says what: every language's texts go round its voices, a multiple of four
    each.
    """
    with TEXTS.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    pairs = []
    for language in dict.fromkeys(row["language"] for row in rows):
        voices = [voice for voice in voices_for("transcribed") if voice.language == language]
        texts = [row["text"] for row in rows if row["language"] == language]
        share, rest = divmod(len(texts), len(voices))
        if rest or share % len(BANDS):
            raise ValueError(f"{TEXTS.name}: {len(texts)} texts in {language} leave bands uneven")
        order = rng.permutation(len(texts))
        pairs += [(voices[at // share], texts[int(text)]) for at, text in enumerate(order)]
    return pairs


def _clips(data: Path) -> list[tuple[str, str]]:
    with (data / "dev" / "transcripts.tsv").open(newline="", encoding="utf-8") as file:
        return [(row["file"], row["text"]) for row in csv.DictReader(file, delimiter="\t")]


@cache
def _speaker() -> Speaker:
    return Speaker()


def speech_of(item: Item, data: Path, seed: int) -> tuple[np.ndarray, int]:
    """What is said, float64 `[samples]`, and its rate in Hz."""
    if item.clip is not None:
        wave, rate = soundfile.read(data / "dev" / item.clip)
        return wave.mean(axis=1) if wave.ndim == 2 else wave, rate
    voice = next(one for one in voices_for("transcribed") if one.name == item.voice)
    wave = _speaker().say(item.text, voice, seed=seed).astype(np.float64)
    assert item.rate is not None
    return soxr.resample(wave, voice.rate, item.rate), item.rate


def mix(
    speech: np.ndarray, rate: int, music: np.ndarray, item: Item, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Mixture and reference `[samples, channels]` of speech `[samples]` and a piece `[samples, 2]`
    at one rate.
    """
    lead, tail = rng.uniform(*ENDS_S, size=2)
    spare = max(2 * ENDS_S[0], LONGEST_S - len(speech) / rate)
    shrink = min(1.0, spare / (lead + tail))
    ends = (round(lead * shrink * rate), round(tail * shrink * rate))
    channels = 2 if item.stereo else 1
    reference = np.pad(speech, ends)[:, None].repeat(channels, axis=1)
    under = _stretch(music, reference, rate, rng)
    if not item.stereo:
        under = under.mean(axis=1, keepdims=True)
    under = under * gain(reference, under, rate, item.snr_db)
    level = energies(reference, rate)[active(reference, rate)].mean()
    scale = np.sqrt(10 ** (rng.uniform(*LEVEL_DB) / 10) / level)
    loudest = max(np.abs(wave).max() for wave in (reference + under, reference, under))
    scale = min(scale, PEAK / loudest)
    return (reference + under) * scale, reference * scale


def _stretch(
    music: np.ndarray, reference: np.ndarray, rate: int, rng: np.random.Generator
) -> np.ndarray:
    """As much of the piece as there is reference, from where it plays: `[samples, channels]`."""
    samples = len(reference)
    if len(music) < samples:
        music = np.resize(music, (samples, music.shape[1]))
    on, mean = active(reference, rate), (music**2).mean()
    for _ in range(50):
        start = int(rng.integers(0, len(music) - samples + 1))
        under = music[start : start + samples]
        if energies(under, rate)[on].mean() > mean * 10 ** (QUIETEST_DB / 10):
            break
    ramp = np.minimum(1.0, np.arange(samples) / (FADE_S * rate))
    return under * (ramp * ramp[::-1])[:, None]


def make(number: int, item: Item, data: Path, out: Path, seed: int) -> dict[str, str]:
    """Write one mixture and its reference; its row of the table."""
    rng = np.random.default_rng((seed, number))
    speech, rate = speech_of(item, data, seed + number)
    music, music_rate = soundfile.read(data / "dev" / "music" / item.piece, always_2d=True)
    music = np.repeat(music, 2, axis=1) if music.shape[1] == 1 else music
    mixture, reference = mix(speech, rate, soxr.resample(music, music_rate, rate), item, rng)
    names = {"path": f"{item.alias}.wav", "reference": f"{item.alias}.reference.wav"}
    for name, wave in zip(names.values(), (mixture, reference), strict=True):
        soundfile.write(out / name, wave, rate, subtype="PCM_16")
    spoken = np.flatnonzero(active(reference, rate)) * FRAME_S
    return names | {
        "transcript": item.text,
        "language": item.language,
        "alias": item.alias,
        "snr_db": f"{item.snr_db:.2f}",
        "voice": item.voice,
        "piece": Path(item.piece).stem,
        "speech_start_s": f"{spoken[0]:.2f}",
        "speech_end_s": f"{spoken[-1] + FRAME_S:.2f}",
    }


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=SEED)
    args = parser.parse_args(argv)
    items = plan(args.data, args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    count = len(items)
    every = (range(count), items, [args.data] * count, [args.out] * count, [args.seed] * count)
    with ProcessPoolExecutor(args.workers) as pool:
        rows = list(pool.map(make, *every))
    with (args.out / "set.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{count} mixtures in {args.out}/set.csv")


if __name__ == "__main__":
    main()
