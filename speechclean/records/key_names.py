"""Former and present names of keys and choices of a config.

As with classes (`class_names`): what was written under a former name is understood, and signatures
are made of first names, so that a key which is renamed changes no signature. Whoever renames a key
or a choice adds its line here; a user who still writes the former name is told by
`experiment.config.old_names`.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

#: The dotted path under which each key was first known, and today's. A part `*` stands for any
#: name; only the last part is another one.
RENAMED_KEYS: Mapping[str, str] = {
    "batch_seconds": "audio_in_memory_s",
    "output.marks": "output.fingerprints",
    "separators.*.tuned": "separators.*.fast_layers",
}
#: Below these, keys are dotted paths of their own.
_SEARCHED = ("sweep.space.", "sweep.conditions.", "hydra.sweeper.params.")
#: By group, the name of each choice when it was new, and today's.
RENAMED_CHOICES: Mapping[str, Mapping[str, str]] = {"dataset": {"finished": "cleaned"}}

_BACK = {now: before for before, now in RENAMED_KEYS.items()}


def current_key(path: str) -> str:
    """Today's name of a key, by its dotted path.

    >>> current_key("separators.local.tuned"), current_key("separators.local.shifts")
    ('separators.local.fast_layers', 'separators.local.shifts')
    """
    return _renamed(path, RENAMED_KEYS)


def first_key(path: str) -> str:
    """The name under which a key was first known.

    >>> first_key("audio_in_memory_s")
    'batch_seconds'
    """
    return _renamed(path, _BACK)


def with_current_keys(node: Any, prefix: str = "") -> Any:
    """A plain config with today's name of every key.

    prefix: the dotted path of `node`, where it is a part of a config
    """
    return _keys(node, RENAMED_KEYS, prefix)


def with_first_keys(node: Any, prefix: str = "") -> Any:
    """As `with_current_keys`, with the first name of every key."""
    return _keys(node, _BACK, prefix)


def former_keys(node: Any, prefix: str = "") -> list[str]:
    """The dotted paths of all keys of a plain config that have another name today."""
    if not isinstance(node, Mapping):
        return []
    paths = {f"{prefix}.{key}" if prefix else str(key): value for key, value in node.items()}
    here = [path for path in paths if current_key(path) != path]
    return here + [found for path, value in paths.items() for found in former_keys(value, path)]


def _renamed(path: str, names: Mapping[str, str]) -> str:
    for above in _SEARCHED:
        if path.startswith(above):
            return above + _renamed(path.removeprefix(above), names)
    parents, _, _ = path.rpartition(".")
    for pattern, other in names.items():
        # A star of `fnmatch` would match dots, too.
        if pattern.count(".") == path.count(".") and fnmatchcase(path, pattern):
            last = other.rpartition(".")[2]
            return f"{parents}.{last}" if parents else last
    return path


def _keys(node: Any, names: Mapping[str, str], path: str) -> Any:
    """A node under the other names; where a node has a key by both, the wanted one counts."""
    if isinstance(node, list):
        return [_keys(item, names, path) for item in node]
    if not isinstance(node, Mapping):
        return node
    made = {}
    for key, value in node.items():
        old = f"{path}.{key}" if path else str(key)
        new = _renamed(old, names)
        name = key if new == old else new.removeprefix(f"{path}.")
        if name == key or name not in node:
            made[name] = _keys(value, names, new)
    return made
