"""What Hydra keeps of a command line and its config, without passwords.

Hydra itself would write both as they are (`hydra.output_subdir`) before a run begins, and the
config of a whole sweep besides.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, flag_override

from speechclean.records.run_folder import OVERRIDES, write_text
from speechclean.system.secrets import masked, masked_values


def write_hydra_files(hydra: Any, config: DictConfig) -> None:
    """Write `.hydra/` as Hydra would.

    hydra: the `hydra` node of the job; config: all but that
    """
    if hydra.output_subdir is not None:  # the user wants Hydra's own
        return
    overrides = Path(str(hydra.runtime.output_dir)) / OVERRIDES
    whole = {"hydra.yaml": {"hydra": hydra}, "config.yaml": config}
    for name, node in {**whole, overrides.name: hydra.overrides.task}.items():
        text = OmegaConf.to_yaml(OmegaConf.create(masked_values(_plain(node))))
        write_text(masked(text), overrides.with_name(name))


class MaskedSweep(Callback):
    """Masks the config that Hydra keeps of a sweep; each job composes its own anew."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Mask it in place, before there is a sweeper; studies write none, and connect with it."""
        if config.hydra.sweeper._target_.endswith(".BasicSweeper"):
            plain = _plain(config)
            _replace(config, plain, masked_values(plain))


def _replace(node: Any, plain: Any, hidden: Any) -> None:
    """Set what differs between two plain forms of a node, in place; parts of it are read-only."""
    for key in plain if isinstance(plain, dict) else range(len(plain)):
        if plain[key] == hidden[key]:
            continue
        if isinstance(plain[key], str):
            with flag_override(node, ["readonly", "struct"], [False, False]):
                node[key] = hidden[key]
        else:
            _replace(node[key], plain[key], hidden[key])


def _plain(node: Any) -> Any:
    """A node as plain values, interpolations as they are written."""
    return OmegaConf.to_container(OmegaConf.create(node), resolve=False, enum_to_str=True)
