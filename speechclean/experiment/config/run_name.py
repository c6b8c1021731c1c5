"""What a run is called among others: its name, and what it was told to do otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import OmegaConf

from speechclean.system.secrets import masked

#: Groups and keys that say nothing of how sounds are cleaned.
_ASIDE = {
    *("name", "dataset", "inputs", "metrics", "output", "tracking", "hydra", "batch", "device"),
    *("cache", "weights", "verdict", "sweep", "batch_size", "audio_in_memory_s", "stream_above_s"),
}
#: Of a name in a list of runs, so much is seen.
_LENGTH = 100


def run_name(name: str, hydra: Any) -> str:
    """The name of a job, with the knobs that it was given; in a sweep, those that vary.

    name: of the config, kept as it is where a single run was named on its command line
    hydra: the `hydra` node of the job
    """
    task = list(hydra.overrides.task)
    if hydra.mode == RunMode.MULTIRUN:
        varied = _swept(Path(hydra.sweep.dir) / "multirun.yaml")
        told = in_words(line for line in task if _key(line) in varied) if varied else knobs(task)
        return _cut(f"{name} {hydra.job.num}: {told}" if told else f"{name} {hydra.job.num}")
    if any(_key(line) == "name" for line in task):
        return name
    told = knobs(task)
    return _cut(f"{name}: {told}" if told else name)


def knobs(overrides: Iterable[str]) -> str:
    """Overrides in a few words, without those that say nothing of how sounds are cleaned.

    >>> knobs(["dataset=folder", "enhancement.wet=0.2", "postprocess.beta_wiener.beta=0.1"])
    'wet 0.2, beta 0.1'
    >>> knobs(["fusion=max_mask", "separators=[spleeter,deepfilternet3]", "~enhancement"])
    'fusion max_mask, separators spleeter+deepfilternet3, no enhancement'
    """
    return in_words(
        line for line in overrides if _key(line).split(".")[0].split("/")[0] not in _ASIDE
    )


def in_words(overrides: Iterable[str]) -> str:
    """Overrides in a few words, all of them.

    >>> in_words(["dataset.pattern=a", "shifts=2"])
    'pattern a, shifts 2'
    """
    said = []
    for line in overrides:
        key, _, value = line.partition("=")
        plain = value.strip("[]").replace(",", "+") if value.startswith("[") else value
        last = _key(line).rpartition(".")[2]
        said.append(f"no {key[1:]}" if key.startswith("~") else f"{last} {plain or 'none'}")
    return masked(", ".join(said))


def _key(line: str) -> str:
    return line.partition("=")[0].lstrip("+~").partition("@")[0]


def _swept(kept: Path) -> Sequence[str]:
    """Keys with several values in the command line that Hydra keeps of a sweep, if it is there."""
    if not kept.is_file():
        return []
    lines = list(OmegaConf.load(kept).hydra.overrides.task)
    asked = OverridesParser.create().parse_overrides(lines)
    return [_key(each.get_key_element()) for each in asked if each.is_sweep_override()]


def _cut(name: str) -> str:
    return name if len(name) <= _LENGTH else f"{name[: _LENGTH - 1]}…"
