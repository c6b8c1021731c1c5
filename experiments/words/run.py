r"""Which knobs lose words, which leave music: a grid, heard by Whisper.

    python -m experiments.words.run --mixtures DIR --work DIR [--count 20] [--minutes 60]

`--mixtures` is a folder as the development set's `mix.py` writes it, whose `mixtures.tsv` has the
spoken text; those without one are left out, and of the others the `--count` with the least speech
are taken. The separators' answers are kept in `--work`. What has been heard stands in
`results/words.csv` and is not heard again: started once more, it goes on, and writes the table.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch.nn import functional

from experiments.texts import fill
from speechclean.audio.sound_files import load
from speechclean.audio.waveform import Audio, resample
from speechclean.experiment.config.compose import composed
from speechclean.experiment.config.instantiate import instantiate_components
from speechclean.stages.metrics.alignment import align, normalise
from speechclean.stages.metrics.recogniser import RATE, Recogniser
from speechclean.stages.metrics.si_sdr import si_sdr
from speechclean.stages.types import Stems

from .grid import SYSTEMS, Point, points

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "words.csv"
KNOBS = tuple(Point.__dataclass_fields__)
FIELDS = (*KNOBS, "words", "lost", "invented", "si_sdr_gain", "pauses_db")
#: Pauses are frames this far from any speech, in seconds; speech is within 40 dB of its loudest.
FRAME_S, AWAY_S, SPEECH_DB = 0.02, 0.2, -40.0
#: Whisper hears windows of 30 s: as many clips go into one, with a short silence after each.
WINDOW_S, GAP_S = 29.0, 0.3


@dataclass(frozen=True)
class Clip:
    """A mixture, its voice alone, what is said, and the separators' answers."""

    mixture: Audio
    reference: Audio
    text: str
    answers: dict[str, Stems]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mixtures", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=60.0)
    options = parser.parse_args()
    clips = list(clips_of(options.mixtures, options.work, options.count))
    began = time.monotonic()
    plain = {"mixture": [one.mixture for one in clips], "voice": [one.reference for one in clips]}
    for name, sounds in plain.items():
        note({**dict.fromkeys(KNOBS, ""), "system": name}, clips, sounds)
    for point in points():
        if time.monotonic() - began > 60 * options.minutes:
            break
        note(asdict(point), clips, point)
    fill(HERE / "README.md", {"table": table()})


