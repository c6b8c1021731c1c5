"""Every published separator and enhancer by its own name, on small files of the published formats
in a folder of weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from demucs.pretrained import REMOTE_ROOT
from demucs.states import save_with_checksum, serialize_model
from diffq import DiffQuantizer
from omegaconf import OmegaConf

from speechclean.experiment.config.compose import composed
from speechclean.experiment.config.instantiate import instantiate_components
from speechclean.networks.checkpoints import CheckpointError
from speechclean.networks.weights import MissingWeights, demucs_bag
from speechclean.networks.weights.registry import models
from speechclean.stages.separators.demucs import DemucsSeparator
from tests.conftest import noise, tiny_hdemucs, tiny_htdemucs
from tests.support.published_weights import save_safetensors

FOUR = ("drums", "bass", "other", "vocals")
BAGS = sorted(path.stem for path in REMOTE_ROOT.glob("*.yaml"))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HOME", "XDG_CACHE_HOME", "TORCH_HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "bare"))
    monkeypatch.setenv("SPEECHCLEAN_WEIGHTS", str(tmp_path / "weights"))
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def signatures(name: str) -> list[str]:
    return [Path(file.urls[0].name).stem for file in models()[name].files]


def separator(name: str, *overrides: str) -> DemucsSeparator:
    """As the config builds it."""
    problems, stages = instantiate_components(
        composed([f"separators=[{name}]", "device=cpu", "dataset=pilot", *overrides])
    )
    assert not problems
    return stages[f"separators.{name}"]


@pytest.mark.parametrize("name", BAGS)
def test_every_published_bag_by_name(name: str, folder: Path) -> None:
    """One kind of file after the other, as people have them: the hub's safetensors, the legacy
    .th."""
    build = tiny_htdemucs if name.startswith("htdemucs") else tiny_hdemucs
    for index, signature in enumerate(signatures(name)):
        model = build(FOUR, 2, seed=index)
        if index % 2:
            save_with_checksum(
                serialize_model(model, OmegaConf.create({})), folder / f"{signature}.th"
            )
        else:
            save_safetensors(model, folder / f"{signature}.safetensors")
    known = name in ("htdemucs", "htdemucs_ft", "mdx_extra", "mdx_extra_q", "hdemucs_mmi")
    one = separator(name) if known else separator("htdemucs", f"separators.htdemucs.name={name}")
    assert list(one.weight_files()) == signatures(name)
    mixture = noise(0.5, 44100, channels=2)
    stems = one([mixture])[0]
    assert stems.speech.waveform.isfinite().all()
    assert stems.speech.waveform.any()
    total = stems.speech.waveform + stems.music.waveform
    assert total.shape[0] == 2
    assert len(one._networks) == (
        1 if name == "htdemucs_ft" else sum(row[3] > 0 for row in weights_of(name))
    )


def weights_of(name: str) -> list[list[float]]:
    return demucs_bag(name, None).weights or [[1.0] * 4] * len(signatures(name))


def test_one_network_by_its_signature(folder: Path) -> None:
    save_safetensors(tiny_htdemucs(FOUR, 2), folder / "04573f0d.safetensors")
    assert list(demucs_bag("04573f0d", None).files) == ["04573f0d"]
    with pytest.raises(MissingWeights, match=r"04573f0e\.th not in any of the usual places"):
        demucs_bag("04573f0e", None)


def test_a_quantised_safetensors_as_the_hub_has_it(folder: Path) -> None:
    """DiffQ's packed state, flattened into tensors with its structure in the metadata."""
    model = tiny_hdemucs(FOUR, 2)
    state = DiffQuantizer(model, group_size=4, min_size=0.001).get_quantized_state() | {
        "__quantized": True
    }
    save_safetensors(model, folder / "14fc6a69.safetensors", state)
    (module,) = [
        network.module
        for network in DemucsSeparator("14fc6a69", device="cpu", fast_layers=False)._networks
    ]
    original = dict(model.named_parameters())
    name, weight = max(module.named_parameters(), key=lambda item: item[1].numel())
    assert 0 < (weight - original[name]).abs().max() < 0.02


def test_a_local_folder(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    save_with_checksum(
        serialize_model(tiny_htdemucs(FOUR, 2), OmegaConf.create({})), mine / "abcd.th"
    )
    save_safetensors(tiny_hdemucs(FOUR, 2), mine / "ef01.safetensors")
    (mine / "both.yaml").write_text(yaml.safe_dump({"models": ["abcd", "ef01"]}))
    one = separator("local", f"separators.local.path={mine}", "separators.local.name=both")
    assert one([noise(0.5, 44100, channels=2)])[0].speech.waveform.any()
    problems, _ = instantiate_components(
        composed(["separators=[local]", "separators.local.name=both"])
    )
    assert problems == ["separators.local.path is missing; give it, e.g. separators.local.path=..."]


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ({"models": ["../weights/abcd"]}, "names the network '../weights/abcd'"),
        ({"models": ["*"]}, "names the network"),
        ({"models": ["abcd", "abcd", "ef01"]}, "names a network again"),
        ({"models": ["abcd"], "weights": [[1.0], [1.0]]}, "weights for 2"),
        ({"models": "abcd"}, "a list of `models`"),
    ],
)
def test_hostile_or_odd_bags_are_refused(
    definition: dict[str, object], message: str, tmp_path: Path
) -> None:
    for signature in ("abcd", "ef01"):
        save_safetensors(tiny_htdemucs(), tmp_path / f"{signature}.safetensors")
    (tmp_path / "bag.yaml").write_text(yaml.safe_dump(definition))
    with pytest.raises(CheckpointError, match=message):
        demucs_bag("bag", str(tmp_path))


def test_a_bag_that_names_a_program_runs_nothing(tmp_path: Path) -> None:
    (tmp_path / "bag.yaml").write_text(f"!!python/object/apply:os.system [touch {tmp_path}/ran]")
    with pytest.raises(CheckpointError, match=r"bag\.yaml: refused.*os\.system"):
        demucs_bag("bag", str(tmp_path))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["dns48", "dns64", "master64"])
def test_every_denoiser_says_what_it_lacks(name: str) -> None:
    problems, stages = instantiate_components(composed([f"enhancement={name}", "device=cpu"]))
    assert not problems
    with pytest.raises(
        MissingWeights, match=rf"about \d+ MB(.|\n)*speechclean weights fetch {name}"
    ):
        stages["enhancement"].weight_files()
