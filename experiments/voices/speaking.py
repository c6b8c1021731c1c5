"""Speech from text by Kokoro-82M and Piper, on one thread, the same samples every time."""

import json
from functools import cached_property
from pathlib import Path

import numpy as np
import onnxruntime

from experiments.voices.phonemes import for_kokoro, for_piper
from experiments.voices.split import Voice
from experiments.voices.weights import weights

KOKORO_RATE, PIPER_RATE = 24_000, 22_050
MOST_TOKENS = 509
PAUSE_S = 0.25  # between the sentences of a text
EDGE_S, EDGE = 0.03, 0.01  # what is left of the silence at a sentence's ends; where it starts


class Speaker:
    """All voices of both networks, loaded when first asked for."""

    def __init__(self, cache: Path | None = None) -> None:
        self._folder = weights(cache)
        self._styles: dict[str, np.ndarray] = {}

    def say(self, text: str, voice: Voice, speed: float = 1.0, seed: int = 0) -> np.ndarray:
        """Float32 `[samples]` at `voice.rate`; `speed` 1 is the voice's own. Kokoro says a text
        the same way always, Piper as `seed` has it.
        """
        if voice.engine == "piper":
            return _trimmed(self._piper(text, voice, speed, seed), PIPER_RATE)
        return _trimmed(self._kokoro(text, voice, speed), KOKORO_RATE)

    def _kokoro(self, text: str, voice: Voice, speed: float) -> np.ndarray:
        said = for_kokoro(text, voice.accent)
        tokens = [self._vocabulary[letter] for letter in said if letter in self._vocabulary]
        if not 0 < len(tokens) <= MOST_TOKENS:
            raise ValueError(f"{len(tokens)} phonemes, at most {MOST_TOKENS}: {text[:60]!r}")
        style = np.mean([self._style(name)[len(tokens) - 1] for name in voice.styles], axis=0)
        (wave,) = self._network.run(
            None,
            {
                "tokens": np.array([[0, *tokens, 0]]),
                "style": style.astype(np.float32)[None],
                "speed": np.array([speed], np.float32),
            },
        )
        return np.asarray(wave, np.float32).ravel()

    def _style(self, name: str) -> np.ndarray:
        """Float32 `[tokens, 256]`: a voice has one style for every length of text."""
        if name not in self._styles:
            data = np.fromfile(self._folder / "voices" / f"{name}.bin", np.float32)
            self._styles[name] = data.reshape(-1, 256)
        return self._styles[name]

    @cached_property
    def _vocabulary(self) -> dict[str, int]:
        text = (self._folder / "kokoro_vocabulary.json").read_text(encoding="utf-8")
        found: dict[str, int] = json.loads(text)["vocab"]
        return found

    @cached_property
    def _network(self) -> onnxruntime.InferenceSession:
        return _session(self._folder / "kokoro.onnx")

    def _piper(self, text: str, voice: Voice, speed: float, seed: int) -> np.ndarray:
        settings = json.loads((self._folder / "piper_joe.json").read_text(encoding="utf-8"))
        table, inference = settings["phoneme_id_map"], settings["inference"]
        ids = [*table["^"], *table["_"]]
        for letter in for_piper(text, voice.accent):
            ids += [*table[letter], *table["_"]] if letter in table else []
        ids += table["$"]
        scales = [inference["noise_scale"], inference["length_scale"] / speed, inference["noise_w"]]
        # Its noise comes from the generator that a session is born with: one for each text.
        onnxruntime.set_seed(seed)
        (wave,) = _session(self._folder / "piper_joe.onnx").run(
            None,
            {
                "input": np.array([ids]),
                "input_lengths": np.array([len(ids)]),
                "scales": np.array(scales, np.float32),
            },
        )
        return np.asarray(wave, np.float32).ravel()


def _session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _trimmed(wave: np.ndarray, rate: int) -> np.ndarray:
    loud = np.flatnonzero(np.abs(wave) > EDGE * np.abs(wave).max())
    edge = round(EDGE_S * rate)
    return wave[max(0, loud[0] - edge) : loud[-1] + edge]
