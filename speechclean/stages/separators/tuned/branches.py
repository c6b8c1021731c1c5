"""The two branches of a hybrid network, spectrum and waveform, beside one another.

Between where they part and where they meet neither knows of the other: a lone pass of a lone clip
can take two cores while each operation stays on one thread, so that the bits are those of one
branch after the other. HDemucs (Défossez 2021) joins them in its inner layers; HTDemucs (Rouard,
Massa & Défossez 2023) lets them attend to each other in pairs of layers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from demucs.transformer import create_2d_sin_embedding
from torch import Tensor
from torch.nn import functional

from speechclean.system.parallel import both


def tune_branches(network: Any) -> None:
    """Let a hybrid network compute both branches at once where a core has nothing to do."""
    if isinstance(network, HDemucs | HTDemucs) and getattr(network, "hybrid", True):
        network.forward = Branches(network)


@dataclass
class _Branch:
    """A branch on its way: where it is, and what its decoder asks for, the innermost last.

    level: mean and standard deviation of what it was given
    spectrum: the mixture's, where the answer is a mask on it
    """

    now: Tensor
    level: tuple[Tensor, Tensor]
    spectrum: Tensor | None = None
    skips: list[Tensor] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, given: Tensor, spectrum: Tensor | None = None) -> _Branch:
        """Of what it is given, at mean 0 and variance 1."""
        inner = tuple(range(1, given.dim()))
        mean, deviation = given.mean(inner, keepdim=True), given.std(inner, keepdim=True)
        return cls((given - mean) / (1e-5 + deviation), (mean, deviation), spectrum)

    def sources(self, count: int, inner: tuple[int, ...]) -> Tensor:
        """Where it is as an answer at the level that it was given: `[batch, count, ?, *inner]`."""
        mean, deviation = self.level
        return self.now.view(len(self.now), count, -1, *inner) * deviation[:, None] + mean[:, None]


class Branches:
    """A hybrid network's answer.

    Shape: `[batch, channels, samples]` -> `[batch, sources, channels, samples]`.
    """

    def __init__(self, network: Any) -> None:
        self._network = network
        encoders, decoders = network.tencoder, network.tdecoder
        #: How many layers the encoders pass before they join, and the decoders before they part.
        self._apart = next((i for i, one in enumerate(encoders) if one.empty), len(encoders))
        self._together = next(
            (network.depth - len(decoders) + i + 1 for i, one in enumerate(decoders) if one.empty),
            0,
        )

    def __call__(self, mixture: Tensor) -> Tensor:
        """The sources of a mixture."""
        network, samples = self._network, mixture.shape[-1]
        if getattr(network, "use_train_segment", False):
            whole = int(network.segment * network.samplerate)
            mixture = functional.pad(mixture, (0, max(0, whole - samples)))
        length = mixture.shape[-1]
        spectrum, wave = both(
            lambda: self._encode_spectrum(mixture), lambda: self._encode_wave(mixture)
        )
        self._meet(spectrum, wave)
        answers = both(
            lambda: self._decode_spectrum(spectrum, length), lambda: self._decode_wave(wave, length)
        )
        return (answers[1] + answers[0])[..., :samples]

    def _encode_spectrum(self, mixture: Tensor) -> _Branch:
        network = self._network
        spectrum = network._spec(mixture)  # noqa: SLF001 (demucs has no public names for these)
        kept = None if network.cac else spectrum
        branch = _Branch.of(network._magnitude(spectrum), kept)  # noqa: SLF001
        for index in range(self._apart):
            self._encode(branch, index)
        return branch

    def _encode(self, branch: _Branch, index: int, injected: Tensor | None = None) -> None:
        network = self._network
        branch.lengths.append(branch.now.shape[-1])
        branch.now = network.encoder[index](branch.now, injected)
        if index == 0 and network.freq_emb is not None:
            rows = torch.arange(branch.now.shape[-2], device=branch.now.device)
            place = network.freq_emb(rows).t()[None, :, :, None].expand_as(branch.now)
            branch.now = branch.now + network.freq_emb_scale * place
        branch.skips.append(branch.now)

    def _encode_wave(self, mixture: Tensor) -> _Branch:
        branch = _Branch.of(mixture)
        for layer in self._network.tencoder:
            branch.lengths.append(branch.now.shape[-1])
            branch.now = layer(branch.now)
            if not layer.empty:
                branch.skips.append(branch.now)
        return branch

    def _meet(self, spectrum: _Branch, wave: _Branch) -> None:
        """From where the encoders join to where the decoders part."""
        network = self._network
        for index in range(self._apart, len(network.encoder)):
            self._encode(spectrum, index, wave.now if index == self._apart else None)
        if isinstance(network, HDemucs):
            spectrum.now = torch.zeros_like(spectrum.now)  # what is decoded comes by the skips
        elif network.crosstransformer:
            spectrum.now, wave.now = self._attend(spectrum.now, wave.now)
        for index in range(self._together):
            # The wave's decoder takes the last of these before its own convolution.
            wave.now = self._decode(spectrum, index)[:, :, 0]

    def _attend(self, spectrum: Tensor, wave: Tensor) -> tuple[Tensor, Tensor]:
        """The transformer between encoders and decoders.

        Shape: `[batch, channels, bands, frames]` and `[batch, channels, time]`, as given.
        """
        network, cross = self._network, self._network.crosstransformer
        bands = spectrum.shape[2]
        if network.bottom_channels:
            spectrum = network.channel_upsampler(spectrum.flatten(2)).unflatten(2, (bands, -1))
            wave = network.channel_upsampler_t(wave)
        count, width, _, frames = spectrum.shape
        place = create_2d_sin_embedding(width, bands, frames, spectrum.device, cross.max_period)
        tokens = cross.norm_in(_tokens(spectrum)) + cross.weight_pos_embed * _tokens(place)
        place_t = cross._get_pos_embedding(  # noqa: SLF001
            wave.shape[-1], count, width, wave.device
        ).transpose(0, 1)
        tokens_t = cross.norm_in_t(wave.transpose(1, 2)) + cross.weight_pos_embed * place_t
        for index, (layer, layer_t) in enumerate(zip(cross.layers, cross.layers_t, strict=True)):
            own = index % 2 == cross.classic_parity
            tokens, tokens_t = _layers(layer, layer_t, tokens, tokens_t, own)
        spectrum, wave = tokens.unflatten(1, (frames, bands)).permute(0, 3, 2, 1), tokens_t.mT
        if network.bottom_channels:
            flat = spectrum.flatten(2)
            spectrum = network.channel_downsampler(flat).unflatten(2, (bands, -1))
            wave = network.channel_downsampler_t(wave)
        return spectrum, wave

    def _decode(self, branch: _Branch, index: int) -> Tensor:
        """One layer on; gives what comes before its last convolution."""
        layer = self._network.decoder[index]
        branch.now, before = layer(branch.now, branch.skips.pop(), branch.lengths.pop())
        return before

    def _decode_spectrum(self, branch: _Branch, samples: int) -> Tensor:
        network, frames = self._network, branch.lengths[0]
        for index in range(self._together, len(network.decoder)):
            self._decode(branch, index)
        answer = branch.sources(len(network.sources), (network.nfft // 2, frames))
        return network._ispec(network._mask(branch.spectrum, answer), samples)  # noqa: SLF001

    def _decode_wave(self, branch: _Branch, samples: int) -> Tensor:
        for layer in self._network.tdecoder:
            skip = None if layer.empty else branch.skips.pop()
            branch.now, _ = layer(branch.now, skip, branch.lengths.pop())
        return branch.sources(len(self._network.sources), (samples,))


def _tokens(spectrum: Tensor) -> Tensor:
    """Shape: `[batch, channels, bands, frames]` -> `[batch, frames * bands, channels]`."""
    return spectrum.permute(0, 3, 2, 1).flatten(1, 2)


def _layers(
    layer: Any, layer_t: Any, tokens: Tensor, tokens_t: Tensor, own: bool
) -> tuple[Tensor, Tensor]:
    """A layer of each branch: both attend to their `own` tokens, or each to the other's."""
    if own:
        return both(lambda: layer(tokens), lambda: layer_t(tokens_t))
    return both(lambda: layer(tokens, tokens_t), lambda: layer_t(tokens_t, tokens))
