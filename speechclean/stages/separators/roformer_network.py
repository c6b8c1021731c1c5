"""A RoFormer as the engine takes a network.

It has named sources and a training length, and its answer is as long as its input.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from fractions import Fraction
from inspect import signature
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn
from torch.nn import functional

from speechclean.networks.checkpoints import CheckpointError
from speechclean.system.borrowed import ignored_warnings, unchanged_random_state

from .network import SPEECH_SOURCES

#: Of a config's `model`: what only training or speed depends on, and what the newer networks have
#: at which value they are as the older ones.
WITHOUT_EFFECT = frozenset(
    {"use_torch_checkpoint", "sage_attention", "match_input_audio_length", "sample_rate"}
)
NEUTRAL = {"mlp_expansion_factor": 4, "num_residual_streams": 1}


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML comes without types
    """Plain yaml and tuples, which these configs are full of.

    Any other of Python's tags is refused.
    """


_Loader.add_constructor(
    "tag:yaml.org,2002:python/tuple",
    lambda loader, node: tuple(loader.construct_sequence(node)),
)


@dataclass(frozen=True)
class RoformerConfig:
    """What a checkpoint's yaml says.

    That is the network's arguments, what it separates, and the length and rate of the sounds that
    it was trained on. `targets` are the sources that the network answers for; where it is one,
    `rest` is what the remainder is called.
    """

    path: Path
    model: Mapping[str, Any]
    targets: tuple[str, ...]
    rest: str | None
    sample_rate: int
    chunk: int

    @classmethod
    def read(cls, path: Path) -> RoformerConfig:
        """Read a config in the community's format. Raises `CheckpointError`."""
        try:
            content = yaml.load(path.read_text(), _Loader)
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise CheckpointError(
                f"{path}: refused, not plain yaml ({' '.join(str(error).split())})"
            ) from error
        try:
            model, training = content["model"], content["training"]
            audio, inference = content.get("audio", {}), content.get("inference", {})
            instruments = [str(name).lower() for name in training["instruments"]]
            target = training.get("target_instrument")
            rate = int(audio.get("sample_rate", model.get("sample_rate", 44100)))
            chunk = int(inference.get("chunk_size") or audio["chunk_size"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{path}: not the config of a RoFormer ({type(error).__name__}: {error})"
            ) from error
        targets = (str(target).lower(),) if target else tuple(instruments)
        rest = None
        if target:  # what an instrumental model leaves is the voice
            others = [name for name in instruments if name not in targets]
            rest = next((name for name in others if name in SPEECH_SOURCES), "other")
        return cls(path, dict(model), targets, rest, rate, chunk)


class RoformerNetwork(nn.Module):
    """The package's network as `inner`, with the attributes that the engine reads.

    These are its sources, rate, channels and segment. Raises `CheckpointError` where the config
    asks for what the package's network does not have.
    """

    use_train_segment = True

    def __init__(self, config: RoformerConfig) -> None:
        super().__init__()
        self.inner = _inner(config)
        self.sources = [*config.targets, *([config.rest] if config.rest else [])]
        self.samplerate, self.segment = (
            config.sample_rate,
            Fraction(config.chunk, config.sample_rate),
        )
        self.audio_channels = self.inner.audio_channels
        if len(config.targets) != self.inner.num_stems:
            raise CheckpointError(
                f"{config.path}: names {list(config.targets)} for {self.inner.num_stems} stems"
            )

    def forward(self, mixture: Tensor) -> Tensor:
        """Shape: `[batch, channels, samples]` -> `[batch, sources, channels, samples]`."""
        answer = self.inner(mixture)
        if answer.dim() == 3:  # one stem comes without its axis
            answer = answer[:, None]
        # The inverse STFT ends with the last whole hop.
        answer = functional.pad(answer, (0, mixture.shape[-1] - answer.shape[-1]))
        if len(self.sources) > answer.shape[1]:
            answer = torch.cat([answer, mixture[:, None] - answer], 1)
        return answer


def _inner(config: RoformerConfig) -> Any:
    cls = _class(config)
    known = set(signature(cls.__init__).parameters)
    for key, value in config.model.items():
        if key not in known and key not in WITHOUT_EFFECT and value and value != NEUTRAL.get(key):
            raise CheckpointError(
                f"{config.path}: asks for {key}={value}, "
                f"which {cls.__name__} as it is installed does not have"
            )
    arguments = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in config.model.items()
        if key in known
    }
    # The same attention either way; without this one its whole matrix is laid out.
    arguments["flash_attn"] = True
    try:
        # The constructor prints remarks about GPUs and window lengths.
        with redirect_stdout(io.StringIO()), ignored_warnings(), unchanged_random_state():
            network = cls(**arguments)
    except Exception as error:  # any error of a foreign constructor
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(
            f"{config.path}: no {cls.__name__} can be made of it ({reason})"
        ) from error
    _for_threads(network)
    return network


def _class(config: RoformerConfig) -> Any:
    if "num_bands" in config.model:
        from mel_band_roformer import mel_band_roformer

        return mel_band_roformer.MelBandRoformer
    from bs_roformer import bs_roformer

    return bs_roformer.BSRoformer


def _for_threads(network: nn.Module) -> None:
    """Make the network safe for threads, each of which takes a segment through it.

    Nothing may be written during a pass, and no global switch touched.
    """
    for module in network.modules():
        # Rotary embeddings would otherwise store their angles in the first pass.
        if hasattr(module, "cache_if_possible"):
            module.cache_if_possible = False  # type: ignore[assignment]
        if type(module).__name__ == "Attend" and getattr(module, "scale", None) is None:
            module.flash_attn = functional.scaled_dot_product_attention  # type: ignore[assignment]
