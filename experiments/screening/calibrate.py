r"""Find the threshold of `screening=music`, write it into its config, and show what it does.

    python -m experiments.screening.calibrate \
        --speech ../shared/data/dev/speech --music ../shared/data/dev/music

Mixtures at -5 to 10 dB must not pass (at most 1 in 100), clean speech should (at least 19 in 20).
The threshold lies midway between the two where they do not overlap, else where 1 mixture in 100
passes.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np
from omegaconf import OmegaConf
from rich.progress import track as progress

from experiments.benchmark.mixing import mixtures, sources
from experiments.texts import fill
from speechclean.stages.screening import MusicFound

HERE = Path(__file__).parent
CONF = HERE.parents[1] / "conf" / "screening" / "music.yaml"
BANDS = ((-5.0, 0.0), (0.0, 5.0), (5.0, 10.0), (10.0, 15.0), (15.0, 20.0))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--speech", required=True)
    parser.add_argument("--music", required=True)
    parser.add_argument("--count", type=int, default=40, help="mixtures in each band of 5 dB")
    parser.add_argument("--seed", type=int, default=20261124)
    options = parser.parse_args()
    screening = MusicFound(0.0, list(OmegaConf.load(CONF).separators), device="cpu")
    voices, tunes, names, _ = sources(options.speech, options.music)
    clean = np.array([screening.music_db(voice) for voice in progress(voices, "speech")])
    found = {}
    for number, band in enumerate(BANDS):
        made = mixtures(voices, tunes, options.count, options.seed + number, band)
        found[band] = np.array(
            [screening.music_db(one[0]) for one in progress(made, f"{band} dB", options.count)]
        )
    asked = np.concatenate([values for (_, high), values in found.items() if high <= 10])
    limit = float(np.quantile(asked, 0.01))
    threshold = round((clean.max() + asked.min()) / 2 if clean.max() < asked.min() else limit, 1)
    text = re.sub(r"threshold_db: \S+", f"threshold_db: {threshold}", CONF.read_text())
    CONF.write_text(text)
    loudest = names[int(clean.argmax())]
    rows = [("clean speech", clean)] + [
        (f"mixtures, {low:g} to {high:g} dB", values) for (low, high), values in found.items()
    ]
    lines = [
        "| files | number | pass untouched | least, dB | median, dB | most, dB |",
        "|---|---|---|---|---|---|",
    ]
    for name, values in rows:
        share = f"{100 * (values < threshold).mean():.1f} %"
        lines.append(
            f"| {name} | {len(values)} | {share} | {values.min():.1f} | {np.median(values):.1f} |"
            f" {values.max():.1f} |"
        )
    passed = int((asked < threshold).sum())
    lines += [
        "",
        f"Threshold: {threshold} dB (seed {options.seed}). Of {len(asked)} mixtures at 10 dB and "
        f"below, {passed} pass. ",
    ]
    lines[-1] += f"The clean clip nearest to being taken for music is `{loudest}`."
    fill(HERE / "README.md", {"table": "\n".join(lines)})
    print("\n".join(lines))


if __name__ == "__main__":
    main()
