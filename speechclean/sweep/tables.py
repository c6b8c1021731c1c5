"""A study's trials as text: trials.csv, summary.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from speechclean.experiment.config.run_name import in_words
from speechclean.records.key_names import current_key
from speechclean.records.results.summary_page import markdown
from speechclean.system.csv_tables import csv_text

from .current import IS_CURRENT, MEANS, REASON
from .objective import Goals
from .page import Table
from .ranking import best_trial, pareto_front
from .space import as_overrides
from .trial import REUSE, SECONDS

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


def trials_csv(trials: Sequence[FrozenTrial], goals: Goals) -> str:
    """A line per trial: its point, its values, what was measured and reused."""
    rows = [_row(trial, goals) for trial in trials]
    return csv_text(list(dict.fromkeys(key for row in rows for key in row)), rows)


def summary(name: str, trials: Sequence[FrozenTrial], goals: Goals, limit: int | None) -> str:
    """Markdown: how many trials there are of `limit`, the best of them, and what failed."""
    counts = ", ".join(f"{count} {state.lower()}" for state, count in by_state(trials).items())
    of = f" of {limit}" if limit else ""
    lines = [f"# {name}: {len(trials)}{of} trials ({counts})", "", f"{goals.one_line()}."]
    if reused := _reuse_in_words(trials):
        lines += ["", reused]
    lines += _best(trials, goals)
    failed = [trial for trial in trials if trial.state.name == "FAIL"]
    if failed:
        reasons = [f"- {trial.number}: {trial.user_attrs.get(REASON, '')}" for trial in failed]
        lines += ["", "## Failed", "", *reasons]
    return "\n".join(lines) + "\n"


def settings_table(shown: Sequence[FrozenTrial], goals: Goals) -> Table:
    """What trials set, what they are worth, and every mean that a constraint asks for."""
    names = [one.name for one in goals.objectives]
    asked = sorted(goals.names() - set(names))
    rows = [
        [
            str(trial.number),
            setting(trial),
            *(f"{value:.4g}" for value in trial.values or []),
            *(_mean(trial, name) for name in asked),
        ]
        for trial in shown
    ]
    return Table(["trial", "setting", *names, *asked], rows)


def trials_table(trials: Sequence[FrozenTrial], goals: Goals, marked: Sequence[int]) -> Table:
    """All trials, with how they ended.

    marked: numbers of those that stand out
    """
    names = [one.name for one in goals.objectives]
    rows = []
    for trial in trials:
        broken = [text for text, violation in trial.constraints.items() if violation > 0]
        ended = trial.user_attrs.get(REASON) or "; ".join(f"not {text}" for text in broken)
        done = trial.state.name == "COMPLETE"
        values = [f"{value:.4g}" for value in trial.values] if done else [""] * len(names)
        rows.append([str(trial.number), setting(trial), *values, trial.state.name.lower(), ended])
    head = ["trial", "setting", *names, "state", ""]
    return Table(head, rows, [n for n, one in enumerate(trials) if one.number in marked])


def setting(trial: FrozenTrial) -> str:
    """What a trial sets, in a few words."""
    if trial.user_attrs.get(IS_CURRENT):
        return "as it stands"
    return in_words(as_overrides(trial.params))


def _mean(trial: FrozenTrial, name: str) -> str:
    value = trial.user_attrs.get(MEANS, {}).get(name)
    return "" if value is None else f"{value:.4g}"


def by_state(trials: Sequence[FrozenTrial]) -> dict[str, int]:
    """How many trials are in each state that there is."""
    names = [trial.state.name for trial in trials]
    states = ("COMPLETE", "PRUNED", "FAIL", "RUNNING")
    return {state: names.count(state) for state in states if state in names}


def reuse_totals(trials: Sequence[FrozenTrial]) -> dict[str, float]:
    """Sums over the trials of what was computed and reused, and of their seconds."""
    sums: dict[str, float] = {}
    for trial in trials:
        for name, value in trial.user_attrs.get(REUSE, {}).items():
            total = name.replace("reuse.", "total.")
            sums[total] = sums.get(total, 0.0) + value
    return sums | {"total.seconds": sum(trial.user_attrs.get(SECONDS) or 0.0 for trial in trials)}


def _row(trial: FrozenTrial, goals: Goals) -> dict[str, Any]:
    values = trial.values if trial.state.name == "COMPLETE" else None
    row = {"trial": trial.number, "state": trial.state.name}
    row |= {current_key(key): value for key, value in trial.params.items()}
    row |= {
        one.name: values[index] if values else None for index, one in enumerate(goals.objectives)
    }
    row |= {text: violation <= 0 for text, violation in trial.constraints.items()}
    row |= {"seconds": trial.user_attrs.get(SECONDS), "reason": trial.user_attrs.get(REASON, "")}
    row |= trial.user_attrs.get(REUSE, {})
    means = trial.user_attrs.get(MEANS, {})
    return row | {key: value for key, value in means.items() if key not in row}


def _best(trials: Sequence[FrozenTrial], goals: Goals) -> list[str]:
    """The best trial, or the front, as a table."""
    if len(goals.objectives) > 1:
        title, shown = "The Pareto front", pareto_front(trials, goals)
    else:
        best = best_trial(trials, goals)
        title, shown = "The best trial", [best] if best else []
    if not shown:
        return []
    keys = list(dict.fromkeys(key for one in shown for key in one.params))
    head = ["trial", *map(current_key, keys), *(one.name for one in goals.objectives)]
    body = [
        [
            str(one.number),
            *(str(one.params.get(key, "")) for key in keys),
            *(f"{value:.4g}" for value in one.values),
        ]
        for one in sorted(shown, key=lambda trial: trial.values)
    ]
    return ["", f"{title}:", "", *markdown(head, body)]


def _reuse_in_words(trials: Sequence[FrozenTrial]) -> str:
    sums = reuse_totals(trials)
    ending = "_forwards"
    kinds = [
        name.removeprefix("total.").removesuffix(ending) for name in sums if name.endswith(ending)
    ]
    if not kinds:
        return ""
    parts = [
        f"{sums[f'total.{kind}_forwards']:.0f} {kind} forwards computed, "
        f"{sums[f'total.{kind}_forwards_spared']:.0f} reused"
        for kind in kinds
    ]
    return (
        f"{'; '.join(parts)}; {sums['total.saved_s']:.0f} s of them saved in "
        f"{sums['total.seconds']:.0f} s of trials."
    )
