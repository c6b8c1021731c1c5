"""Passwords in a composed config, masked in place: what else keeps it may write it into a file."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf, flag_override

from speechclean.system.secrets import masked_values


def plain(node: Any) -> Any:
    """A node as plain values, interpolations as they are written."""
    return OmegaConf.to_container(OmegaConf.create(node), resolve=False, enum_to_str=True)


def mask(config: DictConfig) -> None:
    """Mask every secret of a config in place, read-only parts too; nothing connects with it then.

    What an interpolation refers to, a variable of the environment say, stays where it is.
    """
    values = plain(config)
    _replace(config, values, masked_values(values))


def _replace(node: Any, values: Any, hidden: Any) -> None:
    """Set what differs between two plain forms of a node."""
    for key in values if isinstance(values, dict) else range(len(values)):
        if values[key] == hidden[key]:
            continue
        if isinstance(values[key], str):
            with flag_override(node, ["readonly", "struct"], [False, False]):
                node[key] = hidden[key]
        else:
            _replace(node[key], values[key], hidden[key])
