"""The tables of the recorded studies, from what `run.py` and `reuse.py` have left: into `results/` and the README.

python -m experiments.pilot_sweep.results --work /tmp/pilot_sweep
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import shutil
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna

from experiments.pilot_sweep.run import STUDIES
from experiments.texts import fill

HERE = Path(__file__).parent
RESULTS = HERE / "results"
KNOBS = ("shifts", "overlap", "postprocess.beta_wiener.beta", "enhancement.wet")
SHORT = {"postprocess.beta_wiener.beta": "β", "enhancement.wet": "wet"}
GOAL = "si_sdr_improvement"
#: Measured stages of the heavy pipeline, in s per s of audio and pass, with their names in experiments/speed/results.
HEAVY = (("htdemucs_ft", "separator"), ("mdx_extra_q", "separator"), ("dns64", "denoiser"))


def table(head: Sequence[str], body: Sequence[Sequence[Any]]) -> str:
    rows = [list(map(str, row)) for row in (head, ["---"] * len(head), *body)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def rows_of(name: str) -> list[dict[str, str]]:
    """The recorded table of a study, [] if it was not run."""
    path = RESULTS / f"{name}.csv"
    if not path.is_file():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def number(row: dict[str, str], key: str) -> float:
    return float(row.get(key) or 0.0)


def keep(work: Path) -> None:
    """Copy the tables and a few pictures of finished studies into `results/`."""
    RESULTS.mkdir(exist_ok=True)
    for name in STUDIES:
        if (work / name / "trials.csv").is_file() and (work / name / "trials.csv").stat().st_size > 1:
            shutil.copy(work / name / "trials.csv", RESULTS / f"{name}.csv")
        for picture in ("importance", "slice", "front") if name in ("dev_0", "dev_front") else ():
            if (work / name / f"{picture}.png").is_file() and rows_of(name):
                shutil.copy(work / name / f"{picture}.png", RESULTS / f"{name}_{picture}.png")


def importances(rows: list[dict[str, str]]) -> dict[str, float]:
    """Shares of the variance of the goal that knobs explain (fANOVA; Hutter, Hoos & Leyton-Brown, ICML 2014)."""
    choices = {knob: sorted({float(row[knob]) for row in rows}) for knob in KNOBS}
    space = {knob: optuna.distributions.CategoricalDistribution(values) for knob, values in choices.items() if len(values) < 6}
    space |= {
        knob: optuna.distributions.FloatDistribution(values[0], values[-1])
        for knob, values in choices.items()
        if knob not in space
    }
    study = optuna.create_study(direction="maximize")
    study.add_trials(
        [
            optuna.trial.create_trial(
                params={knob: float(row[knob]) for knob in KNOBS}, distributions=space, value=float(row[GOAL])
            )
            for row in rows
        ]
    )
    return optuna.importance.get_param_importances(study, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0))


def stability() -> str:
    """A line per study of one objective: what matters, the best point, and how far the others lie below it."""
    body = []
    for name, (search, on_dev, _) in STUDIES.items():
        rows = rows_of(name)
        done = [row for row in rows if row["state"] == "COMPLETE"]
        if search != "optuna" or len(done) < 10:
            continue
        best = max(done, key=lambda row: float(row[GOAL]))
        weights = importances(done)
        values = sorted((float(row[GOAL]) for row in done), reverse=True)
        pruned = sum(row["state"] == "PRUNED" for row in rows)
        body.append(
            [
                name,
                "held-out" if on_dev else "pilot",
                f"{len(rows)} ({pruned} pruned)",
                *(f"{weights.get(knob, 0.0):.2f}" for knob in KNOBS),
                *(best[knob] for knob in KNOBS),
                f"{values[0]:.3f}",
                f"{values[min(9, len(values) - 1)]:.3f}",
                f"{values[-1]:.3f}",
            ]
        )
    names = [SHORT.get(knob, knob) for knob in KNOBS]
    head = ["study", "files", "trials", *(f"weight of {one}" for one in names), *(f"best {one}" for one in names)]
    return table([*head, "best, dB", "tenth, dB", "worst, dB"], body)


def by_value() -> str:
    """Means over the trials of all one-objective studies on held-out files, by the value of each knob."""
    done = [
        row
        for name, (search, on_dev, _) in STUDIES.items()
        if search == "optuna" and on_dev
        for row in rows_of(name)
        if row["state"] == "COMPLETE"
    ]
    body = []
    for knob in KNOBS:
        groups: dict[str, list[dict[str, str]]] = {}
        for row in done:
            value = float(row[knob])
            name = (
                row[knob]
                if knob in KNOBS[:2]
                else "0"
                if value == 0
                else f"{max(0.05, math.ceil(value * 4) / 4 - 0.2):.2f} to {math.ceil(value * 4) / 4:.2f}"
            )
            groups.setdefault(name, []).append(row)
        for name, rows in sorted(groups.items(), key=lambda one: float(one[0].split()[0])):
            goal, stoi = (statistics.mean(float(row[key]) for row in rows) for key in (GOAL, "stoi_improvement"))
            best = max(float(row[GOAL]) for row in rows)
            body.append([SHORT.get(knob, knob), name, len(rows), f"{goal:.2f}", f"{best:.2f}", f"{stoi:+.3f}"])
    return table(["knob", "value", "trials", "SI-SDR improvement, dB: mean", "best", "STOI improvement"], body) if done else ""


def front(name: str) -> str:
    """The Pareto front of a study of several objectives, thinned to a dozen lines."""
    goals = ["si_sir_cleaned", "si_sar_cleaned", "cost_per_audio_second"]
    done = [row for row in rows_of(name) if row["state"] == "COMPLETE"]
    points = [(float(row[goals[0]]), float(row[goals[1]]), -float(row[goals[2]])) for row in done]
    kept = [
        row
        for row, mine in zip(done, points, strict=True)
        if not any(all(a >= b for a, b in zip(other, mine, strict=True)) and other != mine for other in points)
    ]
    kept.sort(key=lambda row: -float(row[goals[0]]))
    shown = kept[:: max(1, math.ceil(len(kept) / 12))]
    body = [[*(row[knob] for knob in KNOBS), *(f"{float(row[goal]):.2f}" for goal in goals)] for row in shown]
    head = [*(SHORT.get(knob, knob) for knob in KNOBS), "voice over music, dB", "voice over artefacts, dB", "s per s"]
    return (
        f"{len(kept)} of {len(done)} trials are on the front, {len(shown)} of them here.\n\n" + table(head, body)
        if done
        else ""
    )


def fusion() -> str:
    rows = [row for row in rows_of("dev_fusion") if row["state"] == "COMPLETE"]
    rows.sort(key=lambda row: -float(row[GOAL]))
    body = [
        [row["separators"], row["fusion"], f"{float(row[GOAL]):.2f}", f"{float(row['stoi_improvement']):+.3f}"] for row in rows
    ]
    return table(["separators", "fusion", "SI-SDR improvement, dB", "STOI improvement"], body) if rows else ""


def counted() -> str:
    """Forwards computed and reused in the first fifty trials of each study, in the order in which the studies were run."""
    body = []
    for name in STUDIES:
        rows = rows_of(name)[:50]
        if not rows:
            continue
        computed, spared = (
            [sum(number(row, f"reuse.{kind}_forwards{end}") for row in rows) for kind in ("separator", "denoiser")]
            for end in ("", "_spared")
        )
        ratio = (computed[0] + spared[0]) / computed[0] if computed[0] else math.inf
        free = sum(not number(row, "reuse.separator_forwards") for row in rows)
        saved, spent = sum(number(row, "reuse.saved_s") for row in rows), sum(number(row, "seconds") for row in rows)
        body.append(
            [
                name, len(rows), f"{computed[0]:.0f}", f"{spared[0]:.0f}", f"1/{ratio:.1f}" if math.isfinite(ratio) else "none",
                f"{computed[1]:.0f}", f"{spared[1]:.0f}", free, f"{spent:.0f} s", f"{saved:.0f} s",
            ]
        )  # fmt: skip
    head = ["study", "first trials", "separator forwards", "reused", "share", "denoiser forwards", "reused"]
    return table([*head, "trials without a separator forward", "time", "saved"], body)


def saved() -> str:
    """The measured comparison of `reuse.py`, and what it comes to with heavy models."""
    path = RESULTS / "reuse.json"
    if not path.is_file():
        return ""
    found = json.loads(path.read_text())
    rows = found["rows"]
    forwards = {way: sum(row[way].get("reuse.separator_forwards", 0) for row in rows) for way in ("reuse", "none")}
    lines = [
        f"{len(rows)} trials; every cleaned file the same bit by bit: {'yes' if all(row['same'] for row in rows) else 'NO'}; "
        f"store {found['cache_bytes'] / 1e6:.0f} MB.",
        "",
    ]
    body = []
    for label, unit in (("s", "wall, s"), ("cpu_s", "all cores, s")):
        sums = {way: sum(row[way][label] for row in rows) for way in ("reuse", "none")}
        own = [row["run"][label] for row in rows if "run" in row]
        each = statistics.mean(own) if own else math.nan
        change = statistics.median(row["beta_and_wet"][label] for row in rows)
        full = statistics.median(row["none"][label] for row in rows)
        body.append(
            [
                unit, f"{sums['reuse']:.0f}", f"{sums['none']:.0f}", f"×{sums['none'] / sums['reuse']:.1f}",
                f"{each * len(rows):.0f}", f"×{each * len(rows) / sums['reuse']:.1f}", f"{change:.1f}",
                f"{100 * change / full:.0f} %", f"{100 * change / each:.0f} %",
            ]
        )  # fmt: skip
    head = ["", "reuse", "the same without", "ratio", f"as ordinary runs (from {sum('run' in row for row in rows)})", "ratio"]
    head += ["another β and wet, median", "of the same without", "of an ordinary run"]
    counts = table(
        ["separator forwards", "without reuse", "share", "forwards for another β and wet"],
        [
            [
                f"{forwards['reuse']:.0f}", f"{forwards['none']:.0f}", f"1/{forwards['none'] / forwards['reuse']:.1f}",
                f"{max(row['beta_and_wet'].get('reuse.separator_forwards', 0) for row in rows):.0f}",
            ]
        ],
    )  # fmt: skip
    return "\n".join(lines) + "\n" + counts + "\n" + table(head, body)


def heavy() -> str:
    """The pilot's first fifty trials with the heavy pipeline's stage times, measured in experiments/speed."""
    rows = rows_of("pilot_0")[:50]
    path = HERE.parent / "speed" / "results" / "compare.json"
    if not rows or not path.is_file():
        return ""
    speeds = {
        row["model"]: row["ours_s"] / row["seconds"] / max(1, row["shifts"]) for row in json.loads(path.read_text())["rows"]
    }
    if any(model not in speeds for model, _ in HEAVY):
        return ""
    audio = number(rows[0], "time.audio_s")
    separator = sum(speeds[model] for model, kind in HEAVY if kind == "separator")
    naive = kept = 0.0
    there: dict[float, int] = {}  # shifts that are there, by overlap
    denoised: set[tuple[str, str]] = set()
    floor = statistics.median(number(row, "seconds") for row in rows if not number(row, "reuse.separator_forwards"))
    for row in rows:
        shifts, overlap = int(row["shifts"]), float(row["overlap"])
        each = separator * audio * 0.75 / (1 - overlap)  # measured at an overlap of 0.25
        naive += shifts * each + floor
        kept += max(0, shifts - there.get(overlap, 0)) * each + floor
        there[overlap] = max(shifts, there.get(overlap, 0))
        if float(row["enhancement.wet"]):
            naive += speeds["dns64"] * audio
            kept += speeds["dns64"] * audio * ((row["shifts"], row["overlap"]) not in denoised)
            denoised.add((row["shifts"], row["overlap"]))
    body = [[f"{naive / 60:.0f} min", f"{kept / 60:.0f} min", f"×{naive / kept:.1f}"]]
    return table(
        [f"computed for htdemucs_ft, mdx_extra_q and dns64 on {audio:.0f} s of audio, 50 trials", "with reuse", "ratio"], body
    )


def finding() -> str:
    """The best point on held-out files against the defaults, which the study of fusion rules holds as one of its points."""
    done = [row for row in rows_of("dev_0") if row["state"] == "COMPLETE"]
    both = [row for row in rows_of("dev_fusion") if row["separators"].count("embedded") == 2 and row["fusion"] == "mean_mask"]
    if not done or not both:
        return ""
    best, worst = (pick(done, key=lambda row: float(row[GOAL])) for pick in (max, min))
    point = ", ".join(f"{SHORT.get(knob, knob)} {best[knob]}" for knob in KNOBS)
    cost, usual = number(best, "cost_per_audio_second"), number(both[0], "cost_per_audio_second")
    return (
        f"On held-out mixtures the whole box of knobs spans {float(worst[GOAL]):.2f} to {float(best[GOAL]):.2f} dB. The best "
        f"point ({point}) lies {float(best[GOAL]) - float(both[0][GOAL]):+.2f} dB above the defaults, at "
        f"{cost / usual:.1f} times their cost, and "
        f"{float(best['stoi_improvement']) - float(both[0]['stoi_improvement']):+.3f} in STOI."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, help="the work folder of run.py; without it the tables are made of results/ alone")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if arguments.work:
        keep(arguments.work)
    contents = {
        "stability": stability(),
        "values": by_value(),
        "front": front("dev_front"),
        "fusion": fusion(),
        "counted": counted(),
        "saved": saved(),
        "heavy": heavy(),
        "finding": finding(),
    }
    fill(HERE / "README.md", {name: text or "Not recorded." for name, text in contents.items()})


if __name__ == "__main__":
    main()
