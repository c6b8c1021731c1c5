"""Word error rate by Whisper: what a listener would have understood."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar

from speechclean.audio.waveform import Audio, resample
from speechclean.networks.checkpoints import CheckpointError, freeze, read
from speechclean.networks.weights import MissingWeights, published_file
from speechclean.stages.types import Separation, Track
from speechclean.system.borrowed import unchanged_random_state
from speechclean.system.device import torch_device
from speechclean.system.paths import expanded

from .alignment import align, normalise

_RATE = 16000
_one_at_a_time = Lock()  # the network remembers what it decodes in hooks of its own


@dataclass(frozen=True)
class WerWhisper:
    """Word error rate against `track.transcript`, by Whisper.

    (substitutions + deletions + insertions) / words; may exceed 1.

    Recognised by Whisper (Radford et al., "Robust Speech Recognition via Large-Scale Weak
    Supervision", 2022), greedily and without conditioning on earlier text, so that a file is always
    heard the same. Both texts go through Whisper's English normaliser for `language="en"`, its
    basic one for other languages.

    model: a published one (`tiny.en` to `large-v3`, `turbo` as `large-v3-turbo`) or a `.pt` file in
        Whisper's format
    language: as Whisper names it; None lets it guess from the first 30 seconds

    None without a transcript that holds words. Silence reads 1: nothing was recognised.
    """

    model: str = "base.en"
    language: str | None = "en"
    device: str = "auto"

    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool | None] = False
    reads_mask: ClassVar[bool] = False
    needs_packages: ClassVar[tuple[str, ...]] = ("whisper",)
    needs: ClassVar[str] = "transcript"

    def __post_init__(self) -> None:
        try:
            from whisper.tokenizer import LANGUAGES
        except ModuleNotFoundError:  # what is missing is said of all metrics at once
            return
        if self.language is not None and self.language not in LANGUAGES:
            raise ValueError(
                f"language={self.language!r} is not one of Whisper's codes, e.g. en, de, fr; "
                "null lets it guess"
            )
        torch_device(self.device)

    def weight_files(self) -> dict[str, Path]:
        """The file that would be loaded. Raises `MissingWeights`, before anything is loaded."""
        return {f"whisper-{self.model}": self._file}

    def load(self) -> None:
        """Load the network now. Raises `CheckpointError`, `MissingWeights`."""
        _network(self._file, str(torch_device(self.device)))

    def __call__(self, separation: Separation, track: Track) -> float | None:
        """The error rate, 0 or more."""
        wanted = self._normal(track.transcript or "")
        if not wanted:
            return None
        return align(wanted, self._normal(self.recognise(separation.speech))).rate

    def recognise(self, audio: Audio) -> str:
        """What Whisper hears in a sound of any rate and channel count; empty for silence."""
        waveform = resample(audio.mono(), _RATE).waveform[0].detach().cpu()
        if not waveform.any() or not waveform.isfinite().all():
            return ""
        device = torch_device(self.device)
        network = _network(self._file, str(device))
        with _one_at_a_time:
            heard = network.transcribe(
                waveform.numpy(),
                language=self.language,
                temperature=0.0,  # no sampling: the same words every time
                condition_on_previous_text=False,
                fp16=device.type == "cuda",
                verbose=None,
            )
        return str(heard["text"])

    @functools.cached_property
    def _file(self) -> Path:
        return whisper_file(self.model)

    def _normal(self, text: str) -> str:
        return normalise(text, self.language)


def whisper_file(model: str) -> Path:
    """The checkpoint of a published model or a file of one's own. Raises `MissingWeights`."""
    from speechclean.networks.weights.registry import models

    if f"whisper-{model}" in models():
        return published_file(f"whisper-{model}")
    path = expanded(model)
    if path.is_file():
        return path
    names = ", ".join(
        name.removeprefix("whisper-") for name in models() if name.startswith("whisper-")
    )
    raise MissingWeights(f"{model}: neither a file nor one of {names}")


@functools.cache
def _network(path: Path, device: str) -> Any:
    """The network of a file `{dims, model_state_dict}`, loaded as data.

    Raises `CheckpointError` where it is none.
    """
    from whisper.model import ModelDimensions, Whisper

    package = read(path)
    try:
        with unchanged_random_state():
            network = Whisper(ModelDimensions(**package["dims"]))
        network.load_state_dict(package["model_state_dict"])
    except (KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(f"{path}: not a checkpoint of Whisper ({error})") from error
    return freeze(network).to(device)
