r"""Judge the embedded models: the default pipeline on mixtures that it never heard.

    (cd ../shared/data/dev && python mix.py --root . --n 40 --out /tmp/mixtures)
    python -m experiments.embedded_models.evaluate --mixtures /tmp/mixtures \
        --clean ../shared/data/dev/speech \
        --out experiments/embedded_models/results enhancement.wet=0

What follows the options are overrides of conf/config.yaml. Prints and writes `<name>.md` (mean
SI-SDR improvement and STOI before and after, by SNR of the mixture; how much quieter pauses became,
of so many mixtures with a lead-in; clean speech through the pipeline) and `<name>.csv` (a row per
mixture).
"""

import argparse
import csv
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from omegaconf import OmegaConf

from speechclean.audio.loudness import integrated_lufs
from speechclean.audio.sound_files import load
from speechclean.audio.waveform import Audio
from speechclean.experiment.config.build import build
from speechclean.experiment.config.compose import composed
from speechclean.stages.metrics.music_residual_db import MusicResidual
from speechclean.stages.metrics.si_sdr import si_sdr
from speechclean.stages.metrics.stoi import stoi
from speechclean.stages.pipeline import Pipeline
from speechclean.stages.types import Track

RESIDUAL = MusicResidual()
BANDS_DB = [(-5.0, 0.0), (0.0, 5.0), (5.0, 10.0), (10.0, 15.0)]


@dataclass(frozen=True)
class Score:
    """What became of one mixture.

    Its SNR over active speech in dB, SI-SDR in dB and STOI before and after cleaning, and the
    change of `music_residual_db` where the mixture begins with music alone (else NaN).
    """

    name: str
    snr_db: float
    si_sdr_before: float
    si_sdr_after: float
    stoi_before: float
    stoi_after: float
    pauses_db: float

    @property
    def gain_db(self) -> float:
        return self.si_sdr_after - self.si_sdr_before


def number(value: float | None) -> float:
    """A metric's value, NaN where it does not apply."""
    return math.nan if value is None else value


def pipeline_of(overrides: Sequence[str]) -> Pipeline:
    """The pipeline that the default config composes to, with these overrides."""
    cfg = composed([*overrides, "tracking=none"])
    # the rest hangs on Hydra's run folder, and nothing is written there
    OmegaConf.update(cfg, "output.dir", ".")
    return build(cfg).pipeline


def judge(pipeline: Pipeline, folder: Path) -> Iterator[Score]:
    """Every mixture named by `folder/mixtures.tsv` (columns id, snr_active_db), one at a time."""
    with (folder / "mixtures.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for row in rows:
        mixture, speech = (
            load(next(folder.glob(f"{row['id']}_{kind}.*"))) for kind in ("mix", "speech")
        )
        separation = pipeline([mixture])[0]
        cleaned = separation.speech
        si_sdrs = [number(si_sdr(one.waveform, speech.waveform)) for one in (mixture, cleaned)]
        stois = [number(stoi(one.mono(), speech.mono())) for one in (mixture, cleaned)]
        track = Track(row["id"], folder, next(folder.glob(f"{row['id']}_speech.*")))
        quieter = [number(RESIDUAL(state, track)) for state in (separation.before(), separation)]
        fall = quieter[1] - quieter[0] if float(row["lead_s"]) else math.nan
        yield Score(
            row["id"],
            float(row["snr_active_db"]),
            si_sdr_before=si_sdrs[0],
            si_sdr_after=si_sdrs[1],
            stoi_before=stois[0],
            stoi_after=stois[1],
            pauses_db=fall,
        )


def check_clean(pipeline: Pipeline, folder: Path) -> Iterator[tuple[str, float, float, float]]:
    """What the pipeline does to clean speech, file by file.

    (file, STOI, SI-SDR in dB, change of loudness in LU), each against the file itself.
    """
    for path in sorted(p for p in folder.iterdir() if p.suffix in (".flac", ".wav")):
        speech: Audio = load(path)
        cleaned = pipeline([speech])[0].speech
        change = number(integrated_lufs(cleaned)) - number(integrated_lufs(speech))
        same = number(stoi(cleaned.mono(), speech.mono()))
        yield path.name, same, number(si_sdr(cleaned.waveform, speech.waveform)), change


def table(scores: Sequence[Score]) -> str:
    """Markdown, a row per SNR band and one for all."""
    lines = [
        "| SNR of the mixture, dB | mixtures | SI-SDR improvement, dB | STOI before | STOI after "
        "| music in pauses, dB |",
        "|---|---|---|---|---|---|",
    ]
    for low, high in [*BANDS_DB, (-math.inf, math.inf)]:
        inside = [
            s for s in scores if low <= s.snr_db < high or (s.snr_db == high == BANDS_DB[-1][1])
        ]
        if not inside:
            continue
        name = "all" if low == -math.inf else f"{low:.0f} to {high:.0f}"
        before, after = (
            np.nanmean([getattr(s, f"stoi_{when}") for s in inside]) for when in ("before", "after")
        )
        gain = np.mean([s.gain_db for s in inside])
        falls = [s.pauses_db for s in inside if not math.isnan(s.pauses_db)]
        fall = f"{np.mean(falls):+.1f} ({len(falls)})" if falls else ""
        lines.append(
            f"| {name} | {len(inside)} | {gain:+.2f} | {before:.3f} | {after:.3f} | {fall} |"
        )
    return "\n".join(lines)


def clean_table(rows: Sequence[tuple[str, float, float, float]]) -> str:
    """Markdown: the worst and the mean of what happens to clean speech."""
    same, ratio, change = (np.array([row[index] for row in rows]) for index in (1, 2, 3))
    return "\n".join(
        [
            "| clean speech against itself | worst | mean |",
            "|---|---|---|",
            f"| STOI | {np.nanmin(same):.4f} ({rows[int(np.nanargmin(same))][0]}) | "
            f"{np.nanmean(same):.4f} |",
            f"| SI-SDR, dB | {ratio.min():.1f} ({rows[int(ratio.argmin())][0]}) | "
            f"{ratio.mean():.1f} |",
            f"| change of loudness, LU | {change[int(np.abs(change).argmax())]:+.2f} | "
            f"{change.mean():+.2f} |",
        ]
    )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mixtures", type=Path, help="folder written by mix.py")
    parser.add_argument("--clean", type=Path, help="folder of clean speech")
    parser.add_argument("--out", type=Path, help="folder for NAME.md and NAME.csv")
    parser.add_argument("--name", default="default", help="name of the results")
    parser.add_argument("overrides", nargs="*", help="of conf/config.yaml, e.g. fusion=max_mask")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    pipeline, began, parts = pipeline_of(args.overrides), time.monotonic(), []
    parts.append(f"Config: default {' '.join(args.overrides)}".rstrip())
    if args.mixtures:
        scores = list(judge(pipeline, args.mixtures))
        parts.append(table(scores))
        if args.out:
            args.out.mkdir(parents=True, exist_ok=True)
            with (args.out / f"{args.name}.csv").open("w", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(
                    [
                        "id",
                        "snr_db",
                        "si_sdr_before",
                        "si_sdr_after",
                        "stoi_before",
                        "stoi_after",
                        "pauses_db",
                    ]
                )
                writer.writerows(
                    [s.name, *(f"{v:.4f}" for v in list(vars(s).values())[1:])] for s in scores
                )
    if args.clean:
        parts.append(clean_table(list(check_clean(pipeline, args.clean))))
    print("\n\n".join(parts) + f"\n\n({time.monotonic() - began:.0f} s)")
    if args.out:
        (args.out / f"{args.name}.md").write_text("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
