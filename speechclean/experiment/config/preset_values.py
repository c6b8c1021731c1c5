"""What a run's config says that the defaults do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from speechclean.records.class_names import current
from speechclean.records.key_names import current_key
from speechclean.records.provenance import canonical
from speechclean.system.resources import conf_dir

from .compose import choice, composed
from .errors import PromotionError

#: Groups whose choices can change the sound: those with one choice, and those with a list.
SINGLE, LISTED = ("fusion", "enhancement"), ("separators", "postprocess")


def minimal(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The choices of groups, and the values, that a resolved config has and the defaults do not."""
    choices = _choices(config, resolved(composed([])))
    # The root's values first: what the stages take from there need not be said again.
    start = resolved(composed(as_overrides(choices, {})))
    own = {current_key(key): value for key, value in dict(canonical(config)).items()}
    values = {
        key: value
        for key, value in own.items()
        if not isinstance(value, Mapping | list) and start.get(key) != value
    }
    start = resolved(composed(as_overrides(choices, values)))
    for group in (*LISTED, *SINGLE):
        changed = _changes(config[group], start[group])
        if changed:
            values[group] = changed
    return choices, values


def _choices(config: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    choices: dict[str, Any] = {}
    for group in SINGLE:
        if (mine := _choice(group, config[group])) != _choice(group, defaults[group]):
            choices[group] = mine
    for group in LISTED:
        for name in config[group]:
            if not (conf_dir() / group / f"{name}.yaml").is_file():
                raise PromotionError(f"{group} has no choice {name!r} any more; see conf/{group}/")
        if list(config[group]) != list(defaults[group]):
            choices[group] = list(config[group])
    return choices


def _choice(group: str, section: Mapping[str, Any]) -> str:
    """The choice of a group that a section came from.

    Of the choices with its class, that is the one with most of its values.
    """
    best: tuple[int, str] | None = None
    for path in sorted((conf_dir() / group).glob("*.yaml")):
        candidate = choice(group, path.stem)
        if candidate.get("_target_") == current(str(section.get("_target_"))):
            # Words name what it is (a model), numbers only how it is set.
            agreement = sum(
                (100 if isinstance(value, str) else 1) * (candidate.get(key) == value)
                for key, value in section.items()
            )
            best = max(best or (-1, ""), (agreement, path.stem))
    if best is None:
        target = section.get("_target_")
        raise PromotionError(f"{group}: no choice is a {target}; see conf/{group}/")
    return best[1]


def _changes(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """What `mine` says otherwise, nested as it is.

    Device and batch size, which cannot change the sound, are left out.
    """
    changed: dict[str, Any] = {}
    for key, value in mine.items():
        if key in ("device", "batch_size") or (key in theirs and theirs[key] == value):
            continue
        if isinstance(value, Mapping) and isinstance(theirs.get(key), Mapping):
            if inner := _changes(value, theirs[key]):
                changed[key] = inner
        else:
            changed[key] = dict(value) if isinstance(value, Mapping) else value
    return changed


def flat_canonical(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a config that can change the sound, by dotted keys."""
    return {current_key(key): value for key, value in _leaves(canonical(config))}


def _leaves(section: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    pairs = section if isinstance(section, list) else section.items()
    for key, value in pairs:
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        elif key in LISTED and not prefix:
            yield f"{key} (order)", [name for name, _ in value]
            yield from _leaves(value, f"{key}.")
        else:
            yield f"{prefix}{key}", value


def resolved(cfg: DictConfig) -> dict[str, Any]:
    """Plain values; what only a running Hydra knows is replaced."""
    OmegaConf.set_struct(cfg, False)
    cfg.output.dir, cfg.name = "outputs", "preset"
    cfg.tracking = {}
    return OmegaConf.to_container(cfg, resolve=True)  # type: ignore[return-value]


def as_overrides(choices: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    """Choices and values as a command line."""
    chosen = [
        f"{group}=[{','.join(name)}]" if isinstance(name, list) else f"{group}={name}"
        for group, name in choices.items()
    ]
    return chosen + [f"++{key}={_literal(value)}" for key, value in _dotted(values)]


def _dotted(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _dotted(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _literal(value: Any) -> str:
    """A value as Hydra's grammar takes it."""
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, list):
        return f"[{','.join(map(_literal, value))}]"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return "{}" if value == {} else repr(value)
