"""The table says what the packages themselves know of their publishers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torchaudio.pipelines
import whisper
import yaml
from demucs.hf import hf_repo_name
from demucs.pretrained import REMOTE_ROOT, _parse_remote_files
from denoiser import pretrained

from speechclean.networks.weights.registry import TableError, models


def addresses(name: str) -> list[str]:
    return [source.url for file in models()[name].files for source in file.urls]


@pytest.mark.parametrize("path", sorted(REMOTE_ROOT.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_bag_of_demucs(path: Path) -> None:
    legacy = _parse_remote_files(REMOTE_ROOT / "files.txt")
    hub = f"https://huggingface.co/adefossez/{hf_repo_name(path.stem)}/resolve/main"
    expected = []
    for signature in dict.fromkeys(yaml.safe_load(path.read_text())["models"]):
        expected += [f"{hub}/{signature}.safetensors", legacy[signature]]
    assert addresses(path.stem) == expected
    for file in models()[path.stem].files:
        assert file.urls[1].name.endswith(f"-{file.urls[1].sha256}.th")


def test_the_other_publishers() -> None:
    assert addresses("dns64") == [pretrained.DNS_64_URL]
    assert addresses("dns48") == [pretrained.DNS_48_URL]
    assert addresses("master64") == [pretrained.MASTER_64_URL]
    assert set(whisper._MODELS.values()) == {
        url for name in models() if name.startswith("whisper-") for url in addresses(name)
    }
    assert addresses("hdemucs_high")[0].endswith(
        torchaudio.pipelines.HDEMUCS_HIGH_MUSDB_PLUS._model_path
    )
    assert addresses("squim_objective")[0].endswith(torchaudio.pipelines.SQUIM_OBJECTIVE._path)


def test_the_sums_of_roformers() -> None:
    package = pytest.importorskip("mel_band_roformer", reason="pip install 'speechclean[roformer]'")
    known = json.loads((Path(package.__file__).parent / "data" / "checksums.json").read_text())[
        "files"
    ]
    (checkpoint, _config) = models()["roformer_mel_kim"].files
    for source in checkpoint.urls:
        assert source.sha256 == known[source.name]["sha256"]
        assert checkpoint.size_mb == round(known[source.name]["size"] / 1e6)


def test_a_wrong_table_is_said(tmp_path: Path) -> None:
    for number, text in enumerate(
        (
            "[",
            "- 1",
            "a: {}",
            "a: {files: [{sources: []}]}",
            "a: {files: [{sources: [{url: 'http://h/..'}]}]}",
        )
    ):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        with pytest.raises(TableError):
            models(path)
