"""The classes that a config may name: those of the choices in conf/, and none besides.

A config comes from the command line, but also from a recorded run, a preset or a served model,
which others may have written. A choice of one's own is a yaml in its group's folder: that makes its
class one of these.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from speechclean.records.class_names import MOVED, current
from speechclean.system.resources import conf_dir

#: Groups of which a config names any number of choices, in an order.
LIST_GROUPS = ("separators", "postprocess", "metrics")
#: Groups of which a config names one choice.
SINGLE_GROUPS = ("fusion", "enhancement", "dataset", "screening", "verdict", "guard", "tracking")
#: Groups of which a config names one choice or none.
OPTIONAL_GROUPS = ("selection", "batch", "delivery")
GROUPS = (*LIST_GROUPS, *SINGLE_GROUPS, *OPTIONAL_GROUPS)


def may_name(group: str, target: object) -> bool:
    """Whether a section of a group may name this class, by today's or by a former name.

    >>> may_name("fusion", "speechclean.stages.fusion.mean_mask.MeanMask")
    True
    >>> may_name("fusion", "speechclean.stages.guard.NoGuard"), may_name("fusion", "os.system")
    (False, False)
    """
    return isinstance(target, str) and current(target) in _classes(conf_dir())[group]


@cache
def _classes(conf: Path) -> dict[str, frozenset[str]]:
    """Today's names of the classes, by group."""
    chosen = {group: _chosen(conf / group, group) for group in GROUPS}
    taken = {name for names in chosen.values() for name in names}
    # Of recorded runs some name a class that no choice names any more.
    former = {current(f"speechclean.{name}") for name in MOVED} - taken
    return {
        group: frozenset(names | {one for one in former if _folder(one) in map(_folder, names)})
        for group, names in chosen.items()
    }


def _chosen(folder: Path, group: str) -> set[str]:
    """The classes that a group's choices name, at the top or below the group's own name."""
    found = set()
    for path in folder.glob("*.yaml"):
        try:
            choice: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError):
            continue  # whoever chooses it is told by Hydra
        nodes = [choice, choice.get(group)] if isinstance(choice, dict) else []
        found |= {node.get("_target_") for node in nodes if isinstance(node, dict)}
    return {current(target) for target in found if isinstance(target, str)}


def _folder(target: str) -> str:
    return target.rsplit(".", 2)[0]
