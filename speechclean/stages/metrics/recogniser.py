"""Whisper by faster-whisper: what a listener would have understood.

Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", 2022; its weights in
CTranslate2's form, 8-bit integers on a CPU, float16 on a GPU. Windows of 30 s are heard one by one
and know nothing of each other. Greedy; where that loops or is very unsure, Whisper's own fallback
samples at rising temperatures, here from one seed, so that a sound is always heard the same.
"""

from __future__ import annotations

import ctypes
import functools
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from speechclean.audio.waveform import Audio, resample
from speechclean.networks.checkpoints import CheckpointError
from speechclean.networks.weights import published_files
from speechclean.networks.weights.registry import models
from speechclean.system import parallel
from speechclean.system.device import torch_device

RATE = 16000
WINDOW = 30 * RATE
#: The models there are, by their names in the table of weights.
MODELS = {"base": "whisper_base_ct2", "tiny.en": "whisper_tiny_en_ct2"}
#: Shorter sounds hold no word; Whisper's spectrogram wants half a window of 25 ms at least.
LEAST_S = 0.05
#: As Whisper's authors have them: a text that packs better than this is a loop; below this mean
#: log probability, and not taken for silence, it is tried again.
LOOP_RATIO, LEAST_LOG_PROBABILITY, NO_SPEECH = 2.4, -1.0, 0.6
TEMPERATURES = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
SEED = 1


_loading = Lock()


@dataclass(frozen=True)
class Recogniser:
    """One set of weights on one device.

    model: a key of `MODELS`; `tiny.en` hears English only
    device: `auto`, `cpu` or `cuda`
    cpu_threads: threads that share the work on one window
    num_workers: windows that are heard at once; None: as many as there are files at work
    """

    model: str
    device: str
    cpu_threads: int
    num_workers: int | None

    @functools.cached_property
    def files(self) -> dict[str, Path]:
        """The files that would be loaded, verified. Raises `MissingWeights`, `CheckpointError`."""
        name = MODELS[self.model]
        paths = published_files(name)
        names = [str(file.name) for file in models()[name].files]
        return dict(zip(names, paths, strict=True))

    def load(self) -> None:
        """Load the network now. Raises `CheckpointError`, `MissingWeights`."""
        self._network()

    def language(self, audio: Audio) -> str:
        """The language that Whisper hears in the first 30 s, `en` for silence."""
        if self.model.endswith(".en") or (samples := _samples(audio)) is None:
            return "en"
        language, _, _ = self._network().detect_language(samples[:WINDOW])
        return str(language)

    def hear(self, audio: Audio, language: str) -> str:
        """The text of a sound of any rate and channel count; empty for silence.

        Raises `ValueError` for a language that the model does not know.
        """
        network = self._network()
        if language not in network.supported_languages:
            raise ValueError(
                f"Whisper {self.model} does not know the language {language!r}"
                + ("; model=base does" if self.model.endswith(".en") else "")
            )
        if (samples := _samples(audio)) is None:
            return ""
        windows = [samples[start : start + WINDOW] for start in range(0, len(samples), WINDOW)]
        whole = [one for one in windows if len(one) >= LEAST_S * RATE]

        def listen(window: NDArray[np.float32]) -> str:
            return self._text(window, language)

        return " ".join(text for _, text in parallel.ordered(listen, whole))

    def _text(self, window: NDArray[np.float32], language: str) -> str:
        first = _transcribed(self._network(), window, language, TEMPERATURES[:1])
        if any(_is_doubtful(segment) for segment in first):
            # Samples are drawn from a state of the network's threads: a fresh one has drawn none.
            fresh = _loaded(self._key, self.cpu_threads, 1, seed=SEED)
            first = _transcribed(fresh, window, language, TEMPERATURES)
        return " ".join(segment.text.strip() for segment in first)

    def _network(self) -> Any:
        with _loading:  # or each thread that comes first would load one
            return _shared(self._key, self.cpu_threads, self.num_workers)

    @property
    def _key(self) -> tuple[str, tuple[Path, ...]]:
        return whisper_device(self.device), tuple(self.files.values())


