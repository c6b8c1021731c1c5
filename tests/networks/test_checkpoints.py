"""Checkpoints are data: what names anything but tensors and known classes is refused, and nothing
of it runs."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from demucs.htdemucs import HTDemucs
from diffq import DiffQuantizer
from safetensors.torch import save_file

from speechclean.networks import checkpoints
from speechclean.networks.checkpoints import CheckpointError
from tests.conftest import tiny_hdemucs, tiny_htdemucs


class Attack:
    """Runs a command when it is unpickled."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call


def package(model: torch.nn.Module, **more: object) -> dict[str, object]:
    args, kwargs = model._init_args_kwargs  # type: ignore[misc]
    return {
        "klass": type(model),
        "args": args,
        "kwargs": dict(kwargs),
        "state": model.state_dict(),
    } | more


def test_a_package_comes_back_as_it_was(tmp_path: Path) -> None:
    model = tiny_htdemucs()
    content = package(model)
    content["kwargs"] |= {"segment": Fraction(39, 5), "an_argument_of_old": 1}  # type: ignore[operator]
    torch.save(content, tmp_path / "x.th")
    loaded = checkpoints.build(checkpoints.read(tmp_path / "x.th"), tmp_path / "x.th")
    assert not loaded.training
    assert loaded.segment == Fraction(39, 5)
    assert all(
        torch.equal(value, loaded.state_dict()[key]) for key, value in model.state_dict().items()
    )
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_a_quantised_package_comes_back_within_its_bits(tmp_path: Path) -> None:
    model = tiny_hdemucs()
    quantizer = DiffQuantizer(model, group_size=4, min_size=0.001)
    state = quantizer.get_quantized_state() | {"__quantized": True}
    torch.save(package(model, state=state), tmp_path / "q.th")
    loaded = checkpoints.build(checkpoints.read(tmp_path / "q.th"), tmp_path / "q.th")
    original = dict(model.named_parameters())
    name, weight = max(loaded.named_parameters(), key=lambda item: item[1].numel())
    assert 0 < (weight - original[name]).abs().max() < 0.02


def test_safetensors_in_demucs_layout(tmp_path: Path) -> None:
    model = tiny_htdemucs()
    args, kwargs = model._init_args_kwargs  # type: ignore[misc]
    metadata = {
        "klass": "demucs.htdemucs.HTDemucs",
        "args": json.dumps(args),
        "kwargs": json.dumps(kwargs),
    }
    save_file(model.state_dict(), tmp_path / "x.safetensors", metadata)
    loaded = checkpoints.build(
        checkpoints.read(tmp_path / "x.safetensors"), tmp_path / "x.safetensors"
    )
    assert all(
        torch.equal(value, loaded.state_dict()[key]) for key, value in model.state_dict().items()
    )


NAMED = {
    "system": "posix.system",
    "exec": "exec",
    "eval": "eval",
    "popen": "commands.Popen",  # where protocol 2 has it
    "import": "importlib.import_module",
    "getattr": "getattr",
    "lambda_file": "open",
    "in_state": "posix.system",
    "shutil": "shutil.rmtree",
    "hub": "torch.hub",
}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("suffix", [".th", ".pt", ".pth"])
@pytest.mark.parametrize("kind", list(NAMED))
def test_hostile_pickles_run_nothing(kind: str, suffix: str, legacy: bool, tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    code = f"open({str(trace)!r}, 'w')"
    import importlib
    import subprocess

    attacks: dict[str, object] = {
        "system": Attack(os.system, f"touch {trace}"),
        "exec": Attack(exec, code),
        "eval": Attack(eval, code),
        "popen": Attack(subprocess.Popen, ["touch", str(trace)]),
        "import": Attack(importlib.import_module, "antigravity"),
        "getattr": Attack(getattr, "text", "__class__"),
        "lambda_file": Attack(open, str(trace), "w"),
        "in_state": {"args": (), "state": {"weight": Attack(os.system, f"touch {trace}")}},
        "shutil": Attack(shutil.rmtree, str(tmp_path)),
        "hub": Attack(torch.hub.load, str(tmp_path), "touch"),
    }
    path = tmp_path / f"x{suffix}"
    torch.save(attacks[kind], path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(CheckpointError, match=rf"x\{suffix}: refused.*{NAMED[kind]}"):
        checkpoints.read(path)
    assert not trace.exists()
    assert path.exists()


def test_programs_and_bare_pickles_are_refused(tmp_path: Path) -> None:
    """A TorchScript archive is code; a pickle without torch's envelope is what any program can
    write."""
    path, trace = tmp_path / "x.pt", tmp_path / "ran"
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), str(path))
    with pytest.raises(CheckpointError, match="refused"):
        checkpoints.read(path)
    path.write_bytes(pickle.dumps(Attack(os.system, f"touch {trace}")))
    with pytest.raises(CheckpointError, match="refused"):
        checkpoints.read(path)
    path.write_bytes(pickle.dumps(Attack(os.system, f"touch {trace}"), protocol=0))
    with pytest.raises(CheckpointError, match="refused"):
        checkpoints.read(path)
    assert not trace.exists()


@pytest.mark.parametrize(
    "name", ["os.system", "builtins.exec", "torch.nn.Linear", "subprocess.Popen"]
)
def test_hostile_safetensors_name_nothing(name: str, tmp_path: Path) -> None:
    metadata = {"klass": name, "args": json.dumps([f"touch {tmp_path}/ran"]), "kwargs": "{}"}
    save_file({"x": torch.zeros(1)}, tmp_path / "x.safetensors", metadata)
    with pytest.raises(CheckpointError, match="refused, names"):
        checkpoints.read(tmp_path / "x.safetensors")
    metadata = {"klass": "demucs.htdemucs.HTDemucs", "args": "[]", "kwargs": "{}"}
    structure = json.dumps({"_dict": [["meta", {"_class": name}]]})
    save_file(
        {"x": torch.zeros(1)}, tmp_path / "y.safetensors", metadata | {"structure": structure}
    )
    with pytest.raises(CheckpointError, match="structure names"):
        checkpoints.read(tmp_path / "y.safetensors")
    assert not (tmp_path / "ran").exists()


def test_what_does_not_fit_is_said(tmp_path: Path) -> None:
    path = tmp_path / "x.th"
    for content, message in (
        ([1, 2], "holds a list"),
        (package(tiny_htdemucs(), klass=DiffQuantizer), "not on the list of known networks"),
        (
            package(tiny_htdemucs(), state=tiny_hdemucs().state_dict()),
            "does not fit its own network HTDemucs",
        ),
        ({"klass": HTDemucs}, "does not fit"),
    ):
        torch.save(content, path)
        with pytest.raises(CheckpointError, match=message):
            checkpoints.build(checkpoints.read(path), path)
    path.write_bytes(b"no checkpoint at all")
    with pytest.raises(CheckpointError, match="refused"):
        checkpoints.read(path)
    (tmp_path / "x.safetensors").write_bytes(b"no checkpoint at all")
    with pytest.raises(CheckpointError, match="not a demucs safetensors"):
        checkpoints.read(tmp_path / "x.safetensors")
