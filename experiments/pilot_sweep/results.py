"""The tables of the recorded studies, from what `run.py` and `reuse.py` have left: into `results/`
and the README.

    python -m experiments.pilot_sweep.results --work /tmp/pilot_sweep
"""

from __future__ import annotations

import argparse
import math
import shutil
import statistics
from pathlib import Path

import optuna

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


def importances(rows: list[dict[str, str]]) -> dict[str, float]:
    """Shares of the variance of the goal that knobs explain (fANOVA; Hutter, Hoos & Leyton-Brown,
    ICML 2014).
    """
    choices = {knob: sorted({float(row[knob]) for row in rows}) for knob in KNOBS}
    space = {
        knob: optuna.distributions.CategoricalDistribution(values)
        for knob, values in choices.items()
        if len(values) < 6
    }
    space |= {
        knob: optuna.distributions.FloatDistribution(values[0], values[-1])
        for knob, values in choices.items()
        if knob not in space
    }
    study = optuna.create_study(direction="maximize")
    study.add_trials(
        [
            optuna.trial.create_trial(
                params={knob: float(row[knob]) for knob in KNOBS},
                distributions=space,
                value=float(row[GOAL]),
            )
            for row in rows
        ]
    )
    return optuna.importance.get_param_importances(
        study, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0)
    )


def stability() -> str:
    """A line per study of one objective: what matters, the best point, and how far the others lie
    below it.
    """
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
    head = [
        "study",
        "files",
        "trials",
        *(f"weight of {one}" for one in names),
        *(f"best {one}" for one in names),
    ]
    return table([*head, "best, dB", "tenth, dB", "worst, dB"], body)


def by_value() -> str:
    """Means over the trials of all one-objective studies on held-out files, by the value of each
    knob.
    """
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
                else f"{max(0.05, math.ceil(value * 4) / 4 - 0.2):.2f} to "
                f"{math.ceil(value * 4) / 4:.2f}"
            )
            groups.setdefault(name, []).append(row)
        for name, rows in sorted(groups.items(), key=lambda one: float(one[0].split()[0])):
            goal, stoi = (
                statistics.mean(float(row[key]) for row in rows)
                for key in (GOAL, "stoi_improvement")
            )
            best = max(float(row[GOAL]) for row in rows)
            body.append(
                [
                    SHORT.get(knob, knob),
                    name,
                    len(rows),
                    f"{goal:.2f}",
                    f"{best:.2f}",
                    f"{stoi:+.3f}",
                ]
            )
    return (
        table(
            ["knob", "value", "trials", "SI-SDR improvement, dB: mean", "best", "STOI improvement"],
            body,
        )
        if done
        else ""
    )


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
    """The best point on held-out files against the defaults, which the study of fusion rules holds
    as one of its points.
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
