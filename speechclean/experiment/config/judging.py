"""What a config's verdict and guard can hear, found out before any work."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hydra.utils import get_class
from omegaconf import OmegaConf

from speechclean.records.results.summary import NEEDS
from speechclean.records.results.verdict import Thresholds
from speechclean.stages.types import Track
from speechclean.system.resources import conf_dir

#: What judges the level of the voice; it has no say where the config asks for a level.
LEVEL = "level_change_db"


def unknown_metrics(thresholds: Thresholds, measured: Iterable[Any]) -> list[str]:
    """Thresholds of metrics that do not exist: nobody would notice that they are never asked."""
    choices = {path.stem for path in (conf_dir() / "metrics").glob("*.yaml")}
    known = sorted(choices | set(map(str, measured)))
    problems = []
    for key, name in thresholds.named():
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            choices_are = f"the choices are {', '.join(known)}"
            hint = f"did you mean {close[0]}?" if close else choices_are
            problems.append(f"verdict.{key}: there is no metric {name!r}; {hint}")
    return problems


def blind_guard(
    guard: Any, thresholds: Any, metrics: Mapping[str, Any], tracks: Sequence[Track]
) -> list[str]:
    """The problem with a guard that hears in none of the files how the voice fares."""
    if not getattr(guard, "refuse_blind", False) or not tracks:
        return []
    able = [name for name in thresholds.accusers if name not in thresholds.alarms]
    deaf = {name: _lacking(metrics[name], tracks) for name in able if name in metrics}
    if "" in deaf.values():
        return []
    reasons = [f"{name}: {why}" for name, why in deaf.items()]
    free = [name for name in able if name not in metrics and _needs_nothing(name)]
    others = [*metrics, *free[:2]]
    return [
        "guard: it would be blind, since nothing that hears the voice and that verdict.harm names "
        f"can be measured in these files ({'; '.join(reasons) or 'none is among the metrics'}); "
        f"take metrics=[{','.join(others)}], or guard=none, or guard.refuse_blind=false"
    ]


def blind_selection(
    selection: Any, separators: Iterable[Any], metrics: Mapping[str, Any], tracks: Sequence[Track]
) -> list[str]:
    """What keeps a selection from choosing in any of the files."""
    if selection is None:
        return []
    present = set(map(str, separators))
    problems = [
        f"selection.candidates.{name}.separators: {', '.join(absent)} is not among separators="
        f"[{','.join(sorted(present))}]; add it there, or take the candidate out: "
        f"~selection.candidates.{name}"
        for name, one in selection.fusions().items()
        if (absent := [each for each in one.separators or () if each not in present])
    ]
    wanted = [*selection.words, selection.then]
    problems += [
        f"selection: of {name} more is better, and least of it would be kept; name another metric"
        for name in wanted
        if getattr(metrics.get(name), "higher_is_better", None)
    ]
    deaf = {name: _lacking(metrics[name], tracks) for name in selection.words if name in metrics}
    if selection.then not in metrics or (tracks and "" not in deaf.values()):
        reasons = [f"{name}: {why}" for name, why in deaf.items() if why]
        told = f" ({'; '.join(reasons)})" if reasons else ""
        added = [name for name in wanted if name not in metrics and _measurable(name, tracks)]
        problems.append(
            f"selection: it listens by one of {', '.join(selection.words)}, and by "
            f"{selection.then}, and not all of that can be measured in these files{told}; take "
            f"metrics=[{','.join([*metrics, *added])}], or selection=none"
        )
    return problems


def deafness(
    guard: Any, thresholds: Any, metrics: Mapping[str, Any], tracks: Sequence[Track]
) -> str | None:
    """What a guard does not hear, for whoever relies on it; None without a guard."""
    if not hasattr(guard, "refuse_blind"):
        return None
    deaf = [
        f"{name} ({why})"
        for name in thresholds.accusers
        if (why := _lacking(metrics[name], tracks) if name in metrics else "not measured")
    ]
    return f"the guard acts without {', '.join(deaf)}" if deaf else None


def fitting(thresholds: Any, postprocess: Iterable[Any]) -> Any:
    """Thresholds for what a pipeline is asked to do: a level that was asked for is no harm."""
    asked = any(getattr(stage, "target_lufs", None) is not None for stage in postprocess)
    return thresholds.without(LEVEL) if asked and isinstance(thresholds, Thresholds) else thresholds


def _lacking(metric: Any, tracks: Sequence[Track]) -> str:
    """What none of the tracks has and a metric needs, in words; empty if it can be measured."""
    needs = getattr(metric, "needs", "")
    has = {
        "reference": any(track.reference_path is not None for track in tracks),
        "transcript": any((track.transcript or "").strip() for track in tracks),
    }
    return "" if has.get(needs, True) else NEEDS[needs]


def _needs_nothing(name: str) -> bool:
    """Whether a metric of the choices can be measured in any file, by what the package has."""
    return _measurable(name, [])


def _measurable(name: str, tracks: Sequence[Track]) -> bool:
    """Whether a metric of the choices can be measured in some of the files."""
    path = conf_dir() / "metrics" / f"{name}.yaml"
    if not path.is_file():
        return False
    return not _lacking(get_class(OmegaConf.load(path)._target_), tracks)
