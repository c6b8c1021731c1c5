"""From a run to a preset: its config as a file of conf/experiment/.

The file says only what differs from the defaults.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from speechclean.records.class_names import with_current
from speechclean.records.tracking import Record
from speechclean.system.atomic_files import written_whole
from speechclean.system.plain_text import one_line
from speechclean.system.resources import conf_dir

from .compose import composed
from .errors import PromotionError
from .preset_text import preset_text
from .preset_values import LISTED, SINGLE, as_overrides, flat_canonical, minimal, resolved
from .recorded import recorded_config

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
    return Promotion(path, new)


def preset(record: Record, name: str) -> tuple[str, list[str]]:
    """The text of a run's preset, and the keys that are new since.

    Raises `PromotionError`, and `RecordError` for a config that no run of speechclean wrote.
    """
    config = with_current(recorded_config(record))
    if missing := [group for group in (*LISTED, *SINGLE) if group not in config]:
        raise PromotionError(f"{record.name} ({record.id}) has no {', '.join(missing)}")
    choices, values = minimal(config)
    new = _verified(config, as_overrides(choices, values))
    text = preset_text(record, name, choices, values, config.get("dataset") or {})
    _require_as_text(text, config)
    return text, new


def _verified(config: Mapping[str, Any], overrides: list[str]) -> list[str]:
    """Compose the preset and hold it against the run's config; the keys that are new since."""
    try:
        made = flat_canonical(resolved(composed(overrides)))
    except (HydraException, OmegaConfBaseException) as error:
        raise PromotionError(
            f"its values cannot be composed with the code of now ({one_line(error)})"
        ) from error
    wanted = flat_canonical(config)
    wrong = [key for key in wanted if made.get(key, wanted) != wanted[key]]
    if wrong:
        raise PromotionError(
            "these keys do not come out as the run had them with the code of now: "
            + ", ".join(wrong)
        )
    return [key for key in made if key not in wanted]


def _require_as_text(text: str, config: Mapping[str, Any]) -> None:
    """Compose the preset as the file that it will be. Raises `PromotionError`, as `_verified`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "experiment" / "as_written.yaml"
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8")
        _verified(config, [f"hydra.searchpath=[file://{folder}]", f"experiment={path.stem}"])
