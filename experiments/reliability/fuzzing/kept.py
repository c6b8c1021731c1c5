"""What lies in shared places: entries of a cache, checkpoints, files of a recorded run."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hypothesis import strategies as st
from omegaconf import OmegaConf
from safetensors.torch import save as safetensors

from speechclean.experiment.config.compose import composed
from speechclean.experiment.config.recorded import recorded_config
from speechclean.networks import checkpoints
from speechclean.networks.cache import packing
from speechclean.records import kept_files, provenance, run_folder
from speechclean.records.tracking import Record
from speechclean.records.tracking.address import RecordError
from tests.support.paths import ROOT

from .mutations import CRAFTED, mutated
from .target import BrokenPromiseError, Target, require_named

STORED = torch.linspace(-1, 1, 64).reshape(2, 32)
#: A run of this project as it was once recorded: its files are the good ones.
RUN = ROOT / "tests" / "recorded" / "runs" / "default"
READERS = {
    run_folder.CONFIG: recorded_config,
    run_folder.PROVENANCE: kept_files.provenance,
    run_folder.INPUTS: kept_files.inputs,
    run_folder.METRICS_JSON: kept_files.results,
    run_folder.FINGERPRINTS: kept_files.fingerprints,
}


def check_entry(content: bytes, _folder: Path) -> None:
    """The very tensor, or "torn"; where the checksum was forged too, any tensor or "torn"."""
    start = len(packing.MAGIC) + 32
    forged = packing.MAGIC + hashlib.sha256(content[start:]).digest() + content[start:]
    for packed in (content, forged):
        try:
            found = packing.unpack(packed)[1]
        except packing.TornError:
            continue
        if packed is content and not torch.equal(found, STORED):
            raise BrokenPromiseError("another tensor passed for the one that was kept")
        if found.nbytes > 64 * len(packed):
            raise BrokenPromiseError(f"{len(packed)} bytes became {found.nbytes}")


def checkpoints_as(suffix: str) -> list[bytes]:
    """Good checkpoints of a kind: bare states."""
    state = {"weight": STORED, "bias": torch.zeros(2)}
    if suffix == ".safetensors":
        return [safetensors(state)]
    memory = io.BytesIO()
    torch.save({"state": state, "args": [1, 2.5, "x"]}, memory)
    return [memory.getvalue()]


@st.composite
def pickles(draw: st.DrawFn) -> bytes:
    """A torch checkpoint whose archive is whole and whose pickle was changed."""
    (good,) = checkpoints_as(".pt")
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(good)) as source, zipfile.ZipFile(made, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith("data.pkl"):
                content = draw(mutated([content], (b"cos\nsystem\n", b"\x8c\x02os", b"R", b"b")))
            target.writestr(name, content)
    return made.getvalue()


def check_checkpoint(suffix: str, content: bytes, folder: Path) -> None:
    """A state of tensors, or a refusal."""
    path = folder / f"fuzzed{suffix}"
    path.write_bytes(content)
    try:
        state = checkpoints.read_state(path)
    except checkpoints.CheckpointError as error:
        require_named(error, path)
        return
    if not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise BrokenPromiseError(f"no tensors: {state}")


class FolderRecord(Record):
    """A recorded run whose files lie in a folder."""

    folder: Path

    def artifact(self, path: str) -> Path | None:
        """A file of the folder."""
        return self.folder / path if (self.folder / path).is_file() else None


def check_record(name: str, content: bytes, folder: Path) -> None:
    """What a run says, or a refusal that names the run."""
    (folder / name).write_bytes(content)
    record = FolderRecord("0" * 32, "fuzzed", "FINISHED", "speechclean", "1", 0, {}, {}, {}, None)
    object.__setattr__(record, "folder", folder)  # records are frozen
    try:
        found = READERS[name](record)
    except RecordError as error:
        if "fuzzed (0000" not in str(error):
            raise BrokenPromiseError(f"the refusal does not name the run: {error}") from error
        return
    if "${" in str(found) and name == run_folder.CONFIG:
        raise BrokenPromiseError("an interpolation was let in")


def run_files() -> dict[str, bytes]:
    """What an honest run keeps, by name."""
    config: Any = composed(["separators=[embedded_hdemucs_q]", "metrics=[lufs]"])
    config.output.dir, config.name, config.tracking.uri = "out", "first", None
    made = {
        run_folder.CONFIG: OmegaConf.to_yaml(config, resolve=True).encode(),
        run_folder.PROVENANCE: json.dumps(provenance.collect({}, {}, 0)).encode(),
    }
    return {name: (RUN / name).read_bytes() for name in READERS if (RUN / name).is_file()} | made


TARGETS = (
    Target("cache", "entries of the cache", mutated([packing.pack({"k": 1}, STORED)]), check_entry),
    *(
        Target(
            f"checkpoints{suffix}",
            f"checkpoints, {suffix}",
            mutated(checkpoints_as(suffix)),
            partial(check_checkpoint, suffix),
        )
        for suffix in (".pt", ".safetensors")
    ),
    Target(
        "pickles", "checkpoints, the pickle inside", pickles(), partial(check_checkpoint, ".pt")
    ),
    *(
        Target(
            name, f"{name} of a recorded run", mutated([good], CRAFTED), partial(check_record, name)
        )
        for name, good in run_files().items()
    ),
)