def clips_of(folder: Path, work: Path, count: int) -> Iterator[Clip]:
    """The mixtures with a text that have the least speech against the music."""
    with (folder / "mixtures.tsv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["text"]]
    rows.sort(key=lambda row: float(row["snr_active_db"]))
    names = sorted({name for system in SYSTEMS.values() for name in system})
    _, made = instantiate_components(composed([f"separators=[{','.join(names)}]", "tracking=none"]))
    for row in rows[:count]:
        mixture, reference = (load(folder / f"{row['id']}_{end}.wav") for end in ("mix", "speech"))
        answers = {}
        for name in names:
            kept = work / f"{name}_{row['id']}.pt"
            if not kept.is_file():
                (stems,) = made[f"separators.{name}"]([mixture])
                work.mkdir(parents=True, exist_ok=True)
                rate = stems.speech.sample_rate
                torch.save((stems.speech.waveform, stems.music.waveform, rate), kept)
            speech, music, rate = torch.load(kept)
            answers[name] = Stems(Audio(speech, rate), Audio(music, rate))
        yield Clip(mixture, reference, row["text"], answers)


def note(knobs: dict[str, object], clips: list[Clip], sounds: list[Audio] | Point) -> None:
    """Measure one line of the table, unless it is there."""
    key = [str("" if knobs[name] is None else knobs[name]) for name in KNOBS]
    done = _rows()
    if key in [[row[name] for name in KNOBS] for row in done]:
        return
    if isinstance(sounds, Point):
        sounds = [sounds.clean(one.mixture, one.answers).speech for one in clips]
    words, lost, invented = heard(clips, sounds)
    gains = [
        (si_sdr(sound.waveform, one.reference.waveform) or 0.0)
        - (si_sdr(one.mixture.waveform, one.reference.waveform) or 0.0)
        for one, sound in zip(clips, sounds, strict=True)
    ]
    left = [pauses_db(one, sound) for one, sound in zip(clips, sounds, strict=True)]
    quiet = [value for value in left if value is not None]
    measured = (words, lost, invented, f"{mean(gains):.2f}", f"{mean(quiet):.1f}")
    RESULTS.parent.mkdir(exist_ok=True)
    new = not RESULTS.exists()
    with RESULTS.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([FIELDS] * new + [(*key, *measured)])
    print(*key, *measured, flush=True)


def heard(clips: list[Clip], sounds: list[Audio]) -> tuple[int, ...]:
    """Words said, lost and invented, over all clips."""
    ears = Recogniser("base", "cpu", cpu_threads=torch.get_num_threads(), num_workers=1)
    totals: tuple[int, ...] = (0, 0, 0)
    window: list[tuple[torch.Tensor, str]] = []
    for index, (clip, sound) in enumerate(zip(clips, sounds, strict=True)):
        mono = resample(sound.mono(), RATE).waveform
        window.append((functional.pad(mono, (0, round(GAP_S * RATE))), clip.text))
        following = sounds[index + 1].seconds if index + 1 < len(sounds) else WINDOW_S
        seconds = sum(one.shape[-1] for one, _ in window) / RATE
        if seconds + following > WINDOW_S:
            joined = Audio(torch.cat([one for one, _ in window], -1), RATE)
            wanted, said = " ".join(text for _, text in window), ears.hear(joined, "en")
            found = align(normalise(wanted), normalise(said))
            counts = (found.words, found.lost, found.insertions)
            totals = tuple(a + b for a, b in zip(totals, counts, strict=True))
            window = []
    return totals


def pauses_db(clip: Clip, sound: Audio) -> float | None:
    """Level of a sound where nobody speaks, against the mixture there; None with under 0.3 s."""
    before, after, voice = (_energies(one) for one in (clip.mixture, sound, clip.reference))
    spoken = voice > voice.max() * 10 ** (SPEECH_DB / 10)
    away = round(AWAY_S / FRAME_S)
    near = functional.max_pool1d(spoken.float()[None], 2 * away + 1, 1, away)[0] > 0
    if (~near).sum() * FRAME_S < 0.3 or not before[~near].any():
        return None
    return float(10 * torch.log10(after[~near].sum() / before[~near].sum() + 1e-10))


def _energies(sound: Audio) -> torch.Tensor:
    size = round(FRAME_S * sound.sample_rate)
    power = sound.waveform.double().square().mean(0)
    return power[: len(power) // size * size].reshape(-1, size).mean(1)


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _rows() -> list[dict[str, str]]:
    if not RESULTS.exists():
        return []
    with RESULTS.open(newline="") as file:
        return list(csv.DictReader(file))


def table() -> str:
    """All lines, those of a system together, the fewest words lost first."""
    lines = [
        "| separators | rule | p | β | floor, dB | lost | invented | SI-SDR gain, dB | "
        "pauses, dB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    order = ["voice", "mixture", *SYSTEMS]
    rows = sorted(_rows(), key=lambda row: (order.index(row["system"]), int(row["lost"])))
    for row in rows:
        floor = row["floor_db"] or ("none" if row["rule"] else "")
        floor += ", adaptive" * (row["adaptive"] == "True")
        cells = [row["system"], row["rule"], row["exponent"], row["beta"], floor]
        cells += [row[name] for name in FIELDS[-4:]]
        lines.append(f"| {' | '.join(cells)} |")
    total = rows[0]["words"] if rows else "0"
    return "\n".join([*lines, "", f"Of {total} words."])


if __name__ == "__main__":
    main()
