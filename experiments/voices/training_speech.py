"""Hours of Kokoro's speech to train on, with texts, from voices that a training may hear.

    python -m experiments.voices.training_speech --out DIR [--minutes 60] [--workers 2]

Half of the clips are said by voices halfway between two of one accent, of which there are many more
than voices. Texts come from templates, speeds vary, three in ten clips have been through MP3 or
Vorbis. A clip hangs on the seed and its number alone; one that is there is not made again. Files
are `<voice>__<number>.flac`, as `experiments.embedded_models.data` reads them, beside a
manifest.tsv with their texts.
"""

import argparse
import csv
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import soundfile

from experiments.embedded_models.voices import CODED, pick, text, through_codec
from experiments.voices.speaking import Speaker
from experiments.voices.split import Voice, for_training, voices_for

TEXTS = Path(__file__).with_name("training_texts.tsv")
BLENDED = 0.5
SPEEDS = (0.8, 1.25)
PIECE = 64  # clips between two looks at how much there is
COLUMNS = ("file", "kind", "seconds", "sample_rate", "channels", "id", "origin", "language", "text")


@dataclass(frozen=True)
class Clip:
    """What a number stands for."""

    number: int
    voice: Voice
    text: str
    speed: float
    coded: bool


def clip(number: int, seed: int) -> Clip:
    """The clip of that number."""
    rng = np.random.default_rng((seed, number))
    offer = voices_for("training")
    voice = offer[number % len(offer)]
    others = [one for one in offer if one.accent == voice.accent and one != voice]
    if others and rng.random() < BLENDED:
        other = others[int(rng.integers(len(others)))]
        (voice,) = for_training(["+".join(sorted((voice.name, other.name)))])
    said = text(rng) if voice.language == "en" else _foreign(voice.language, rng)
    return Clip(number, voice, said, float(rng.uniform(*SPEEDS)), bool(rng.random() < CODED))


@cache
def _grammar() -> dict[str, dict[str, str]]:
    """Order of the parts and their options, by language."""
    found: dict[str, dict[str, str]] = {}
    with TEXTS.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            found.setdefault(row["language"], {})[row["part"]] = row["options"]
    return found


def _foreign(language: str, rng: np.random.Generator) -> str:
    """One to three sentences in a language other than English."""
    parts, sentences = _grammar()[language], []
    for _ in range(int(rng.integers(1, 4))):
        words = {part: pick(rng, options) for part, options in parts.items()}
        more = words.pop("more")
        sentence = " ".join(words.values()) + (f", {more}" if rng.random() < 0.5 else "")
        sentences.append(sentence[0].upper() + sentence[1:] + ".")
    return " ".join(sentences)


@cache
def _speaker() -> Speaker:
    return Speaker()


def make(number: int, seed: int, out: Path) -> dict[str, str]:
    """Write that clip, unless it is there; its row of the manifest."""
    made = clip(number, seed)
    path = out / f"{made.voice.name}__{number:06d}.flac"
    if not path.exists():
        wave = _speaker().say(made.text, made.voice, made.speed)
        part = path.with_suffix(".part.wav")
        soundfile.write(part, wave * (0.9 / np.abs(wave).max()), made.voice.rate)
        if made.coded:
            through_codec(part, np.random.default_rng((seed, number, 1)))
        wave, rate = soundfile.read(part)
        part.unlink()
        whole = path.with_suffix(".part.flac")
        soundfile.write(whole, wave, rate)
        whole.rename(path)
    info = soundfile.info(path)
    values = (f"{info.duration:.2f}", str(info.samplerate), "1", made.voice.name, "tts")
    told = (path.name, "speech", *values, made.voice.language, made.text)
    return dict(zip(COLUMNS, told, strict=True))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60.0, help="audio to make, at least")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=17)
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, str]] = []
    with ProcessPoolExecutor(args.workers) as pool:
        while (seconds := sum(float(row["seconds"]) for row in rows)) < 60 * args.minutes:
            numbers = range(len(rows), len(rows) + PIECE)
            rows += pool.map(partial(make, seed=args.seed, out=args.out), numbers)
            with (args.out / "manifest.tsv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, COLUMNS, delimiter="\t", lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
            print(f"{seconds / 60:.1f} min before clip {len(rows)}", flush=True)
    print(f"{seconds / 60:.1f} min in {len(rows)} clips")


if __name__ == "__main__":
    main()
