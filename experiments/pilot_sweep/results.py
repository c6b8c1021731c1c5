"""Write the tables of the recorded studies into `results/` and the README.

They are made from what `run.py` and `reuse.py` have left.

    python -m experiments.pilot_sweep.results --work /tmp/pilot_sweep
"""

from __future__ import annotations

import argparse
import math
import shutil
from pathlib import Path

import optuna

from experiments.pilot_sweep.knobs import by_value, stability
from experiments.pilot_sweep.recorded import (
    GOAL,
    HERE,
    KNOBS,
    RESULTS,
    SHORT,
    number,
    rows_of,
    table,
)
from experiments.pilot_sweep.run import STUDIES
from experiments.pilot_sweep.savings import counted, heavy, saved
from experiments.texts import fill
from speechclean.sweep.ranking import undominated


def keep(work: Path) -> None:
    """Copy the tables and a few pictures of finished studies into `results/`."""
    RESULTS.mkdir(exist_ok=True)
    for name in STUDIES:
        if (work / name / "trials.csv").is_file() and (
            work / name / "trials.csv"
        ).stat().st_size > 1:
            shutil.copy(work / name / "trials.csv", RESULTS / f"{name}.csv")
        for picture in ("importance", "slice", "front") if name in ("dev_0", "dev_front") else ():
            if (work / name / f"{picture}.png").is_file() and rows_of(name):
                shutil.copy(work / name / f"{picture}.png", RESULTS / f"{name}_{picture}.png")


def front(name: str) -> str:
    """The Pareto front of a study of several objectives, thinned to a dozen lines."""
    goals = ["si_sir_cleaned", "si_sar_cleaned", "cost_per_audio_second"]
    done = [row for row in rows_of(name) if row["state"] == "COMPLETE"]
    points = [(float(row[goals[0]]), float(row[goals[1]]), -float(row[goals[2]])) for row in done]
    kept = [done[index] for index in undominated(points)]
    kept.sort(key=lambda row: -float(row[goals[0]]))
    shown = kept[:: max(1, math.ceil(len(kept) / 12))]
    body = [
        [*(row[knob] for knob in KNOBS), *(f"{float(row[goal]):.2f}" for goal in goals)]
        for row in shown
    ]
    head = [
        *(SHORT.get(knob, knob) for knob in KNOBS),
        "voice over music, dB",
        "voice over artefacts, dB",
        "s per s",
    ]
    return (
        f"{len(kept)} of {len(done)} trials are on the front, {len(shown)} of them here.\n\n"
        + table(head, body)
        if done
        else ""
    )


def fusion() -> str:
    rows = [row for row in rows_of("dev_fusion") if row["state"] == "COMPLETE"]
    rows.sort(key=lambda row: -float(row[GOAL]))
    body = [
        [
            row["separators"],
            row["fusion"],
            f"{float(row[GOAL]):.2f}",
            f"{float(row['stoi_improvement']):+.3f}",
        ]
        for row in rows
    ]
    return (
        table(["separators", "fusion", "SI-SDR improvement, dB", "STOI improvement"], body)
        if rows
        else ""
    )


def finding() -> str:
    """The best point on held-out files against the defaults.

    The study of fusion rules holds the defaults as one of its points.
    """
    done = [row for row in rows_of("dev_0") if row["state"] == "COMPLETE"]
    both = [
        row
        for row in rows_of("dev_fusion")
        if row["separators"].count("embedded") == 2 and row["fusion"] == "mean_mask"
    ]
    if not done or not both:
        return ""
    best, worst = (pick(done, key=lambda row: float(row[GOAL])) for pick in (max, min))
    point = ", ".join(f"{SHORT.get(knob, knob)} {best[knob]}" for knob in KNOBS)
    cost, usual = number(best, "cost_per_audio_second"), number(both[0], "cost_per_audio_second")
    return (
        f"On held-out mixtures the whole box of knobs spans {float(worst[GOAL]):.2f} to "
        f"{float(best[GOAL]):.2f} dB. The best "
        f"point ({point}) lies {float(best[GOAL]) - float(both[0][GOAL]):+.2f} dB above the "
        "defaults, at "
        f"{cost / usual:.1f} times their cost, and "
        f"{float(best['stoi_improvement']) - float(both[0]['stoi_improvement']):+.3f} in STOI."
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--work",
        type=Path,
        help="the work folder of run.py; without it the tables are made of results/ alone",
    )
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
