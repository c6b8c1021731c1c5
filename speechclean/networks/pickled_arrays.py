"""Arrays by name from a pickle of numpy, which by itself may run whatever it names.

`pickle` calls what its file names. Here four names are known, those that a dictionary of numpy's
float32 arrays needs, and each stands for a function of this module and not for the one it names;
a file with any other name is refused, and nothing of it has been run. What was read is kept as
safetensors, so that a pickle is read once.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from speechclean.system.atomic_files import written_whole

from .checkpoints import CheckpointError
from .weights import search_path

#: Folder of what was converted, below the first folder of weights.
CONVERTED = "converted"


def converted(path: Path) -> dict[str, Tensor]:
    """The arrays of a pickle, from its conversion where there is one, else it is made.

    The conversion's name has the sha256 of its source and its own content has one beside it; what
    does not match is made again. Where nothing can be written, it is only read.

    Raises `CheckpointError`.
    """
    from safetensors.torch import load_file, save_file

    folder = search_path.folders()[0] / CONVERTED
    target = folder / f"{path.stem}-{search_path.sha256(path)[:16]}.safetensors"
    if target.is_file() and search_path.noted(folder).get(target.name) == search_path.sha256(
        target
    ):
        return load_file(target)
    arrays = read(path)
    try:
        with written_whole(target) as temporary:
            save_file(arrays, temporary, {"source": path.name})
        search_path.note(target, search_path.sha256(target))
    except OSError:  # a machine whose folders of weights are not ours to write
        pass
    return arrays


def read(path: Path) -> dict[str, Tensor]:
    """The arrays of a file of torch's format: a zip with one pickle `data.pkl`.

    Raises `CheckpointError` for a file that names anything else or is no such file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            (name,) = (one for one in archive.namelist() if one.endswith("/data.pkl"))
            with archive.open(name) as file:
                content = _Unpickler(file).load()
        if not isinstance(content, dict) or not content:
            raise ValueError(f"it holds a {type(content).__name__}")
        return {str(key): value.tensor() for key, value in content.items()}
    except Exception as error:  # noqa: BLE001 (whatever a broken file leads to)
        raise CheckpointError(
            f"{path}: refused, nothing of it was run: not a pickle of plain arrays "
            f"({' '.join(str(error).split()) or type(error).__name__})"
        ) from None


class _Type:
    """Stands for numpy's description of a type; only that of little-endian float32 is read."""

    def __init__(self, name: str, *_: object) -> None:
        if name != "f4":
            raise ValueError(f"an array of {name}")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] != "<":
            raise ValueError(f"an array in the byte order {state[1]!r}")


class _Array:
    """Stands for an array, whose samples come as its state."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, _, by_column, raw = state
        order = "F" if by_column else "C"
        self.values = np.frombuffer(raw, "<f4").reshape(shape, order=order)  # type: ignore[call-overload]

    def tensor(self) -> Tensor:
        return torch.from_numpy(self.values.copy(order="C"))


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _latin1(text: str, encoding: str) -> bytes:
    """How pickles of protocol 2 write bytes."""
    if encoding != "latin1":
        raise ValueError(f"text in {encoding!r}")
    return text.encode("latin1")


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        known: dict[tuple[str, str], Callable[..., Any]] = {
            ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
            ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
            ("numpy", "ndarray"): _Array,
            ("numpy", "dtype"): _Type,
            ("_codecs", "encode"): _latin1,
        }
        if (module, name) not in known:
            raise ValueError(f"it names {module}.{name}")
        return known[module, name]
