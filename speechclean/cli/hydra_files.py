"""What Hydra and launchers keep of a command line and its config, without passwords.

Hydra itself would write both as they are (`hydra.output_subdir`) before a run begins, and the
config of a whole sweep besides. Launchers write what they hand to other processes into files, and
what comes back: the config again, and the error of a job that failed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from speechclean.experiment.config.masking import mask, plain
from speechclean.records.run_folder import OVERRIDES, write_text
from speechclean.system.secrets import mask_error, masked, masked_values

from .endings import print_uncaught


def write_hydra_files(hydra: Any, config: DictConfig) -> None:
    """Write `.hydra/` as Hydra would.

    hydra: the `hydra` node of the job; config: all but that
    """
    if hydra.output_subdir is not None:  # the user wants Hydra's own
        return
    overrides = Path(str(hydra.runtime.output_dir)) / OVERRIDES
    whole = {"hydra.yaml": {"hydra": hydra}, "config.yaml": config}
    for name, node in {**whole, overrides.name: hydra.overrides.task}.items():
        text = OmegaConf.to_yaml(OmegaConf.create(_as_text(masked_values(plain(node)))))
        write_text(masked(text), overrides.with_name(name))


def _as_text(node: Any) -> Any:
    """Plain values; what is no Unicode, of a folder's name say, is written out for yaml."""
    if isinstance(node, dict):
        return {key: _as_text(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_as_text(one) for one in node]
    return node.encode(errors="backslashreplace").decode() if isinstance(node, str) else node


@contextmanager
def answer_masked(config: DictConfig) -> Iterator[None]:
    """A job whose launcher gets its config, or its error, without a password."""
    sys.excepthook = print_uncaught  # in a process of the launcher's nobody has set it
    try:
        yield
    except Exception as error:
        mask_error(error)
        raise
    finally:
        mask(config)


class MaskedSweep(Callback):
    """Masks the config that Hydra and launchers keep of a sweep; each job composes its own anew."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Mask it in place, before there is a sweeper; a study's connects with its own."""
        current: Any = HydraConfig.instance().cfg
        if current is not None:
            mask(current)
        # Files as they were read: launchers get the loader, and whoever wants one reads it anew.
        read: Any = getattr(GlobalHydra.instance().config_loader(), "_active_repository", None)
        if read is not None:
            read.cache.clear()
        if config.hydra.sweeper._target_.endswith(".BasicSweeper"):
            mask(config)
