"""The engine against demucs and denoiser: same weights, same machine, one run.

    python -m experiments.speed.compare WEIGHTS [--full] [--models NAME ...] [--lengths S ...]
        [--shifts N ...] [--clips N]

WEIGHTS is a folder made by `experiments.speed.weights`. Every measurement is a fresh process, the
two systems in turn, so that peak memory is its own; loading and one second of warm-up are not in
the time. Without shifts the answers are compared as well. CUDA is measured where there is one.
Writes `compare.json` and `compare.md` into results/.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from experiments.speed.systems import DENOISERS, PIPELINE, SEPARATORS
from speechclean.networks.weights import EMBEDDED
from speechclean.stages.separators.precision import snr_db

from . import machine

RESULTS = Path(__file__).parent / "results"
MODELS = (
    "htdemucs_ft",
    "mdx_extra_q",
    "dns64",
    PIPELINE,
    "embedded_htdemucs",
    "embedded_hdemucs_q",
    "embedded_denoiser",
)
DEVICES = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
QUICK: dict[str, Any]
FULL: dict[str, Any]
QUICK, FULL = (
    {"lengths": [6, 20], "shifts": [0, 1]},
    {"lengths": [3, 6, 10, 20, 600], "shifts": [0, 1, 4]},
)


def cases(
    models: list[str],
    lengths: list[float],
    shifts: list[int],
    clips: int,
    repeats: int,
    weights: Path,
) -> Iterator[dict[str, Any]]:
    """What to measure; a denoiser knows no shifts."""
    for device, model, seconds in itertools.product(DEVICES, models, lengths):
        folder = EMBEDDED if model.startswith("embedded") else weights
        for count in [0] if model in DENOISERS else shifts:
            case = {
                "device": device,
                "model": model,
                "seconds": seconds,
                "clips": clips,
                "shifts": count,
            }
            yield case | {"repeats": repeats, "folder": str(folder)}


def run(case: dict[str, Any]) -> dict[str, Any]:
    """One measurement in a fresh process."""
    command = [sys.executable, "-m", "experiments.speed.systems", json.dumps(case)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def compare(case: dict[str, Any]) -> dict[str, Any]:
    """Both systems on one case: a row of the table."""
    theirs = "denoiser" if case["model"] in DENOISERS else "demucs"
    with tempfile.TemporaryDirectory() as folder:
        answers = [str(Path(folder) / f"{index}.pt") for index in range(2)]
        baseline = run(case | {"system": theirs, "answer": answers[0], "flops": False})
        ours = run(case | {"system": "speechclean", "answer": answers[1], "flops": case["flops"]})
        same = theirs == "demucs" and case["model"] != PIPELINE and not case["shifts"]
        agreement = (
            snr_db(*(torch.load(path, weights_only=True) for path in answers)) if same else None
        )
    row = {key: case[key] for key in ("device", "model", "seconds", "clips", "shifts")} | {
        "baseline": theirs,
        "agreement_db": agreement,
    }
    for name, result in (("ours", ours), ("theirs", baseline)):
        row[f"{name}_s"] = statistics.median(result["times_s"])
        row[f"{name}_times_s"] = result["times_s"]
        row[f"{name}_load_s"] = result["load_s"]
        row[f"{name}_peak_rss_mb"] = result["peak_rss_mb"]
        row[f"{name}_peak_device_mb"] = result["peak_device_mb"]
    row["share_of_peak"] = (
        ours["flops"] / row["ours_s"] / case["peak_flops"] if ours["flops"] else None
    )
    return row | {"ratio": row["theirs_s"] / row["ours_s"]}


def together(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The ensemble of the two published separators, from its parts measured in this run."""
    found = []
    for key in dict.fromkeys((row["device"], row["seconds"], row["shifts"]) for row in rows):
        parts = [
            row
            for row in rows
            if (row["device"], row["seconds"], row["shifts"]) == key and row["model"] in SEPARATORS
        ]
        if len(parts) == 2:
            sums = {
                f"{name}_s": sum(part[f"{name}_s"] for part in parts) for name in ("ours", "theirs")
            }
            peaks = {
                f"{name}_peak_rss_mb": max(part[f"{name}_peak_rss_mb"] for part in parts)
                for name in ("ours", "theirs")
            }
            found.append(
                parts[0] | sums | peaks
                | {"model": "the two together", "agreement_db": None, "share_of_peak": None}
                | {"ratio": sums["theirs_s"] / sums["ours_s"]}
            )  # fmt: skip
    return found


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as markdown; times are seconds of computing per second of audio."""
    lines = [
        "| device | model | clips | shifts | theirs, s per s | ours, s per s | ratio | peak "
        "memory theirs | ours "
        "| agreement | of peak |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        rates = (
            f"{row[f'{name}_s'] / row['seconds'] / row['clips']:.3f}" for name in ("theirs", "ours")
        )
        peaks = (f"{row[f'{name}_peak_rss_mb'] / 1024:.2f} GB" for name in ("theirs", "ours"))
        agreement = f"{row['agreement_db']:.0f} dB" if row["agreement_db"] is not None else ""
        share = f"{100 * row['share_of_peak']:.0f} %" if row["share_of_peak"] else ""
        cells = [
            row["device"],
            row["model"],
            f"{row['clips']} of {row['seconds']:g} s",
            str(row["shifts"]),
            *rates,
            f"×{row['ratio']:.2f}",
        ]
        lines.append("| " + " | ".join([*cells, *peaks, agreement, share]) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", type=Path)
    parser.add_argument("--full", action="store_true", help=f"{FULL} instead of {QUICK}")
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--lengths", nargs="+", type=float)
    parser.add_argument("--shifts", nargs="+", type=int)
    parser.add_argument(
        "--clips",
        type=int,
        default=1,
        help="of each length: theirs one after the other, ours as one batch",
    )
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument(
        "--flops",
        action="store_true",
        help="what share of the hardware's peak is reached: a pass more each",
    )
    parser.add_argument("--name", default="compare", help="of the files in results/")
    options = parser.parse_args()
    chosen = FULL if options.full else QUICK
    lengths, shifts = (
        options.lengths or chosen["lengths"],
        options.shifts if options.shifts is not None else chosen["shifts"],
    )
    before, rows = machine.describe(), []
    peaks = {device: machine.peak_flops(device) for device in DEVICES} if options.flops else {}
    for case in cases(
        options.models, lengths, shifts, options.clips, options.repeats, options.weights
    ):
        rows.append(
            compare(case | {"flops": options.flops, "peak_flops": peaks.get(case["device"])})
        )
        print(table(rows[-1:]).splitlines()[-1], flush=True)
    rows += together(rows)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{options.name}.json").write_text(
        json.dumps({"machine": before, "rows": rows}, indent=1) + "\n"
    )
    (RESULTS / f"{options.name}.md").write_text(machine.line(before) + "\n\n" + table(rows))
    print(table(rows))


if __name__ == "__main__":
    main()
