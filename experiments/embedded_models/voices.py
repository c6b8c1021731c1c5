"""Synthetic speech from free engines (flite, espeak-ng, RHVoice, festival).

The texts are made from templates written here.

Engines that are not installed are skipped and named. Every clip is deterministic from the seed:
text, voice, rate, pitch, and whether it then goes through a codec.

    python -m experiments.embedded_models.voices --out /tmp/voices --minutes 60
"""

import argparse
import io
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

TIMEOUT_S = 30
WHO = (
    "the doctor|my neighbour|a young engineer|our captain|every student|the old baker|nobody|"
    "the committee|her sister"
)
DOES = (
    "opened|carried|forgot|described|repaired|measured|painted|finished|questioned|followed|"
    "borrowed|cleaned|watched"
)
WHAT = (
    "the wooden box|a quiet garden|three yellow cups|the long report|every window|a broken "
    "clock|the river path|his coat"
)
WHEN = (
    "before sunrise|on Thursday|after the meeting|without a word|in the early spring|for "
    "eleven days|near the station"
)
MORE = (
    "because the weather had changed|while the others were asleep|and then it began to rain|"
    "although it was very late"
)
ASK = (
    "Could you explain why|Do you remember when|Who would believe that|Is it possible that|How "
    "often has it happened that"
)
SAY = (
    "Please note that|In other words,|To be honest,|Today we learn how|Welcome back, and "
    "remember that|They say that"
)
COUNT = (
    "one|two|three|seven|twelve|fourteen|twenty six|forty|ninety nine|a hundred|five "
    "thousand|half a million"
)
NOUN = (
    "apples|kilometres|letters|visitors|questions|seconds|euros|lamps|mountains|pages|"
    "machines|violins|stories|chairs"
)

ESPEAK_ACCENTS = "en-us|en-gb|en-gb-scotland|en-029|en-gb-x-rp|en-us-nyc|de|fr-fr|es|it|pl|sv"
ESPEAK_SHAPES = (
    "f1|f2|f3|f4|f5|m1|m2|m3|m4|m5|m6|m7|m8|klatt2|klatt4|linda|paul|steph|belinda|"
    "Annie|Michael|Alicia"
)
FLITE = ["kal16", "awb", "rms", "slt"]
FESTIVAL = ["kal_diphone", "cmu_us_slt_arctic_hts"]
RHVOICE = ["alan", "bdl", "clb", "evgeniy-eng", "lyubov", "slt"]


def pick(rng: np.random.Generator, options: str) -> str:
    """One of the options that a bar separates."""
    words = options.split("|")
    return words[int(rng.integers(len(words)))]


def sentence(rng: np.random.Generator) -> str:
    """One sentence of six to twenty words.

    Some ask, some count, some carry a subordinate clause.
    """
    core = f"{pick(rng, WHO)} {pick(rng, DOES)} {pick(rng, WHAT)}"
    draw = rng.random()
    if draw < 0.2:
        return f"{pick(rng, ASK)} {core} {pick(rng, WHEN)}?"
    if draw < 0.4:
        return f"{pick(rng, SAY)} {core}."
    if draw < 0.55:
        return (
            f"{core.capitalize()}: {pick(rng, COUNT)} {pick(rng, NOUN)}, {pick(rng, COUNT)} "
            f"{pick(rng, NOUN)}."
        )
    if draw < 0.8:
        return f"{core.capitalize()} {pick(rng, WHEN)}, {pick(rng, MORE)}."
    return f"{core.capitalize()} {pick(rng, WHEN)}."


def text(rng: np.random.Generator) -> str:
    """One to three sentences."""
    return " ".join(sentence(rng) for _ in range(int(rng.integers(1, 4))))


#: Share of clips that have been through a codec; rates that MP3 knows.
CODED = 0.3
MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


