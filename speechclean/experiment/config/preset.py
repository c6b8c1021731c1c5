"""From a run to a preset: its config as a file of conf/experiment/.

The file says only what differs from the defaults.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from speechclean.records.class_names import with_current
from speechclean.records.run_folder import CONFIG
from speechclean.records.tracking import Record
from speechclean.system.atomic_files import written_whole
from speechclean.system.resources import conf_dir

from .compose import composed
from .errors import PromotionError
from .preset_text import preset_text
from .preset_values import as_overrides, flat_canonical, minimal, resolved

__all__ = ["Promotion", "PromotionError", "preset", "promote"]


@dataclass(frozen=True)
class Promotion:
    """A preset that was written.

    new_keys: keys that the code has got since the run; with them the signature is another one
    """

    path: Path
    new_keys: list[str]


def promote(record: Record, name: str, overwrite: bool = False) -> Promotion:
    """Write `conf/experiment/<name>.yaml` from a run.

    Raises `PromotionError`; then nothing is written. Dataset, metrics and everything else that
    cannot change the sound stay as the defaults have them.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w-]*", name):
        raise PromotionError(f"{name!r} is no name for a preset; use letters, digits, _ and -")
    path = conf_dir() / "experiment" / f"{name}.yaml"
    if path.exists() and not overwrite:
        raise PromotionError(f"{path} is there already; choose another name, or overwrite=true")
    text, new = preset(record, name)
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    composed([f"experiment={name}"])
    return Promotion(path, new)


def preset(record: Record, name: str) -> tuple[str, list[str]]:
    """The text of a run's preset, and the keys that are new since. Raises `PromotionError`."""
    artifact = record.artifact(CONFIG)
    if artifact is None:
        raise PromotionError(f"{record.name} ({record.id}) keeps no config.yaml")
    config = with_current(yaml.safe_load(artifact.read_text()))
    choices, values = minimal(config)
    new = _verified(config, as_overrides(choices, values))
    return preset_text(record, name, choices, values, config["dataset"]), new


def _verified(config: Mapping[str, Any], overrides: list[str]) -> list[str]:
    """Compose the preset and hold it against the run's config; the keys that are new since."""
    made = flat_canonical(resolved(composed(overrides)))
    wanted = flat_canonical(config)
    wrong = [key for key in wanted if made.get(key, wanted) != wanted[key]]
    if wrong:
        raise PromotionError(
            "these keys do not come out as the run had them with the code of now: "
            + ", ".join(wrong)
        )
    return [key for key in made if key not in wanted]
