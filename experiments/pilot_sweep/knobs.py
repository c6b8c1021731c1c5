"""What each knob does to the goal: tables over the trials of the recorded studies."""

from __future__ import annotations

import math
import statistics

import optuna

from experiments.pilot_sweep.recorded import GOAL, KNOBS, SHORT, rows_of, table
from experiments.pilot_sweep.run import STUDIES


def importances(rows: list[dict[str, str]]) -> dict[str, float]:
    """Shares of the variance of the goal that knobs explain.

    By fANOVA (Hutter, Hoos & Leyton-Brown, ICML 2014).
    """
    choices = {knob: sorted({float(row[knob]) for row in rows}) for knob in KNOBS}
    space: dict[str, optuna.distributions.BaseDistribution] = {
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
    """A line per study of one objective.

    It says what matters, which point is best, and how far the others lie below it.
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
    """Means by the value of each knob.

    Over the trials of all one-objective studies on held-out files.
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