def installed() -> list[tuple[str, str]]:
    """(engine, voice) pairs whose command is there."""
    accents, shapes = ESPEAK_ACCENTS.split("|"), ESPEAK_SHAPES.split("|")
    espeak = [
        f"{accent}+{shapes[(3 * i + 7 * j) % len(shapes)]}"
        for i, accent in enumerate(accents)
        for j in range(4)
    ]
    offer = {
        "flite": FLITE * 3,
        "espeak-ng": espeak,
        "text2wave": FESTIVAL * 2,
        "RHVoice-test": RHVOICE * 2,
    }
    found = []
    for command, voices in offer.items():
        if shutil.which(command):
            found += [(command, voice) for voice in voices]
        else:
            print(f"{command}: not installed, its voices are left out")
    return found


def speak(engine: str, voice: str, words: str, rng: np.random.Generator, path: Path) -> bool:
    """Run one engine; true if it ended well and left a readable file of at least half a second."""
    path.unlink(missing_ok=True)
    rate, pitch = float(rng.uniform(0.85, 1.2)), float(rng.uniform(0.85, 1.2))
    if engine == "flite":
        command = [
            "flite",
            "-voice",
            voice,
            "--setf",
            f"duration_stretch={1 / rate:.3f}",
            "-t",
            words,
            "-o",
            str(path),
        ]
        stdin = None
    elif engine == "espeak-ng":
        options = ["-s", f"{165 * rate:.0f}", "-p", f"{50 * pitch:.0f}", "-w", str(path)]
        command, stdin = ["espeak-ng", "-v", voice, *options, "--stdin"], words
    elif engine == "text2wave":
        scheme = f"(begin (voice_{voice}) (Parameter.set 'Duration_Stretch {1 / rate:.3f}))"
        command, stdin = ["text2wave", "-eval", scheme, "-o", str(path)], words
    else:
        options = ["-r", f"{100 * rate:.0f}", "-t", f"{100 * pitch:.0f}", "-o", str(path)]
        command, stdin = ["RHVoice-test", "-p", voice, *options], words
    try:
        done = subprocess.run(
            command, input=stdin, text=True, capture_output=True, timeout=TIMEOUT_S, check=False
        )
        good = done.returncode == 0 and path.exists() and soundfile.info(path).duration > 0.5
    except (subprocess.TimeoutExpired, soundfile.SoundFileError):
        good = False
    if not good:
        path.unlink(missing_ok=True)
    return good


def through_codec(path: Path, rng: np.random.Generator) -> None:
    """Replace a file by itself, coded as MP3 or Vorbis at a low rate and decoded again.

    Much of what is on the net has been through that.
    """
    wave, rate = soundfile.read(path, dtype="float32")
    coded = io.BytesIO()
    kind, most = ("MP3", 0.95) if rate in MP3_RATES and rng.random() < 0.7 else ("OGG", 0.99)
    soundfile.write(coded, wave, rate, format=kind, compression_level=float(rng.uniform(0.6, most)))
    coded.seek(0)
    decoded, _ = soundfile.read(coded, dtype="float32")
    soundfile.write(path, np.pad(decoded, (0, max(0, len(wave) - len(decoded))))[: len(wave)], rate)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="audio to make, over all voices"
    )
    parser.add_argument("--seed", type=int, default=11)
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    offer, made_s, failed, number = installed(), 0.0, 0, 0
    while made_s < 60 * args.minutes and failed < 50:
        engine, voice = offer[number % len(offer)]
        rng = np.random.default_rng((args.seed, number))
        path = args.out / f"{engine}-{voice}__{number:05d}.wav"
        if speak(engine, voice, text(rng), rng, path):
            if rng.random() < CODED:
                through_codec(path, rng)
            made_s += soundfile.info(path).duration
        else:
            failed += 1
            print(f"{engine} {voice} failed on clip {number}")
        number += 1
    print(f"{made_s / 60:.1f} min in {number - failed} clips, {failed} failed")


if __name__ == "__main__":
    main()
