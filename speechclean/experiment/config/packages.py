"""What a config needs of packages that are not installed, said before any work.

A stage, metric or tracker names them in `needs_packages`, by the names under which it imports them;
`system.extras` knows how they are got.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from omegaconf import DictConfig

from speechclean.system.extras import explained, how_to_get, missing, on_the_index

#: What Hydra starts jobs by, and what a study is made with. The rest of Hydra is in the core.
_LAUNCHERS = {
    "joblib": ("hydra_plugins.hydra_joblib_launcher",),
    **dict.fromkeys(
        ("slurm", "submitit_slurm", "submitit_local"),
        ("hydra_plugins.hydra_submitit_launcher", "submitit"),
    ),
}
STUDY = ("optuna", "plotly")


def absent_of(component: Any) -> list[str]:
    """The packages that an object of a config needs and that are not installed."""
    return missing(getattr(component, "needs_packages", ()))


def missing_packages(cfg: DictConfig, components: Mapping[str, Any]) -> list[str]:
    """What is not installed of all that a config asks for, as one problem; [] if all is there.

    A component that checks by itself, as a batch's executor, says so there.
    """
    lacking = {key: absent for key, one in components.items() if (absent := absent_of(one))}
    if not lacking:
        return []
    without = _without(cfg, lacking)
    if len(lacking) == 1:
        ((key, absent),) = lacking.items()
        return [explained(key, absent, " ".join(without))]
    everything = list(dict.fromkeys(name for absent in lacking.values() for name in absent))
    parts = [f"{_listed(absent)} for {', '.join(keys)}" for absent, keys in _grouped(lacking)]
    lines = ["packages are not installed that this config needs; get them with"]
    lines += [f"    {how_to_get(everything)}"]
    lines += ["  or go without:", f"    {' '.join(without)}"] if without else []
    return ["\n".join([*lines, "  They are", *(f"    {part}" for part in parts)])]


def missing_for_jobs(overrides: Iterable[str]) -> list[str]:
    """What is not installed of all that launches and searches the jobs of a command line."""
    problems = []
    for override in overrides:
        key, _, value = override.partition("=")
        if key == "hydra/launcher" and (absent := missing(_LAUNCHERS.get(value, ()))):
            problems.append(explained(override, absent))
        if (key == "sweep" or override == "hydra/sweeper=study") and (absent := missing(STUDY)):
            grid = "leave it out: a sweep of listed values needs neither"
            problems.append(explained(override, absent, grid))
    return problems


def _grouped(lacking: Mapping[str, list[str]]) -> list[tuple[tuple[str, ...], list[str]]]:
    """Keys of the config by the packages that they lack together."""
    found: dict[tuple[str, ...], list[str]] = {}
    for key, absent in lacking.items():
        found.setdefault(tuple(absent), []).append(key)
    return list(found.items())


def _listed(packages: Iterable[str]) -> str:
    return ", ".join(map(on_the_index, packages))


def _without(cfg: DictConfig, lacking: Mapping[str, Any]) -> list[str]:
    """What to type for a run that needs none of what is missing; [] where that is another run."""
    groups = {key.partition(".")[0] for key in lacking}
    typed = [f"{group}=none" for group in ("tracking", "batch") if group in groups]
    typed += ["enhancement=identity"] if "enhancement" in groups else []
    for group in ("separators", "metrics"):
        if group in groups:
            others = [str(name) for name in cfg[group] if f"{group}.{name}" not in lacking]
            if group == "separators" and not others:
                return []
            typed.append(f"'{group}=[{','.join(others)}]'")
    return typed
