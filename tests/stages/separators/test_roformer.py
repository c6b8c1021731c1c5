"""BS- and Mel-Band RoFormer from the files that their community shares: a checkpoint and the yaml
that it was trained with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from speechclean.experiment.config.compose import composed
from speechclean.experiment.config.instantiate import instantiate_components
from speechclean.networks.checkpoints import CheckpointError
from speechclean.networks.weights import MissingWeights
from speechclean.networks.weights.registry import models
from speechclean.stages.separators.roformer import RoformerSeparator
from speechclean.stages.separators.roformer_network import RoformerConfig
from speechclean.system import extras
from speechclean.system.extras import MissingPackage
from tests.conftest import noise
from tests.support.roformer_files import RATE, config, write

pytest.importorskip("bs_roformer", reason="pip install 'speechclean[roformer]'")
pytest.importorskip("mel_band_roformer", reason="pip install 'speechclean[roformer]'")


@pytest.fixture(autouse=True)
def _bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "TORCH_HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "bare"))
    monkeypatch.setenv("SPEECHCLEAN_WEIGHTS", str(tmp_path / "weights"))


@pytest.mark.parametrize("kind", ["bs", "mel"])
def test_the_answer_is_the_networks_own(kind: str, tmp_path: Path) -> None:
    """On one chunk without shifts; the network's own attention, which lays its matrix out, gives
    the same."""
    path = write(tmp_path, kind)
    mixture = noise(0.5, RATE, channels=2)
    (stems,) = RoformerSeparator(str(path), shifts=0, overlap=0.0, device="cpu")([mixture])
    module = "bs_roformer" if kind == "bs" else "mel_band_roformer"
    cls = getattr(
        __import__(f"{module}.{module}").__dict__[module],
        "BSRoformer" if kind == "bs" else "MelBandRoformer",
    )
    arguments = dict(RoformerConfig.read(path.with_suffix(".yaml")).model)
    arguments.pop("linear_transformer_depth", None)
    plain = cls(**arguments).eval()
    plain.load_state_dict(torch.load(path, weights_only=True))
    with torch.inference_mode():
        expected = plain(mixture.waveform[None])[0]
    assert stems.speech.waveform.shape == (2, RATE // 2)
    assert torch.allclose(
        stems.speech.waveform[:, : expected.shape[-1]],
        expected,
        atol=1e-5 * float(expected.abs().max()),
    )
    assert torch.allclose(stems.speech.waveform + stems.music.waveform, mixture.waveform, atol=1e-6)


@pytest.mark.parametrize("kind", ["bs", "mel"])
def test_the_same_samples_whatever_the_batch(kind: str, tmp_path: Path) -> None:
    path = str(write(tmp_path, kind))
    clips = [
        noise(1.3, RATE, channels=2),
        noise(0.2, 24000, seed=1),
        noise(0.9, 48000, channels=2, seed=2),
    ]
    together = RoformerSeparator(path, shifts=2, device="cpu", batch_size=3)(clips)
    for clip, stems in zip(clips, together, strict=True):
        (alone,) = RoformerSeparator(path, shifts=2, device="cpu")([clip])
        assert torch.equal(alone.speech.waveform, stems.speech.waveform)
        assert stems.speech.channels == clip.channels
    (silent,) = RoformerSeparator(path, device="cpu")([noise(0.5, RATE, level=0.0)])
    assert not silent.speech.waveform.any()


@pytest.mark.parametrize(
    ("fields", "sources"),
    [
        ({}, ["vocals", "other"]),
        ({"target": "other"}, ["other", "vocals"]),
        ({"target": None, "stems": 2}, ["vocals", "other"]),
        ({"target": None, "stems": 4}, ["bass", "drums", "other", "vocals"]),
    ],
)
def test_the_voice_is_found_among_the_stems(
    fields: dict[str, Any], sources: list[str], tmp_path: Path
) -> None:
    path = write(tmp_path, "mel", **fields)
    separator = RoformerSeparator(
        str(path), shifts=0, overlap=0.0, device="cpu", accompaniment="stems"
    )
    (network,) = separator._networks
    assert network.module.sources == sources
    heard = noise(0.5, RATE, channels=2)
    with torch.inference_mode():
        answer = network.module(heard.waveform[None])[0]
    (stems,) = separator([heard])
    scale = float(answer.abs().max())
    assert torch.allclose(stems.speech.waveform, answer[sources.index("vocals")], atol=1e-4 * scale)
    others = answer.sum(0) - answer[sources.index("vocals")]
    assert torch.allclose(stems.music.waveform, others, atol=1e-4 * scale)


@pytest.mark.parametrize("wrapped", ["bare", "state_dict", "safetensors"])
def test_every_way_in_which_states_are_stored(wrapped: str, tmp_path: Path) -> None:
    path = write(tmp_path, "bs")
    state = torch.load(path, weights_only=True)
    expected = RoformerSeparator(str(path), shifts=0, device="cpu")([noise(0.5, RATE, channels=2)])
    if wrapped == "safetensors":
        from safetensors.torch import save_file

        path.unlink()
        path = path.with_suffix(".safetensors")
        save_file({key: value.clone() for key, value in state.items()}, path)
    elif wrapped == "state_dict":
        torch.save({"state_dict": state, "epoch": 3}, path)
    answer = RoformerSeparator(str(path), shifts=0, device="cpu")([noise(0.5, RATE, channels=2)])
    assert torch.equal(answer[0].speech.waveform, expected[0].speech.waveform)


def test_missing_files_are_named_with_what_to_do(tmp_path: Path) -> None:
    for name in ("roformer_mel_kim", "roformer_bs_viperx"):
        problems, stages = instantiate_components(
            composed(["separators=[roformer]", f"separators.roformer.name={name}"])
        )
        assert not problems
        with pytest.raises(
            MissingWeights, match=rf"(?s)about \d+ MB.*speechclean weights fetch {name}"
        ) as raised:
            stages["separators.roformer"].weight_files()
        assert raised.value.models == (name,)
    with pytest.raises(MissingWeights, match="neither a file nor one of roformer_mel_kim"):
        RoformerSeparator("roformer_mel_tim").weight_files()
    with pytest.raises(MissingWeights, match="neither a file"):
        RoformerSeparator(str(tmp_path / "none.ckpt")).weight_files()
    (tmp_path / "model.ckpt").touch()
    with pytest.raises(MissingWeights, match=r"no config lies beside it.*named model\.yaml"):
        RoformerSeparator(str(tmp_path / "model.ckpt")).weight_files()
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").touch()
    with pytest.raises(MissingWeights, match="no config lies beside it"):
        RoformerSeparator(str(tmp_path / "model.ckpt")).weight_files()
    given = RoformerSeparator(
        str(tmp_path / "model.ckpt"), config=str(tmp_path / "b.yaml")
    ).weight_files()
    assert list(given.values()) == [tmp_path / "model.ckpt", tmp_path / "b.yaml"]
    (tmp_path / "model.yaml").touch()
    assert (
        RoformerSeparator(str(tmp_path / "model.ckpt")).weight_files()["model.config"]
        == tmp_path / "model.yaml"
    )


def test_a_published_one_by_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    path = write(folder, "bs")
    checkpoint, settings = (file.urls[0].name for file in models()["roformer_bs_viperx"].files)
    path.rename(folder / checkpoint)
    path.with_suffix(".yaml").rename(folder / settings)
    assert RoformerSeparator("roformer_bs_viperx", device="cpu")([noise(0.4, RATE, channels=2)])[
        0
    ].speech.waveform.any()


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "_is_there", lambda name: name != "bs_roformer")
    with pytest.raises(
        MissingPackage, match=r"bs-roformer-infer is not.*pip install 'speechclean\[roformer\]'"
    ):
        _ = RoformerSeparator(str(write(tmp_path, "bs")), device="cpu").sample_rate


class Attack:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.system [touch {ran}]",
        "!!python/object/new:os.system [touch {ran}]",
        "!!python/name:os.system ''",
        "!!python/module:os ''",
        "!!python/object/apply:subprocess.check_call [[touch, '{ran}']]",
        '!!python/object/apply:builtins.eval [\'open("{ran}", "w")\']',
    ],
)
def test_a_config_that_names_a_program_runs_nothing(tag: str, tmp_path: Path) -> None:
    path = write(tmp_path, "bs")
    path.with_suffix(".yaml").write_text(
        config("bs", more="  zero_dc: " + tag.format(ran=tmp_path / "ran") + "\n")
    )
    with pytest.raises(CheckpointError, match=r"model\.yaml: refused.*python/"):
        RoformerSeparator(str(path), device="cpu")([noise(0.5, RATE, channels=2)])
    assert not (tmp_path / "ran").exists()


def test_a_hostile_checkpoint_runs_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, "bs")
    torch.save({"state_dict": Attack(f"touch {tmp_path}/ran")}, path)
    with pytest.raises(CheckpointError, match=r"model\.ckpt: refused.*posix\.system"):
        RoformerSeparator(str(path), device="cpu")([noise(0.5, RATE, channels=2)])
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", "not the config of a RoFormer"),
        ("model: {dim: 16}\ntraining: {}", "not the config of a RoFormer"),
        (config("bs", more="  skip_connection: true\n"), "asks for skip_connection=True"),
        (config("bs", more="  mlp_expansion_factor: 2\n"), "asks for mlp_expansion_factor=2"),
        (config("bs").replace("dim: 16", "dim: many"), "no BSRoformer can be made of it"),
        (config("bs").replace("    - 129\n", ""), "no BSRoformer can be made of it"),
        (config("bs").replace("dim: 16", "dim: 24"), "does not fit its config"),
        (config("mel"), "does not fit its config"),
        (config("bs", stems=2), r"names \['vocals'\] for 2 stems"),
        (
            config("bs", target="bass").replace("'vocals', 'other'", "'bass', 'drums'"),
            "none of which is speech",
        ),
        ("\tno yaml: [", "not plain yaml"),
    ],
)
def test_what_does_not_fit_is_said(text: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, "bs")
    path.with_suffix(".yaml").write_text(text)
    with pytest.raises(CheckpointError, match=message):
        RoformerSeparator(str(path), device="cpu")([noise(0.5, RATE, channels=2)])


def test_what_only_trainers_need_is_passed_over(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "bs",
        more="  use_torch_checkpoint: true\n  skip_connection: false\n  mlp_expansion_factor: 4\n",
    )
    assert yaml.safe_load("a: 1")  # the loader's tuples are its own: SafeLoader still knows none
    with pytest.raises(yaml.YAMLError):
        yaml.safe_load("!!python/tuple [1]")
    assert RoformerSeparator(str(path), device="cpu")([noise(0.4, RATE)])[0].speech.channels == 1
