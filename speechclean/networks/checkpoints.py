"""Load checkpoints of demucs, DiffQ and denoiser without trusting them.

An unpickler that trusts its file runs whatever that names, and safetensors metadata may name any
class: here only tensors, plain values and the classes below are accepted; a file that names
anything else is refused by name and runs nothing.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from types import MethodType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from speechclean.system.borrowed import with_globals

from . import quantised, torchaudio_hdemucs
from .unfilled import unfilled

if TYPE_CHECKING:
    import torch


class CheckpointError(RuntimeError):
    """A weights file that cannot be used; the message says which and why."""


def allowed_classes() -> dict[str, Any]:
    """The classes that a checkpoint may name, by their qualified names.

    Besides them it may hold tensors and plain values.
    """
    from demucs.demucs import Demucs
    from demucs.hdemucs import HDemucs
    from demucs.htdemucs import HTDemucs

    classes: list[Any] = [Demucs, HDemucs, HTDemucs, Fraction]
    if find_spec("denoiser"):  # installed apart from the rest: its own requirements contradict ours
        from denoiser.demucs import Demucs as DenoiserDemucs

        classes.append(DenoiserDemucs)
    return {f"{cls.__module__}.{cls.__qualname__}": cls for cls in classes} | quantised.CLASSES


def read(path: Path) -> dict[str, Any]:
    """The content of a `.th`, `.pt` or `.safetensors` checkpoint.

    Raises `CheckpointError` for a file that names anything but the allowed classes.
    """
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    import torch  # late: the command that lists and fetches weights needs none of it

    try:
        known: list[Any] = [(cls, name) for name, cls in allowed_classes().items()]
        with torch.serialization.safe_globals(known):
            package = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:  # the file cannot be read, whatever is in it
        raise
    # Over damaged bytes torch's unpickler trips in any way there is.
    except Exception as error:  # noqa: BLE001
        named = re.search(r"(?:GLOBAL|functional call to|instance of class) (\S+)", str(error))
        # torch's own advice, to trust the file, is not passed on.
        lines = str(error).strip().splitlines()
        other = (
            "it holds more than tensors and plain values"
            if "weights_only" in str(error) or not lines
            else lines[0]
        )
        reason = f"it names {named[1]}" if named else other
        raise CheckpointError(
            f"{path}: refused, nothing of it was run: not a plain checkpoint ({reason})"
        ) from None
    if not isinstance(package, dict):
        raise CheckpointError(
            f"{path}: holds a {type(package).__name__}, not the dictionary of a checkpoint"
        )
    return package


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a bare state, by name.

    The file is a `.safetensors` file, or a pickled state, alone or below a trainer's key. Raises
    `CheckpointError`.
    """
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except SafetensorError as error:
            raise CheckpointError(f"{path}: not a safetensors file ({error})") from error
    import torch

    content = read(path)
    for key in ("state_dict", "state", "model_state_dict"):
        if isinstance(content.get(key), dict):
            content = content[key]
    if not content or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise CheckpointError(f"{path}: holds no network's state (tensors by name)")
    return content


def build(package: Mapping[str, Any], path: Path) -> torch.nn.Module:
    """The network of a package `{klass or class, args, kwargs, state}`, frozen.

    Raises `CheckpointError` for a class that is not allowed, and for a state that does not fit.
    """
    import torch

    if torchaudio_hdemucs.holds(package):
        package = torchaudio_hdemucs.as_package(package)
    cls = package.get("klass", package.get("class"))
    if (
        cls not in allowed_classes().values()
        or not inspect.isclass(cls)
        or not issubclass(cls, torch.nn.Module)
    ):
        raise CheckpointError(
            f"{path}: names {cls!r} as its network, which is not on the list of known networks"
        )
    known = inspect.signature(cls).parameters
    try:
        # Old packages carry arguments that newer classes have dropped; demucs itself ignores them
        # too.
        kwargs = {key: value for key, value in package["kwargs"].items() if key in known}
        given = inspect.signature(cls).bind(*package["args"], **kwargs)
        if "rescale" in known:
            given.arguments["rescale"] = 0  # of random weights, which these are not
        model = unfilled(lambda: cls(*given.args, **given.kwargs))
        state = package["state"]
        if state.get("__quantized"):
            quantised.restore(model, state)
        else:
            model.load_state_dict(state)
    # What a network's constructor raises depends on arguments that anybody may have written.
    except Exception as error:
        raise CheckpointError(
            f"{path}: does not fit its own network {cls.__name__} ({type(error).__name__}: {error})"
        ) from error
    _fix_positions(model)
    return freeze(model)


def _fix_positions(model: torch.nn.Module) -> None:
    """Let the transformers of HTDemucs number their frames from 0.

    In training the number of the first one is drawn within a range from Python's own generator.
    Published networks have no such range, but ask that generator at every pass all the same, which
    would change what the process draws next.
    """
    from demucs.transformer import CrossTransformerEncoder

    for module in model.modules():
        if isinstance(module, CrossTransformerEncoder):
            embedding = with_globals(
                CrossTransformerEncoder._get_pos_embedding,  # noqa: SLF001 (asks the generator)
                random=SimpleNamespace(randrange=lambda _: 0),
            )
            vars(module)["_get_pos_embedding"] = MethodType(embedding, module)


def freeze(model: torch.nn.Module) -> torch.nn.Module:
    """Evaluation mode, float32, no gradients: how every network is used here."""
    return model.float().eval().requires_grad_(False)


def _read_safetensors(path: Path) -> dict[str, Any]:
    """A package from demucs' safetensors layout.

    Class, arguments and the state's structure are JSON in the metadata.
    """
    from safetensors import safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  no dict
        name = metadata["klass"]
        if name not in allowed_classes():
            raise CheckpointError(f"{path}: refused, names {name!r} as its network")
        state = (
            _unflatten(json.loads(metadata["structure"]), tensors, path)
            if "structure" in metadata
            else tensors
        )
        return {
            "klass": allowed_classes()[name],
            "args": _fractions(json.loads(metadata["args"])),
            "kwargs": _fractions(json.loads(metadata["kwargs"])),
            "state": state,
        }
    except CheckpointError:
        raise
    # Metadata that anybody may have written trips the code that reads it in any way there is.
    except Exception as error:
        raise CheckpointError(f"{path}: not a demucs safetensors file ({error})") from error


def _fractions(value: Any) -> Any:
    """Undo demucs' json form of fractions (`segment` of HTDemucs is one)."""
    if isinstance(value, dict):
        if value.get("_type") == "fraction":
            return Fraction(value["numerator"], value["denominator"])
        return {key: _fractions(item) for key, item in value.items()}
    return [_fractions(item) for item in value] if isinstance(value, list) else value


def _unflatten(node: Any, tensors: Mapping[str, torch.Tensor], path: Path) -> Any:
    """Rebuild a nested state from its flat tensors.

    It may name the allowed classes only.
    """
    if not isinstance(node, dict):
        return node
    if "_tensor" in node:
        return tensors[node["_tensor"]]
    if "_dict" in node:
        return {key: _unflatten(item, tensors, path) for key, item in node["_dict"]}
    if "_list" in node:
        return [_unflatten(item, tensors, path) for item in node["_list"]]
    if "_tuple" in node:
        return tuple(_unflatten(item, tensors, path) for item in node["_tuple"])
    if node.get("_class") in allowed_classes():
        return allowed_classes()[node["_class"]]
    raise CheckpointError(f"{path}: refused, its structure names {node.get('_class', node)!r}")
