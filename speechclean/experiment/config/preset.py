"""From a run to a preset: its config as a file of conf/experiment/, saying only what differs from
the defaults.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from speechclean.records.class_names import current, with_current
from speechclean.records.provenance import canonical
from speechclean.records.run_folder import CONFIG
from speechclean.records.tracking import Record
from speechclean.system.atomic_files import written_whole

from .compose import composed, conf_dir

#: Groups whose choices can change the sound: one choice, and several.
ONE, MANY = ("fusion", "enhancement"), ("separators", "postprocess")


class PromotionError(RuntimeError):
    """A run whose config cannot be said as a preset; the message says why."""


@dataclass(frozen=True)
class Promotion:
    """A preset that was written. `new_keys` are those that the code has got since: with them the
    signature is another.
    """

    path: Path
    new_keys: list[str]


def promote(record: Record, name: str, overwrite: bool = False) -> Promotion:
    """Write `conf/experiment/<name>.yaml` from a run. Raises `PromotionError`; then nothing is
    written.

    Dataset, metrics and everything else that cannot change the sound stay as the defaults have
    them.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w-]*", name):
        raise PromotionError(f"{name!r} is no name for a preset; use letters, digits, _ and -")
    path = Path(conf_dir()) / "experiment" / f"{name}.yaml"
    if path.exists() and not overwrite:
        raise PromotionError(f"{path} is there already; choose another name, or overwrite=true")
    page, new = preset(record, name)
    with written_whole(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    composed([f"experiment={name}"])
    return Promotion(path, new)


def preset(record: Record, name: str) -> tuple[str, list[str]]:
    """The text of a run's preset, and the keys that are new since. Raises `PromotionError`."""
    artifact = record.artifact(CONFIG)
    if artifact is None:
        raise PromotionError(f"{record.name} ({record.id}) keeps no config.yaml")
    config = with_current(yaml.safe_load(artifact.read_text()))
    choices, values = minimal(config)
    new = _verified(config, _as_overrides(choices, values))
    return _page(record, name, choices, values, config), new


def minimal(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The choices of groups and the values that a resolved config has and the defaults do not."""
    defaults = _resolved(composed([]))
    choices: dict[str, Any] = {}
    for group in ONE:
        if (mine := _choice(group, config[group])) != _choice(group, defaults[group]):
            choices[group] = mine
    for group in MANY:
        for each in config[group]:
            if not (Path(conf_dir()) / group / f"{each}.yaml").is_file():
                raise PromotionError(f"{group} has no choice {each!r} any more; see conf/{group}/")
        if list(config[group]) != list(defaults[group]):
            choices[group] = list(config[group])
    # Shared knobs first: what the stages take from them need not be said again.
    start = _resolved(composed(_as_overrides(choices, {})))
    kept = dict(canonical(config))
    values = {
        key: kept[key] for key in kept if not _is_node(kept[key]) and start.get(key) != kept[key]
    }
    start = _resolved(composed(_as_overrides(choices, values)))
    for group in (*MANY, *ONE):
        changed = _changes(config[group], start[group])
        if changed:
            values[group] = changed
    return choices, values


def _choice(group: str, node: Mapping[str, Any]) -> str:
    """The choice of a group that a node came from: of its class, and of those the one that agrees
    most.
    """
    best: tuple[int, str] | None = None
    for path in sorted((Path(conf_dir()) / group).glob("*.yaml")):
        candidate = yaml.safe_load(path.read_text()) or {}
        if candidate.get("_target_") == current(str(node.get("_target_"))):
            # Words name what it is (a model), numbers only how it is set.
            agreement = sum(
                (100 if isinstance(value, str) else 1) * (candidate.get(key) == value)
                for key, value in node.items()
            )
            best = max(best or (-1, ""), (agreement, path.stem))
    if best is None:
        raise PromotionError(f"{group}: no choice is a {node.get('_target_')}; see conf/{group}/")
    return best[1]


def _changes(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """What `mine` says otherwise, nested as it is; device and batch size, which cannot change the
    sound, left out.
    """
    changed: dict[str, Any] = {}
    for key, value in mine.items():
        if key in ("device", "batch_size") or (key in theirs and theirs[key] == value):
            continue
        both = isinstance(value, Mapping) and isinstance(theirs.get(key), Mapping)
        if part := (
            _changes(value, theirs[key])
            if both
            else value
            if not isinstance(value, Mapping)
            else dict(value)
        ):
            changed[key] = part
        elif not both:
            changed[key] = part  # null, 0, false
    return changed


def _verified(config: Mapping[str, Any], overrides: list[str]) -> list[str]:
    """Compose the preset and hold it against the run's config; the keys that are new since."""
    made = flat_canonical(_resolved(composed(overrides)))
    wanted = flat_canonical(config)
    wrong = [key for key in wanted if made.get(key, wanted) != wanted[key]]
    if wrong:
        raise PromotionError(
            f"these keys do not come out as the run had them with the code of now: {', '.join(wrong)}"
        )
    return [key for key in made if key not in wanted]


def flat_canonical(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a config that can change the sound, by dotted keys."""
    return dict(_leaves(canonical(config)))


def _leaves(node: Any, prefix: str = "") -> Any:
    pairs = node if isinstance(node, list) else node.items()
    for key, value in pairs:
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        elif key in MANY and not prefix:
            yield f"{key} (order)", [name for name, _ in value]
            yield from _leaves(value, f"{key}.")
        else:
            yield f"{prefix}{key}", value


def _is_node(value: Any) -> bool:
    return isinstance(value, Mapping | list)


def _resolved(cfg: DictConfig) -> dict[str, Any]:
    """Plain values; what only a running Hydra knows is no matter here."""
    OmegaConf.set_struct(cfg, False)
    cfg.output.dir, cfg.name = "outputs", "preset"
    cfg.tracking = {}
    return OmegaConf.to_container(cfg, resolve=True)  # type: ignore[return-value]


def _as_overrides(choices: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    """The preset as a command line."""
    said = [
        f"{group}=[{','.join(name)}]" if isinstance(name, list) else f"{group}={name}"
        for group, name in choices.items()
    ]
    return said + [f"++{key}={_written(value)}" for key, value in _dotted(values)]


def _dotted(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    listed: list[tuple[str, Any]] = []
    for key, value in values.items():
        deeper = isinstance(value, Mapping) and value
        listed += _dotted(value, f"{prefix}{key}.") if deeper else [(f"{prefix}{key}", value)]
    return listed


def _written(value: Any) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, list):
        return f"[{','.join(map(_written, value))}]"
    return (
        "null"
        if value is None
        else str(value).lower()
        if isinstance(value, bool)
        else "{}"
        if value == {}
        else repr(value)
    )


def _page(
    record: Record,
    name: str,
    choices: Mapping[str, Any],
    values: Mapping[str, Any],
    config: Mapping[str, Any],
) -> str:
    scores = {
        key: value for key, value in sorted(record.metrics.items()) if key.endswith("_improvement")
    }
    told = (
        ", ".join(
            f"{key.removesuffix('_improvement')} {value:+.3f}" for key, value in scores.items()
        )
        or "none"
    )
    commit = record.tags.get("git_commit", "none")
    started = datetime.fromtimestamp(record.started / 1000, UTC)
    dataset = " ".join(
        f"{key}={value}" for key, value in config["dataset"].items() if key != "_target_"
    )
    kind = str(config["dataset"].get("_target_", "")).rpartition(".")[2]
    files = record.params.get("files") or f"{record.metrics.get('files_cleaned', 0):.0f}"
    head = [
        "# @package _global_",
        f"# python -m speechclean experiment={name}",
        f"# Promoted from run {record.id} ({record.name}, {started:%Y-%m-%d}, git {commit[:10]}).",
        f"# Improvements there, means over {files} files ({kind}{' ' + dataset if dataset else ''}): {told}.",
    ]
    body: dict[str, Any] = {}
    if choices:
        body["defaults"] = [{f"override /{group}": choice} for group, choice in choices.items()]
    body |= {"name": name, **values}
    return (
        "\n".join(head)
        + "\n"
        + yaml.dump(body, Dumper=_Readable, sort_keys=False, allow_unicode=True)
    )


class _Readable(yaml.SafeDumper):
    """Short lists on one line."""


_Readable.add_representer(
    list,
    lambda dumper, data: dumper.represent_sequence(
        "tag:yaml.org,2002:seq",
        data,
        flow_style=all(isinstance(each, str | int | float) for each in data),
    ),
)
