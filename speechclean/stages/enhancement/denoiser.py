"""Networks of the denoiser family, used as a gain.

Défossez, Synnaeve & Adi, "Real Time Speech Enhancement in the Waveform Domain" (Interspeech 2020).

The networks work at 16 kHz. Their output is not taken as it is, which would low-pass the voice and
put the network's phases into it, but as the gain |D| / |S| on the speech estimate's STFT; above 8
kHz it is the mean of the octave below.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from speechclean.audio import edges
from speechclean.audio.stream import Forward, LongAudio, Moments
from speechclean.audio.waveform import Audio, resample
from speechclean.networks.cache import Cache, Cost, NoCache, keys
from speechclean.networks.cache.code import stage_parts
from speechclean.networks.gpu_batches import GpuBatches
from speechclean.networks.weights import denoiser_file, sha256
from speechclean.stages.types import Separation
from speechclean.system import parallel
from speechclean.system.device import torch_device
from speechclean.system.extras import require

from . import gain
from .chunks import Chunk, packed
from .denoiser_network import HIDDEN, loaded

#: Context left and right of a chunk: with it, chunks agree with the whole file to 141 dB (its LSTM
#: is causal).
CONTEXT_S = (1.0, 0.5)
CHUNK_S = 10.0
HEARD_HZ = gain.HEARD * 8000
#: On a GPU chunks are padded to a multiple of it, so that they share passes.
PACKED_STEP_S = 0.5
#: What the network's answers are called among all entries of a cache.
KIND = "denoiser"


@dataclass(frozen=True)
class Denoiser:
    """A denoiser whose gain is mixed in.

    model: `embedded_denoiser`, `dns48`, `dns64`, `master64`, or a file in denoiser's `--model_path`
        format
    wet: 0 leaves the speech as it is, 1 applies the whole gain (denoiser's own knob is dry = 1 -
        wet)
    window_s: STFT window of the gain in seconds; short, as a denoiser's gain follows the syllables
    edge_context_s: how much of the sound, reflected, the network hears beyond its ends
    """

    model: str
    wet: float = 0.5
    window_s: float = 0.032
    device: str = "auto"
    edge_context_s: float = 0.0

    def __post_init__(self) -> None:
        gain.check(self.wet, self.window_s)
        edges.check(self.edge_context_s)
        torch_device(self.device)

    @property
    def needs_packages(self) -> tuple[str, ...]:
        """The package that holds the network; none with wet=0."""
        return () if self.idle else ("denoiser",)

    def weight_files(self) -> dict[str, Path]:
        """The file that would be loaded; none with wet=0.

        Raises `MissingWeights`; nothing is loaded.
        """
        return {self.model: self._file} if not self.idle else {}

    @property
    def idle(self) -> bool:
        """Whether it changes nothing, and needs no network."""
        return not self.wet

    @property
    def sample_rate(self) -> int:
        """Rate that the network works at, in Hz; loads it."""
        return int(self._network.sample_rate)

    def __call__(self, separation: Separation) -> Separation:
        """The speech estimate, denoised; the same length, rate and channels."""
        return self.together([separation], NoCache())[0]

    def reusing(self, cache: Cache) -> Callable[[Separation], Separation]:
        """The same denoiser, with its network's answers cached: they do not depend on `wet`."""
        return lambda separation: self.together([separation], cache)[0]

    def together(self, separations: Sequence[Separation], cache: Cache) -> list[Separation]:
        """Each of them denoised as by itself; on a GPU their chunks share forward passes."""
        sounds = [self._hears(separation) for separation in separations]
        known = not isinstance(cache, NoCache)
        asked = [self._key(sound) if sound and known else {} for sound in sounds]
        answers = [
            cache.get(KIND, key) if sound else None
            for sound, key in zip(sounds, asked, strict=True)
        ]
        missing = {
            index: sound
            for index, (sound, answer) in enumerate(zip(sounds, answers, strict=True))
            if sound and answer is None
        }
        started = time.perf_counter()
        computed = self._computed(list(missing.values()))
        seconds = (time.perf_counter() - started) / parallel.beside() / max(1, len(missing))
        for index, pieces in zip(missing, computed, strict=True):
            answers[index] = answer = torch.cat(pieces, -1)
            cache.put(KIND, asked[index], answer, Cost(len(pieces), seconds))
        device = torch_device(self.device)
        return [
            self.apply(separation, sound.with_waveform(answer.to(device)))
            if sound and answer is not None
            else separation
            for separation, sound, answer in zip(separations, sounds, answers, strict=True)
        ]

    def _hears(self, separation: Separation) -> Audio | None:
        """A separation's speech at the network's rate; None where there is nothing to denoise."""
        if self.idle or not separation.speech.waveform.any():
            return None
        heard = resample(separation.speech, self.sample_rate)
        return heard if heard.samples else None  # one sample, say, at a third of its rate

    @torch.inference_mode()
    def _computed(self, sounds: Sequence[Audio]) -> list[list[Tensor]]:
        """What the network answers for the chunks of each sound."""
        chunks = [
            self._chunks(
                Forward(iter([edges.extended(sound.waveform, *self._beyond)])),
                sound.samples,
                sound.waveform.std(-1, correction=0),
            )
            for sound in sounds
        ]
        if torch_device(self.device).type == "cpu":
            return [list(self._in_order(own)) for own in chunks]
        flat = [(index, chunk) for index, own in enumerate(chunks) for chunk in own]
        step = round(PACKED_STEP_S * self.sample_rate)
        answers = packed(self._answer, [chunk.heard for _, chunk in flat], step, self._batches)
        pieces: list[list[Tensor]] = [[] for _ in sounds]
        for (index, chunk), answer in zip(flat, answers, strict=True):
            pieces[index].append(chunk.of(answer))
        return pieces

    def _key(self, heard: Audio) -> dict[str, Any]:
        """Everything that the network's answer depends on."""
        return stage_parts(type(self)) | {
            "weights": sha256(self._file),
            # What kind of network a bare state belongs to is known by the model's name.
            "hidden": HIDDEN.get(self.model),
            "input": keys.samples(heard.waveform),
            "edge_context": self._beyond,
            "arithmetic": keys.arithmetic(torch_device(self.device), keys.threads_per_piece()),
        }

    def stream(self, speech: LongAudio) -> Iterator[Tensor]:
        """The network's own output, at its rate, for a sound too long for memory.

        Shape of the pieces, in order: `[channels, some]`.
        """
        samples, moments = 0, [Moments() for _ in range(speech.channels)]
        for chunk in speech.at_rate(self.sample_rate):
            samples += chunk.shape[-1]
            for channel, one in zip(chunk, moments, strict=True):
                one.feed(channel)
        deviation = torch.tensor([one.deviation() for one in moments])
        chunks = edges.extended_stream(speech.at_rate(self.sample_rate), *self._beyond)
        return self._answers(Forward(chunks), samples, deviation)

    def apply(self, separation: Separation, denoised: Audio) -> Separation:
        """Mix in the gain from the speech estimate to the network's output for it.

        `denoised` lasts as long as the estimate, at the network's rate.
        """
        if self.idle:
            return separation
        return gain.mixed_in(separation, denoised, self.wet, self.window_s, HEARD_HZ)

    @cached_property
    def _network(self) -> Any:
        require(f"enhancement.model={self.model}", "denoiser")
        path = self._file
        return loaded(self.model, path, torch_device(self.device), path.stat().st_mtime_ns)

    @cached_property
    def _batches(self) -> GpuBatches:
        return GpuBatches()

    @cached_property
    def _file(self) -> Path:
        return denoiser_file(self.model)

    @property
    def _beyond(self) -> tuple[int, int]:
        """What is heard beyond either end and what is skipped before it, in its samples."""
        rate = self.sample_rate
        return round(self.edge_context_s * rate), edges.skipped(rate)

    @torch.inference_mode()
    def _answers(self, speech: Forward, samples: int, deviation: Tensor) -> Iterator[Tensor]:
        """What the network answers for a sound, `[channels, some]` in order."""
        return self._in_order(self._chunks(speech, samples, deviation))

    def _in_order(self, chunks: Iterator[Chunk]) -> Iterator[Tensor]:
        on_cpu = torch_device(self.device).type == "cpu"
        for chunk, answer in parallel.ordered(
            lambda chunk: self._answer(chunk.heard), chunks, on_cpu
        ):
            yield chunk.of(answer)

    def _answer(self, heard: Tensor) -> Tensor:
        """The network's answer to rows `[rows, samples]`, each by itself."""
        answer: Tensor = self._network(heard[:, None])[:, 0]
        return answer

    def _chunks(self, speech: Forward, samples: int, deviation: Tensor) -> Iterator[Chunk]:
        """Chunks with context of a sound at the network's rate, `samples` between edge contexts.

        The network would normalise each chunk by itself. It is done here for the whole file, as the
        network was trained. Its own forward multiplies by the deviation without the floor, which
        would turn quiet files down: here the answer is multiplied by what the input was divided by.

        Shape: `deviation` `[channels]`.
        """
        network, device, extra = self._network, torch_device(self.device), self._beyond[0]
        chunk, left, right = (
            int(seconds * network.sample_rate) for seconds in (CHUNK_S, *CONTEXT_S)
        )
        scale = (
            network.floor + deviation.to(device)[:, None]
            if network.normalizes
            else torch.ones(1, 1, device=device)
        )
        for start in range(extra, extra + samples, chunk):
            first, end = max(0, start - left), min(start + chunk, extra + samples)
            heard = speech.read(first, end + right).to(device) / scale
            yield Chunk(heard, slice(start - first, end - first), scale)
