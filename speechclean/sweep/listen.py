"""Settings side by side, to be heard: seconds of a few files, as each setting cleans them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from omegaconf import DictConfig, open_dict

from speechclean.audio.waveform import Audio, AudioError
from speechclean.experiment.cleaner import Cleaner
from speechclean.experiment.config.errors import ConfigError
from speechclean.experiment.config.sound_alone import judging, without_judging
from speechclean.records.results.ab_clips import faded, most_music
from speechclean.records.results.player import Clip, clip_of
from speechclean.stages.types import Separation, Track

log = logging.getLogger(__name__)
#: Files, and seconds of each: the stretch of which the first setting took most away.
FILES, SECONDS = 4, 10.0


def clips(tracks: Sequence[Track], configs: Mapping[str, DictConfig]) -> list[Clip]:
    """A clip of each of the first files, with the mixture and what each config makes of it.

    configs: by the name that a page has for the sound

    What networks answered in the trials is taken from the cache. What a guard or a selection would
    have made of it is not heard: they judge by metrics, which are not taken again. A file that
    cannot be cleaned is left out, and so is a config that cannot be built any more.
    """
    paths = [track.path for track in tracks[:FILES]]
    cleaned = {name: _cleaned(cfg, paths) for name, cfg in configs.items()}
    made = []
    for number, track in enumerate(tracks[:FILES]):
        found = {name: answers[number] for name, answers in cleaned.items() if number in answers}
        if len(found) == len(configs):
            made.append(_clip(track.alias, found))
    return made


def _cleaned(cfg: DictConfig, paths: Sequence[Path]) -> dict[int, Separation]:
    with open_dict(cfg):
        cfg.sweep, cfg.cache.enabled = None, True
    if judging(cfg):
        log.warning("what is heard on the page is before guard and selection")
        cfg = without_judging(cfg)
    try:
        outcomes = Cleaner.of(cfg).outcomes(paths)
        return {
            int(one.track.alias): one.separation.cpu()
            for one in outcomes
            if one.separation is not None
        }
    except (ConfigError, AudioError, OSError, RuntimeError) as error:
        log.warning("a setting cannot be heard (%s)", error)
        return {}


def _clip(name: str, found: Mapping[str, Separation]) -> Clip:
    first = next(iter(found.values()))
    start, stop = most_music(first.residual, SECONDS)

    def heard(sound: Audio) -> Audio:
        cut = sound.with_waveform(sound.waveform[:, start:stop])
        return cut.with_waveform(faded(cut))

    sounds = {"mixture": heard(first.mixture)}
    sounds |= {key: heard(one.speech) for key, one in found.items()}
    peak = max(float(one.waveform.abs().max()) for one in sounds.values() if one.samples)
    scale = 1.0 if peak <= 1 else 1 / peak  # an mp3 holds no more
    scaled = {key: one.with_waveform(torch.mul(one.waveform, scale)) for key, one in sounds.items()}
    return clip_of(scaled, name, f"{start / first.mixture.sample_rate:.1f} s on")