def whisper_device(device: str) -> str:
    """The device that CTranslate2 is told: a GPU only where its cuBLAS is found.

    Raises `ValueError` for a GPU that is asked for by name and cannot be used.
    """
    found = torch_device(device)
    if found.type != "cuda" or _has_cublas():
        return str(found)
    if device == "auto":
        return "cpu"
    raise ValueError(
        f"device={device}: Whisper's engine (CTranslate2) finds no libcublas.so.12; "
        "get it with `pip install nvidia-cublas-cu12`, or take device=auto"
    )


@functools.cache
def _has_cublas() -> bool:
    """Whether cuBLAS 12 is there; torch's own may be another.

    Out of a package it is loaded here, so that CTranslate2 finds it by its name.
    """
    spec = find_spec("nvidia")
    folders = [
        Path(folder) / "cublas" / "lib"
        for folder in getattr(spec, "submodule_search_locations", [])
    ]
    for folder in (None, *folders):
        try:
            for name in ("libcublasLt.so.12", "libcublas.so.12"):
                ctypes.CDLL(str(folder / name) if folder else name, ctypes.RTLD_GLOBAL)
            return True
        except OSError:
            continue
    return False


def _samples(audio: Audio) -> NDArray[np.float32] | None:
    """The sound as Whisper wants it, None for one without a word."""
    waveform = resample(audio.mono(), RATE).waveform[0].detach().cpu()
    if len(waveform) < LEAST_S * RATE or not waveform.any() or not waveform.isfinite().all():
        return None
    samples: NDArray[np.float32] = waveform.float().numpy()
    return samples


def _transcribed(
    network: Any, window: NDArray[np.float32], language: str, temperatures: list[float]
) -> list[Any]:
    segments, _ = network.transcribe(
        window,
        language=language,
        beam_size=1,
        temperature=temperatures,
        compression_ratio_threshold=LOOP_RATIO,
        log_prob_threshold=LEAST_LOG_PROBABILITY,
        no_speech_threshold=NO_SPEECH,
        condition_on_previous_text=False,
        without_timestamps=True,
    )
    return list(segments)


def _is_doubtful(segment: Any) -> bool:
    """Whether Whisper's own rule tries a window again."""
    unsure = segment.avg_logprob < LEAST_LOG_PROBABILITY
    if unsure and segment.no_speech_prob > NO_SPEECH:
        return False
    return bool(unsure or segment.compression_ratio > LOOP_RATIO)


@functools.cache
def _shared(key: tuple[str, tuple[Path, ...]], threads: int, workers: int | None) -> Any:
    """The network that all threads of a process hear by."""
    return _loaded(key, threads, workers or max(parallel.beside(), parallel.at_once()))


def _loaded(
    key: tuple[str, tuple[Path, ...]], threads: int, workers: int, seed: int | None = None
) -> Any:
    """A network of its own, from contents that were read as data.

    Raises `CheckpointError` where they are none of CTranslate2's.
    """
    import ctranslate2
    from faster_whisper import WhisperModel

    device, paths = key
    kind, _, index = device.partition(":")
    if seed is not None:
        ctranslate2.set_random_seed(seed)
    # Nothing is looked for beside the files: the settings of the spectrogram are Whisper's.
    files = {path.name: path.read_bytes() for path in paths} | {"preprocessor_config.json": b"{}"}
    try:
        with parallel.threads(torch.get_num_threads()):  # loading leaves its own number behind
            return WhisperModel(
                str(paths[0].parent),
                device=kind,
                device_index=int(index or 0),
                compute_type="float16" if kind == "cuda" else "int8",
                cpu_threads=threads,
                num_workers=workers,
                files=files,
            )
    except (RuntimeError, ValueError) as error:
        raise CheckpointError(f"{paths[0]}: Whisper cannot be loaded ({error})") from error
