"""A packed pipeline answers what the run wrote, from its own weights, wherever it is unpacked."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from speechclean import serving
from speechclean.audio import AudioError, load, save
from speechclean.compose import composed
from speechclean.config import build
from tests.conftest import noise
from tests.separators.test_roformer import write
from tests.test_identity import resolved


@pytest.mark.parametrize("kind", ["repo", "local", "roformer"])
def test_it_answers_as_the_pipeline_does_with_weights_that_travelled(kind: str, models: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(models, own)
    overrides = ["enhancement=identity", "tracking=none", "metrics=[]"]
    if kind == "repo":
        overrides += ["separators=[embedded_htdemucs]", "separators.embedded_htdemucs.name=one"]
        overrides += [f"separators.embedded_htdemucs.repo={own}"]
    elif kind == "local":
        overrides += ["separators=[local]", "separators.local.name=one", f"separators.local.path={own}"]
    else:
        pytest.importorskip("bs_roformer", reason="pip install 'speechclean[roformer]'")
        overrides += ["separators=[roformer]", f"separators.roformer.name={write(own, 'bs')}"]
    cfg = composed(overrides)
    cfg.output.dir, cfg.name = str(tmp_path), "run"
    experiment = build(cfg)
    sound = save(noise(1.2, 16000, channels=2), tmp_path / "in.wav", "PCM_24")
    (separation,) = experiment.pipeline([load(sound)])
    expected = save(separation.speech, tmp_path / "out.wav", "PCM_24")
    packed = tmp_path / "packed"
    packed.mkdir()
    serving.pack(resolved(overrides), experiment.weights, packed)
    shutil.rmtree(own)
    cleaner = serving.Cleaner(packed.rename(tmp_path / "elsewhere"))
    assert cleaner(sound.read_bytes()) == expected.read_bytes()
    with pytest.raises(AudioError, match="the sound: "):
        cleaner(b"no sound at all")
