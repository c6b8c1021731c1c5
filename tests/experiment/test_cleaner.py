"""From Python a sound becomes what a run would make of it, in the caller's own form."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from speechclean import Cleaner
from speechclean.audio.sound_files import load, probe, save
from speechclean.audio.waveform import AudioError
from speechclean.experiment.config.build import build
from speechclean.experiment.config.compose import composed
from speechclean.experiment.config.errors import ConfigError
from speechclean.experiment.config.schema import Config
from speechclean.experiment.config.sound_alone import refused
from tests.conftest import noise

SMALL = ["separators=[embedded_hdemucs_q]", "enhancement=identity"]


@pytest.fixture(scope="module")
def cleaner() -> Cleaner:
    return Cleaner(overrides=SMALL)


def test_it_is_the_pipeline_of_a_run(cleaner: Cleaner, tmp_path: Path) -> None:
    cfg = composed([*SMALL, "tracking=none", "metrics=[]"])
    cfg.output.dir = str(tmp_path)
    sound = noise(1.0, 16000, channels=2)
    (wanted,) = build(cfg).pipeline([sound])
    assert torch.equal(cleaner.clean(sound.waveform, 16000), wanted.speech.waveform)
    found = cleaner.separate(sound.waveform, 16000)
    assert torch.equal(found.speech, wanted.speech.waveform)
    assert torch.equal(found.residual, wanted.residual.waveform)
    assert torch.equal(found.mask, wanted.mask)
    assert cleaner.models == ["embedded_hdemucs_q"]


def test_a_long_sound_goes_through_the_disk_and_comes_out_the_same(cleaner: Cleaner) -> None:
    sound = noise(2.0).waveform[0].numpy()
    streaming = Cleaner(overrides=SMALL, stream_above_s=1)
    long, short = (one.clean(sound, 24000) for one in (streaming, cleaner))
    assert long.shape == sound.shape
    assert np.abs(long - short).max() < 1e-4


def test_keywords_are_settings(cleaner: Cleaner) -> None:
    sound = noise(0.5).waveform
    settings: dict[str, Any] = {"fusion.exponent": 0.5, "postprocess": ["loudness"]}
    other = Cleaner(overrides=SMALL, **settings)
    assert not torch.equal(other.clean(sound, 24000), cleaner.clean(sound, 24000))


def test_threads_share_one(cleaner: Cleaner) -> None:
    sounds = [noise(0.3 + 0.1 * seed, seed=seed).waveform for seed in range(6)]
    alone = [cleaner.clean(sound, 24000) for sound in sounds]
    with ThreadPoolExecutor(3) as threads:
        together = list(threads.map(lambda sound: cleaner.clean(sound, 24000), sounds))
    assert all(map(torch.equal, alone, together))


def test_silence_stays(cleaner: Cleaner) -> None:
    assert not cleaner.clean(np.zeros(1000, np.int16), 24000).any()


def test_files(cleaner: Cleaner, tmp_path: Path) -> None:
    paths = [tmp_path / "a.wav", tmp_path / "bad.wav", tmp_path / "sub" / "a.flac"]
    save(noise(0.5), paths[0], "PCM_24")
    paths[1].write_text("no sound")
    save(noise(0.4, seed=1), paths[2])
    found = list(cleaner.clean_files(paths, tmp_path / "out"))
    assert [one.path for one in found] == paths
    assert [one.output is None for one in found] == [False, True, False]
    assert str(paths[1]) in found[1].reason
    outputs = [one.output for one in found if one.output]
    assert len(set(outputs)) == 2
    assert [probe(one).samples for one in outputs] == [12000, 9600]
    assert probe(outputs[0]).subtype == "PCM_24"
    written = cleaner.clean_file(paths[0], tmp_path / "b.wav")
    assert written.read_bytes() == outputs[0].read_bytes()
    expected = cleaner.clean(load(paths[0]).waveform, 24000)
    assert (load(written).waveform - expected).abs().max() < 2**-23
    with pytest.raises(AudioError, match=r"bad\.wav"):
        cleaner.clean_file(paths[1], tmp_path / "c.wav")
    with pytest.raises(AudioError, match="cannot be written"):
        cleaner.clean_file(paths[0], paths[1] / "c.wav")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"preset": "fats"}, "did you mean fast"),
        ({"shfts": 3}, "did you mean shifts"),
        ({"overlap": "wide"}, "overlap"),
        ({"overrides": ["fusion=max"]}, "max"),
        ({"device": "tpu"}, "tpu"),
        ({"overrides": ["selection=best_of"]}, "only a run measures; take selection=none"),
        ({"overrides": ["guard=fallback"]}, "only a run measures; take guard=none"),
        ({"metrics": ["lufs"]}, r"only a run measures; .* dataset.pattern=... 'metrics="),
        ({"verdict.limit.edge_burst_db": 5}, "only a run measures"),
        ({"overrides": ["tracking.uri=sqlite:///a.db"]}, "only a run is recorded"),
        ({"name": "mine"}, "only a run is recorded"),
        ({"overrides": ["output.dir=elsewhere"]}, "where a sound goes is said beside it"),
        ({"overrides": ["+batch=local"]}, "go one after another here; .*batch=local"),
        ({"overrides": ["delivery=zip"]}, "nothing is packed here"),
        ({"overrides": ["dataset=folder", "dataset.pattern=in"]}, "named one by one here"),
        ({"overrides": ["sweep=optuna"]}, "search: speechclean -m sweep=optuna"),
        ({"overrides": ["hydra/launcher=joblib"]}, "Hydra runs runs alone"),
        ({"overrides": ["experiment=fast"]}, r"--preset NAME, or Cleaner\(NAME\)"),
        ({"overrides": ["metrics=[lufs]", "fusion=max"]}, r"(?s)2 problems.*measures.*max_mask"),
    ],
)
def test_what_cannot_be_is_told_at_once(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Cleaner(**wrong)  # type: ignore[arg-type]


def test_every_key_of_a_config_does_something_or_is_refused() -> None:
    """A key that comes to the root of a config has to be put on one side."""
    works = {
        *("separators", "fusion", "enhancement", "postprocess", "screening", "weights", "cache"),
        *("shifts", "overlap", "edge_context_s", "dc_offset_above", "seed", "device", "batch_size"),
        *("precision", "audio_in_memory_s", "stream_above_s", "max_decoded_gb"),
    }
    judges = {"selection", "guard"}  # refused as a preset may have them too
    roots = {field.name for field in dataclasses.fields(Config)}
    told = {root for root in roots if refused([f"{root}.a=1"])}
    assert roots - told == works | judges


def test_a_screened_sound_without_music_passes_untouched(tmp_path: Path) -> None:
    """By whichever way it comes; whoever gets it may write into it."""
    own: dict[str, Any] = {"screening.threshold_db": 200}
    lines = [*SMALL, "screening=music", "stream_above_s=2"]
    cleaner = Cleaner(overrides=lines, **own)
    for seconds in (0.5, 3.0):
        sound = noise(seconds).waveform
        found = cleaner.clean(sound, 24000)
        assert torch.equal(found, sound)
        assert found.data_ptr() != sound.data_ptr()
        path = save(noise(seconds), tmp_path / "in.wav", "FLOAT")
        written = cleaner.clean_file(path, tmp_path / "out.wav")
        assert torch.equal(load(written).waveform, load(path).waveform)
    assert cleaner.separate(noise(0.5).waveform, 24000).mask.eq(1).all()
    own["screening.threshold_db"] = -200
    hears = Cleaner(overrides=lines, **own)
    plain = Cleaner(overrides=SMALL)
    sound = noise(0.5).waveform
    assert torch.equal(hears.clean(sound, 24000), plain.clean(sound, 24000))


def test_what_holds_more_than_it_may_is_refused(tmp_path: Path) -> None:
    path = save(noise(2.0), tmp_path / "a.wav")
    small = Cleaner(overrides=SMALL, max_decoded_gb=1e-4)  # 25,000 values
    with pytest.raises(AudioError, match=r"a\.wav: decodes to more than 0\.0001 GB"):
        small.clean_file(path, tmp_path / "out.wav")
