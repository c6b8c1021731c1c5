"""BS-RoFormer and Mel-Band RoFormer checkpoints, with the configs that they were trained with.

Lu, Wang, Kong & Hung, "Music Source Separation with Band-Split RoPE Transformer" (ICASSP 2024);
Wang, Lu & Won, "Mel-Band RoFormer for Music Source Separation" (ISMIR 2023, late-breaking demo).
The networks come from bs-roformer-infer and melband-roformer-infer (the extra `roformer`):
lucidrains' own package has moved on, and what the community trained does not load into it any more.
Segments, shifts, overlap and packing are those of every separator here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from speechclean.networks.checkpoints import CheckpointError, freeze, read_state
from speechclean.networks.weights import MissingWeights, published_files
from speechclean.system.extras import require
from speechclean.system.paths import expanded

from .bag_networks import Member
from .demucs import DemucsSeparator
from .network import speech_source
from .roformer_network import RoformerConfig, RoformerNetwork

#: Names of published ones in the table of weights begin with it.
PUBLISHED = "roformer_"


@dataclass(frozen=True)
class RoformerSeparator(DemucsSeparator):
    """A BS- or Mel-Band RoFormer; the config beside the checkpoint says which.

    name: a published model (`roformer_mel_kim`, `roformer_bs_viperx`), or a `.ckpt`, `.pt` or
        `.safetensors` file
    config: for a file, the yaml with its `model`, `audio`, `training` and `inference`; None looks
        beside it: a yaml of the same name, else the only one in the folder

    The rest is as in `DemucsSeparator`. A network with a `target_instrument` answers for that one;
    the other is the remainder.
    """

    config: str | None = None
    repo: None = field(default=None, init=False)
    fast_layers: bool = field(default=False, init=False)

    needs_packages: ClassVar[tuple[str, ...]] = ("bs_roformer", "mel_band_roformer")

    def weight_files(self) -> dict[str, Path]:
        """The checkpoint and its config. Raises `MissingWeights`, before anything is loaded."""
        checkpoint, config = self._files
        return {checkpoint.stem: checkpoint, f"{checkpoint.stem}.config": config}

    def _members(self) -> Iterator[Member]:
        require(f"separators.{self.name}", *self.needs_packages)
        checkpoint, path = self._files
        config = RoformerConfig.read(path)
        network = RoformerNetwork(config)
        try:
            network.inner.load_state_dict(read_state(checkpoint))
        except RuntimeError as error:
            raise CheckpointError(
                f"{checkpoint}: does not fit its config {path} ({str(error)[:500]})"
            ) from error
        speech_source(network.sources, self.name)
        yield checkpoint.stem, freeze(network), (1.0,) * len(network.sources)

    def _segment_samples(self, module: Any) -> int:
        own = int(module.segment * module.samplerate)
        return own if self.segment_s is None else min(own, int(self.segment_s * module.samplerate))

    @cached_property
    def _files(self) -> tuple[Path, Path]:
        if self.name.startswith(PUBLISHED) and not Path(self.name).suffix:
            checkpoint, config = _published(self.name)
            return checkpoint, config
        checkpoint = expanded(self.name)
        if not checkpoint.is_file():
            raise MissingWeights(f"{self.name}: neither a file nor one of {', '.join(_names())}")
        return checkpoint, expanded(self.config) if self.config else _beside(checkpoint)


def _names() -> list[str]:
    from speechclean.networks.weights.registry import models

    return [name for name in models() if name.startswith(PUBLISHED)]


def _published(name: str) -> list[Path]:
    if name not in _names():
        raise MissingWeights(f"{name}: neither a file nor one of {', '.join(_names())}")
    return published_files(name)


def _beside(checkpoint: Path) -> Path:
    """The config of a checkpoint: the yaml of the same name, else the only yaml beside it.

    Raises `MissingWeights`.
    """
    found = sorted([*checkpoint.parent.glob("*.yaml"), *checkpoint.parent.glob("*.yml")])
    same = [path for path in found if path.stem == checkpoint.stem]
    if len(same or found) == 1:
        return (same or found)[0]
    raise MissingWeights(
        f"{checkpoint}: no config lies beside it; put the yaml that it was published with there, "
        f"named {checkpoint.stem}.yaml, or name it: separators.roformer.config=FILE"
    )
