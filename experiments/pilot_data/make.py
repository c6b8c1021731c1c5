"""Make the six pilot mixtures that ship with the package: synthetic speech over composed music.

    python -m experiments.pilot_data.make --out speechclean/assets/pilot

Speech comes from flite, music from the composer of experiments/embedded_models rendered by
FluidSynth. Neither texts, tunes nor levels were chosen by looking at what a separator makes of
them; texts are such that Whisper base understands them without music. The same flite,
FluidSynth and soundfont give the same samples.
"""

import argparse
import csv
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from experiments.embedded_models.compose import compose, to_midi
from experiments.embedded_models.render import render

HEAD_S, TAIL_S = 0.1, 0.4
PEAK = 0.8


@dataclass(frozen=True)
class Track:
    """One mixture: the voice says `text`, the piece `style`/`seed` plays `snr_db` below it; lead-in
    in seconds.
    """

    alias: str
    voice: str
    text: str
    style: str
    seed: int
    snr_db: float
    rate: int
    channels: int
    lead_s: float = 0.0
    subtype: str = "PCM_16"


TRACKS = [
    Track(
        "seed_42_run1__text_batched_generated",
        "slt",
        "This is the first part of the story. Today we will talk about the history of the city "
        "and the people who live there.",
        "pop",
        90_042,
        6.0,
        22_050,
        1,
    ),
    Track(
        "seed_42_run2__welcome_intro_generated",
        "rms",
        "Good morning and welcome to the show. We have a lot of news for you today.",
        "orchestra",
        90_043,
        3.0,
        24_000,
        1,
        0.9,
        "PCM_24",
    ),
    Track(
        "seed_7_run1__podcast_opening_take2",
        "slt",
        "People often ask me how I started to write. The answer is very simple. I had a lot of "
        "time.",
        "lofi",
        90_107,
        5.0,
        44_100,
        2,
    ),
    Track(
        "narrator_b__chapter_03_part_1",
        "rms",
        "The old man looked at the water for a long time. Then he went back to the house.",
        "ambient",
        90_108,
        8.0,
        48_000,
        1,
    ),
    Track(
        "seed_1234_run3__product_tour_final",
        "slt",
        "Thank you for your time this morning. We would like to tell you about the old bridge "
        "and the new road.",
        "electro",
        90_234,
        4.0,
        44_100,
        2,
        1.0,
    ),
    Track(
        "seed_1234_run4__evening_news_generated",
        "rms",
        "The weather will be cold and dry in the north. There may be some rain on the coast "
        "later in the day.",
        "folk",
        90_235,
        1.0,
        24_000,
        1,
    ),
]


def speak(track: Track, folder: Path) -> np.ndarray:
    """The sentence at the track's rate with its silences around: float64 `[samples]`."""
    path = folder / "speech.wav"
    path.unlink(missing_ok=True)
    subprocess.run(
        ["flite", "-voice", track.voice, "-t", track.text, "-o", str(path)], check=True, timeout=60
    )
    wave, rate = soundfile.read(path)
    loud = np.flatnonzero(np.abs(wave) > 1e-2 * np.abs(wave).max())
    wave = wave[max(0, loud[0] - rate // 50) : loud[-1] + rate // 50]
    ends = (int((track.lead_s or HEAD_S) * track.rate), int(TAIL_S * track.rate))
    return np.pad(soxr.resample(wave, rate, track.rate), ends)


def play(track: Track, seconds: float, folder: Path) -> np.ndarray:
    """The piece from its third bar on, when its parts have come in: float64 `[samples,
    channels]`.
    """
    skip_s = 8.0
    midi, path = folder / "music.mid", folder / "music.wav"
    midi.write_bytes(to_midi(*compose(track.seed, seconds + skip_s, track.style), seconds + skip_s))
    if not render(midi, path, seconds + skip_s, track.rate):
        raise RuntimeError(f"FluidSynth did not render the music of {track.alias}")
    wave, _ = soundfile.read(path, always_2d=True)
    wave = wave[int(skip_s * track.rate) :]
    return wave if track.channels == 2 else wave.mean(axis=1, keepdims=True)


def mix(track: Track, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """(mixture, speech), both `[samples, channels]`; SNR over the 20 ms frames within 40 dB of the
    loudest.
    """
    speech = speak(track, folder)[:, None].repeat(track.channels, axis=1)
    music = play(track, len(speech) / track.rate, folder)[: len(speech)]
    music = np.pad(music, ((0, len(speech) - len(music)), (0, 0)))
    frame = track.rate // 50

    def energy(wave: np.ndarray) -> np.ndarray:
        whole = wave[: len(wave) // frame * frame]
        return (whole**2).mean(axis=1).reshape(-1, frame).mean(axis=1)

    on = energy(speech) > energy(speech).max() * 1e-4
    music *= np.sqrt(
        energy(speech)[on].mean() / energy(music)[on].mean() / 10 ** (track.snr_db / 10)
    )
    gain = PEAK / np.abs(speech + music).max()
    return (speech + music) * gain, speech * gain


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("speechclean/assets/pilot"))
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for track in TRACKS:
            mixture, speech = mix(track, Path(name))
            row = {"path": f"{track.alias}.flac", "reference": f"{track.alias}.reference.flac"}
            soundfile.write(args.out / row["path"], mixture, track.rate, subtype=track.subtype)
            soundfile.write(args.out / row["reference"], speech, track.rate, subtype=track.subtype)
            rows.append(row | {"transcript": track.text, "alias": track.alias, "language": "en"})
            print(
                f"{track.alias}: {len(speech) / track.rate:.1f} s, {track.channels} ch, "
                f"{track.rate} Hz, {track.snr_db} dB"
            )
    with (args.out / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(
            file, ["path", "reference", "transcript", "alias", "language"], lineterminator="\n"
        )
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
