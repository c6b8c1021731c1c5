"""A recorded run's config, pointed at what is here now: its knobs, its inputs and weights, its
folder and store.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from speechclean.records.tracking import Record, Records
from speechclean.records.tracking.labels import text

#: Knobs at the root that stages refer to: in a resolved config the reference is gone, so that they
#: are set in both places.
SHARED = ("shifts", "overlap", "seed", "device", "batch_size")
#: Keys that may hold a path of weights: folders, and files where others hold a name.
WEIGHT_FOLDERS = ("separators.*.repo", "separators.*.path", "weights.dir")
WEIGHT_FILES = ("separators.*.name", "separators.*.config", "enhancement.model", "metrics.*.model")


class CannotReproduce(RuntimeError):  # noqa: N818 (reads as what it says)
    """A run that cannot be run again from here; the message lists what is missing."""


def change(config: DictConfig, changes: Sequence[str]) -> list[str]:
    """Apply overrides to a resolved config in place; what they change. Raises `CannotReproduce` for
    a key that is not there.
    """
    told = []
    for override in changes:
        key, equals, _ = override.partition("=")
        before = OmegaConf.select(config, key, default=None)
        if not equals or (before is None and not _has(config, key)):
            raise CannotReproduce(
                f"{override}: the run's config has no key {key!r}; give key=value"
            )
        value = OmegaConf.select(OmegaConf.from_dotlist([override]), key)
        OmegaConf.update(config, key, value)
        told.append(f"{key}: {text(before, 200)} then, {text(value, 200)} now")
        if key in SHARED:
            for node in [
                *config.separators.values(),
                *config.postprocess.values(),
                config.fusion,
                config.enhancement,
            ]:
                if key in node and node[key] == before:
                    node[key] = value
    return told


def aim(config: DictConfig, record: Record, records: Records, folder: Path) -> None:
    """Point a run's config at the inputs, the folder and the store of now; none of it touches the
    sound.
    """
    OmegaConf.set_struct(config, False)
    manifest = str(folder / "reproduce" / "inputs.csv")
    # First names: the code that will run it may be that of then.
    config.dataset = {"_target_": "speechclean.datasets.manifest.Manifest", "path": manifest}
    known = (
        config.tracking
        if "experiment" in config.tracking
        else {"_target_": "speechclean.tracking.MlflowTracker"}
    )
    config.tracking = {**known, "uri": records.store.uri, "experiment": record.experiment}
    if "log_model" in config.tracking:
        config.tracking.log_model = False
    config.output.dir = str(folder)
    if "layout" in config.output:
        config.output.layout = "flat"  # files are found by their aliases
    for key in ("batch", "delivery"):  # they change nothing of what becomes of a file
        config.pop(key, None)
    config.name = f"reproduction of {record.name}"


def relocate(config: DictConfig, then: str | None, root: Path | None) -> None:
    """Make the paths of a run's own weights absolute, in place: below `root`, in the folder `then`
    in which it ran, or here.

    A repetition runs in a folder of its own, in which what was relative leads nowhere.
    """
    places = [Path(then)] if then else []
    for key, value in list(_strings(config)):
        folder = any(fnmatchcase(key, pattern) for pattern in WEIGHT_FOLDERS)
        if not folder and not any(fnmatchcase(key, pattern) for pattern in WEIGHT_FILES):
            continue
        named = Path(value).expanduser()
        tails = [Path(*named.parts[start:]) for start in range(len(named.parts))] if root else []
        candidates = [root / tail for tail in tails if root and not tail.is_absolute()]
        candidates += [place / named for place in (*places, Path.cwd())]
        found = next(
            (path for path in candidates if (path.is_dir() if folder else path.is_file())), None
        )
        if found:
            OmegaConf.update(config, key, str(found.absolute()))
    if root and not (config.weights.dir and Path(config.weights.dir).is_dir()):
        config.weights.dir = str(root.absolute())


def primary(cfg: DictConfig, folder: Path, code: Path) -> str:
    """The config as Hydra's primary one, on the schema of the code that will run it."""
    defaults: list[Any] = ["schema"]
    for group, name in (("hydra/job_logging", "plain"), ("hydra/output", "speechclean")):
        if any(
            (conf / group / f"{name}.yaml").is_file()
            for conf in (code / "conf", code / "speechclean" / "conf")
        ):
            defaults.append({f"override {group}": name})
    hydra = {"run": {"dir": str(folder)}}
    config: Any = OmegaConf.to_container(cfg)
    return OmegaConf.to_yaml(
        OmegaConf.create({"defaults": [*defaults, "_self_"], "hydra": hydra, **config})
    )


def _strings(node: DictConfig, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a config, by its dotted key."""
    for key in map(str, node):
        value = node[key]
        if isinstance(value, DictConfig):
            yield from _strings(value, f"{prefix}{key}.")
        elif isinstance(value, str):
            yield f"{prefix}{key}", value


def _has(config: DictConfig, key: str) -> bool:
    parent, _, last = key.rpartition(".")
    node = OmegaConf.select(config, parent) if parent else config
    return isinstance(node, DictConfig) and last in node
