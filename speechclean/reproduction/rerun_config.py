"""A recorded run's config, with the inputs, weights, folder and store of now."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from speechclean.experiment.config.old_names import in_overrides
from speechclean.records import class_names
from speechclean.records.key_names import with_current_keys
from speechclean.records.run_folder import INPUTS
from speechclean.records.tracking import Record, Records
from speechclean.records.tracking.labels import flat, text
from speechclean.system.paths import expanded
from speechclean.system.resources import PACKAGE
from speechclean.system.secrets import holds_secret

#: Knobs at the root that stages refer to: in a resolved config the reference is gone, so that they
#: are set in both places.
SHARED = ("shifts", "overlap", "edge_context_s", "seed", "device", "batch_size")
#: Keys that may hold a path of weights: folders, and files where others hold a name.
WEIGHT_FOLDERS = ("separators.*.repo", "separators.*.path", "weights.dir")
WEIGHT_FILES = ("separators.*.name", "separators.*.config", "enhancement.model", "metrics.*.model")
#: The data set and the tracker of a repetition, as the code of today calls them.
MANIFEST = "speechclean.stages.datasets.manifest.Manifest"
TRACKER = "speechclean.records.tracking.MlflowTracker"
#: Groups that change nothing of what becomes of a file.
NOT_REPEATED = ("batch", "delivery", "sweep")
#: Tells the repetition the address of the store where that holds a password: it is in no file then.
URI_VARIABLE = "SPEECHCLEAN_TRACKING_URI"


class ReproductionError(RuntimeError):
    """A run that cannot be run again from here; the message lists what is missing."""


def apply_changes(config: DictConfig, changes: Sequence[str]) -> list[str]:
    """Apply overrides to a resolved config in place; a line on what each of them changes.

    Raises `ReproductionError` for a key that is not there.
    """
    lines = []
    for override in in_overrides(changes):
        key, equals, _ = override.partition("=")
        before = OmegaConf.select(config, key, default=None)
        if not equals or (before is None and not _has(config, key)):
            raise ReproductionError(
                f"{override}: the run's config has no key {key!r}{_hint(config, key)}; "
                "give key=value"
            )
        value = OmegaConf.select(OmegaConf.from_dotlist([override]), key)
        OmegaConf.update(config, key, value)
        lines.append(f"{key}: {text(before, 200)} then, {text(value, 200)} now")
        if key in SHARED:
            for stage in _stages(config):
                if key in stage and stage[key] == before:
                    stage[key] = value
    return lines


def redirect(config: DictConfig, record: Record, records: Records, folder: Path) -> None:
    """Send a run's config to the inputs, the folder and the store of now, in place.

    None of it touches the sound, and of the run's own only what does is kept: its tracker, its
    cache and its sweep name places, which are whoever's wrote the record.
    """
    if "${" in record.experiment:
        raise ReproductionError(f"the experiment {record.experiment!r} has no plain name")
    OmegaConf.set_struct(config, False)
    manifest = str(folder / "reproduce" / INPUTS)
    config.dataset = {"_target_": MANIFEST, "path": manifest}
    uri = f"${{oc.env:{URI_VARIABLE}}}" if holds_secret(records.store.uri) else records.store.uri
    config.tracking = {"_target_": TRACKER, "uri": uri, "experiment": record.experiment}
    if "cache" in config:
        config.cache = {"enabled": None}
    config.output.dir = str(folder)
    if "layout" in config.output:
        config.output.layout = "flat"  # files are found by their aliases
    for key in NOT_REPEATED:
        config.pop(key, None)
    # In a config `${` would begin an interpolation.
    config.name = f"reproduction of {record.name}".replace("${", "$ {")


def relocate_weights(config: DictConfig, then: str | None, root: Path | None) -> None:
    """Make the paths of a run's own weights absolute, in place.

    They are looked for below `root`, in the folder `then` in which the run ran, and here. A
    repetition runs in a folder of its own, in which what was relative leads nowhere.
    """
    bases = [*([Path(then)] if then else []), Path.cwd()]
    for key, value in list(_strings(config)):
        is_folder = any(fnmatchcase(key, pattern) for pattern in WEIGHT_FOLDERS)
        if not is_folder and not any(fnmatchcase(key, pattern) for pattern in WEIGHT_FILES):
            continue
        candidates = _candidates(_expanded(value), bases, root)
        found = [path for path in candidates if (path.is_dir() if is_folder else path.is_file())]
        if found:
            OmegaConf.update(config, key, str(found[0].absolute()))
    known = (config.get("weights") or {}).get("dir")
    if root and not (known and Path(known).is_dir()):
        config.weights = {"dir": str(root.absolute())}


def primary_config(config: DictConfig, folder: Path, code: Path) -> str:
    """The config as Hydra's primary one (yaml), on the schema of the code that will run it.

    Classes get the names under which they were first recorded: that code may be the one of then,
    and today's understands those names too. So do keys, where other code than today's runs it.

    code: the folder that holds that code's package.
    """
    defaults: list[Any] = ["schema"]
    for group, name in (("hydra/job_logging", "plain"), ("hydra/output", "speechclean")):
        if any(
            (conf / group / f"{name}.yaml").is_file()
            for conf in (code / "conf", code / "speechclean" / "conf")
        ):
            defaults.append({f"override {group}": name})
    hydra = {"run": {"dir": str(folder)}}
    plain: Any = class_names.with_first(OmegaConf.to_container(config))
    if code.resolve() == PACKAGE.parent.resolve():
        plain = with_current_keys(plain)  # nobody is told of names that nobody typed
    return OmegaConf.to_yaml(
        OmegaConf.create({"defaults": [*defaults, "_self_"], "hydra": hydra, **plain})
    )


def _candidates(named: Path, bases: Sequence[Path], root: Path | None) -> Iterator[Path]:
    """Where weights may be: below `root` by as much of their path as is there, then as named."""
    tails = [Path(*named.parts[start:]) for start in range(len(named.parts))]
    if root is not None:
        yield from (root / tail for tail in tails if not tail.is_absolute())
    yield from (base / named for base in bases)


def _expanded(value: str) -> Path:
    try:
        return expanded(value)
    except RuntimeError:  # `~name` of nobody here
        return Path(value)


def _stages(config: DictConfig) -> list[DictConfig]:
    several = [*config.separators.values(), *config.postprocess.values()]
    return [*several, config.fusion, config.enhancement]


def _hint(config: DictConfig, key: str) -> str:
    near = difflib.get_close_matches(key, flat(_plain(config)), 1)
    return f", did you mean {near[0]}?" if near else ""


def _plain(config: DictConfig) -> dict[str, Any]:
    plain: Any = OmegaConf.to_container(config)
    return plain


def _strings(node: DictConfig, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a config that is its own, by its dotted key; references are left out."""
    for key in map(str, node):
        if OmegaConf.is_interpolation(node, key):
            continue
        value = node[key]
        if isinstance(value, DictConfig):
            yield from _strings(value, f"{prefix}{key}.")
        elif isinstance(value, str):
            yield f"{prefix}{key}", value


def _has(config: DictConfig, key: str) -> bool:
    parent, _, last = key.rpartition(".")
    node = OmegaConf.select(config, parent) if parent else config
    return isinstance(node, DictConfig) and last in node
