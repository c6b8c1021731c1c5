"""Config files in which somebody wrote former names, such as a preset of one's own.

They are read under today's names, so that what stands later in the defaults list, or on the command
line, still has the last word.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from hydra._internal.core_plugins.file_config_source import FileConfigSource as HydrasFiles
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult, ConfigSource
from omegaconf import DictConfig, OmegaConf

from . import old_names

#: So many blocks are open, in all threads; what Hydra has outside of them.
_inside = 0
_hydras: type[ConfigSource] = HydrasFiles
_lock = Lock()


class FileConfigSource(HydrasFiles):
    """Hydra's source of yaml files, with today's names in what it reads.

    A launcher sends it to other processes, together with what was told in this one. Hydra's
    registry tells sources by their names: under another one, those processes would refuse it.
    """

    def __getstate__(self) -> dict[str, Any]:
        """What another process gets, or a copy."""
        return {**vars(self), "told": sorted(old_names.told)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """What was told elsewhere is not told here again."""
        old_names.told.update(state.pop("told"))
        vars(self).update(state)

    def load_config(self, config_path: str) -> ConfigResult:
        """What a file says."""
        result = super().load_config(config_path)
        if isinstance(result.config, DictConfig):
            plain: Any = OmegaConf.to_container(result.config, resolve=False)
            renamed = old_names.in_file(plain, _package(config_path, result.header))
            if renamed != plain:
                result.config = OmegaConf.create(renamed)
        return result


@contextmanager
def old_names_in_files() -> Iterator[None]:
    """Hydra understands former names in the files that it looks for inside the block."""
    # Hydra has no public way: a second source of a scheme is refused by its registry, and a scheme
    # of one's own is none that --config-dir has.
    global _inside, _hydras
    Plugins.instance()  # fills the registry
    types, scheme = SourcesRegistry.instance().types, FileConfigSource.scheme()
    with _lock:
        _inside += 1
        if _inside == 1:
            _hydras, types[scheme] = types[scheme], FileConfigSource
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                types[scheme] = _hydras


def _package(config_path: str, header: dict[str, str | None]) -> str:
    """The dotted path where a file's keys belong: its `@package`, or else its group.

    >>> _package("experiment/mine", {"package": "_global_"}), _package("sweep/mine", {})
    ('', 'sweep')
    """
    package = header.get("package") or ".".join(config_path.split("/")[:-1])
    return "" if package == "_global_" else package
