"""Make the six pilot mixtures that ship with the package: synthetic speech over composed music.

    python -m experiments.pilot_data.make --out speechclean/assets/pilot

Four voices are of today's synthesisers, and no training hears them (`experiments/voices`); two are
flite's, as hard cases. Music comes from the composer of experiments/embedded_models rendered by
FluidSynth. Neither texts, tunes nor levels were chosen by looking at what a separator makes of
them; texts are such that a recogniser understands them without music. The same synthesisers,
FluidSynth and soundfont give the same samples.
"""

import argparse
import csv
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
import soxr

from experiments.embedded_models.compose import compose, to_midi
from experiments.embedded_models.render import render
from experiments.voices.levels import gain
from experiments.voices.speaking import Speaker
from experiments.voices.split import voices_for

HEAD_S, TAIL_S, LEAST_TAIL_S = 0.1, 0.4, 0.15
PEAK = 0.8


FLITE = "flite:"


@dataclass(frozen=True)
class Track:
    """One mixture: the voice says `text`, the piece `style`/`seed` plays `snr_db` below it; lead-in
    in seconds. `samples` is its length, None for what the speech takes.
    """

    alias: str
    voice: str
    language: str
    text: str
    style: str
    seed: int
    snr_db: float
    rate: int
    channels: int
    lead_s: float = HEAD_S
    samples: int | None = None
    subtype: str = "PCM_16"


TRACKS = [
    Track(
        alias="seed_42_run1__text_batched_generated",
        voice="flite:slt",
        language="en",
        text="This is the first part of the story. Today we will talk about the history of the "
        "city and the people who live there.",
        style="pop",
        seed=90_042,
        snr_db=6.0,
        rate=22_050,
        channels=1,
    ),
    Track(
        alias="seed_42_run2__welcome_intro_generated",
        voice="am_onyx+am_puck",
        language="en",
        text="Hello and welcome to our little workshop. Today we are going to build a kite.",
        style="orchestra",
        seed=90_043,
        snr_db=-3.0,
        rate=24_000,
        channels=1,
        lead_s=0.9,
        samples=135_819,
        subtype="PCM_24",
    ),
    Track(
        alias="seed_7_run1__podcast_opening_take2",
        voice="af_aoede+af_kore",
        language="en",
        text="I moved to this little island with two suitcases and a parrot, and I have never "
        "wanted to leave.",
        style="lofi",
        seed=90_107,
        snr_db=-1.0,
        rate=44_100,
        channels=2,
        samples=255_684,
    ),
    Track(
        alias="narrator_b__chapter_03_part_1",
        voice="em_santa",
        language="es",
        text="Cuando llegó la primavera, el viejo pescador pintó su barca de azul y volvió al mar.",
        style="ambient",
        seed=90_108,
        snr_db=4.0,
        rate=48_000,
        channels=1,
        samples=266_853,
    ),
    Track(
        alias="seed_1234_run3__product_tour_final",
        voice="joe",
        language="en",
        text="Hold the silver button until the lamp turns green. Your speaker is now ready for "
        "its first song.",
        style="electro",
        seed=90_234,
        snr_db=-3.0,
        rate=44_100,
        channels=2,
        lead_s=1.0,
        samples=277_345,
    ),
    Track(
        alias="seed_1234_run4__evening_news_generated",
        voice="flite:rms",
        language="en",
        text="The weather will be cold and dry in the north. There may be some rain on the coast "
        "later in the day.",
        style="folk",
        seed=90_235,
        snr_db=1.0,
        rate=24_000,
        channels=1,
    ),
]


@cache
def _speaker() -> Speaker:
    return Speaker()


def spoken(track: Track, folder: Path) -> tuple[np.ndarray, int]:
    """The sentence as its synthesiser says it, float64 `[samples]`, and its rate in Hz."""
    if not track.voice.startswith(FLITE):
        voice = next(one for one in voices_for("pilot") if one.name == track.voice)
        return _speaker().say(track.text, voice, seed=track.seed).astype(np.float64), voice.rate
    path, flite = folder / "speech.wav", track.voice.removeprefix(FLITE)
    path.unlink(missing_ok=True)
    command = ["flite", "-voice", flite, "-t", track.text, "-o", str(path)]
    subprocess.run(command, check=True, timeout=60)
    wave, rate = soundfile.read(path)
    loud = np.flatnonzero(np.abs(wave) > 1e-2 * np.abs(wave).max())
    return wave[max(0, loud[0] - rate // 50) : loud[-1] + rate // 50], rate


def speak(track: Track, folder: Path) -> np.ndarray:
    """The sentence at the track's rate with its silences around: float64 `[samples]`."""
    wave, rate = spoken(track, folder)
    wave = soxr.resample(wave, rate, track.rate)
    lead, tail = int(track.lead_s * track.rate), int(TAIL_S * track.rate)
    if track.samples is not None:
        tail = track.samples - lead - len(wave)
        if tail < LEAST_TAIL_S * track.rate:
            raise RuntimeError(f"{track.alias}: {len(wave) / track.rate:.2f} s of speech, too long")
    return np.pad(wave, (lead, tail))


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
    music = music * gain(speech, music, track.rate, track.snr_db)
    scale = PEAK / np.abs(speech + music).max()
    return (speech + music) * scale, speech * scale


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
            rows.append(
                row | {"transcript": track.text, "alias": track.alias, "language": track.language}
            )
            print(
                f"{track.alias}: {len(speech) / track.rate:.1f} s, {track.channels} ch, "
                f"{track.rate} Hz, {track.snr_db} dB"
            )
    with (args.out / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(
            file,
            ["path", "reference", "transcript", "alias", "language"],
            lineterminator="\n",
        )
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
