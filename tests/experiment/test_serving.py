"""A packed pipeline answers what the run wrote, from its own weights, wherever it is unpacked."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import torch

from speechclean.audio.sound_files import load, save
from speechclean.audio.waveform import AudioError
from speechclean.experiment import serving
from speechclean.experiment.cleaner import Cleaner
from speechclean.experiment.config.build import build
from speechclean.experiment.config.compose import composed
from speechclean.records.tracking.model import _package, _requirements
from tests.conftest import noise
from tests.integration.conftest import SMALL, environment
from tests.records.test_identity import resolved
from tests.support.paths import ROOT
from tests.support.roformer_files import write
from tests.support.servers import free_port
from tests.support.waiting import LIMIT_S


@pytest.mark.parametrize("kind", ["repo", "local", "roformer"])
def test_it_answers_as_the_pipeline_does_with_weights_that_travelled(
    kind: str, models: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    shutil.copytree(models, own)
    overrides = ["enhancement=identity", "tracking=none", "metrics=[]"]
    if kind == "repo":
        overrides += ["separators=[embedded_htdemucs]", "separators.embedded_htdemucs.name=one"]
        overrides += [f"separators.embedded_htdemucs.repo={own}"]
    elif kind == "local":
        overrides += [
            "separators=[local]",
            "separators.local.name=one",
            f"separators.local.path={own}",
        ]
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
    cleaner = serving.unpacked(packed.rename(tmp_path / "elsewhere"))
    assert cleaner.clean_bytes(sound.read_bytes()) == expected.read_bytes()
    with pytest.raises(AudioError, match="the sound: "):
        cleaner.clean_bytes(b"no sound at all")


def test_a_model_of_a_run_that_selects_and_guards_has_its_own_fusion(tmp_path: Path) -> None:
    """It listens to nothing; the run's metrics and candidates stay behind."""
    alike = ["separators=[embedded_hdemucs_q]", "tracking=none"]
    selecting = [
        *alike,
        "selection=best_of",
        "guard=fallback",
        "metrics=[words_lost,music_residual_db]",
        "~selection.candidates.soft",
        "selection.candidates.deep={fusion: min_mask, exponent: 1, separators: null}",
    ]
    serving.pack(resolved(selecting), {}, tmp_path)
    sound = noise(0.5).waveform
    expected = Cleaner(overrides=alike).clean(sound, 24000)
    assert torch.equal(serving.unpacked(tmp_path).clean(sound, 24000), expected)


def test_a_model_screens_as_its_run_did_on_whatever_device(tmp_path: Path) -> None:
    lines = ["separators=[embedded_hdemucs_q]", "tracking=none", "screening=music"]
    run = resolved([*lines, "screening.threshold_db=200", "device=cpu"])
    serving.pack(run, {}, tmp_path)
    sound = save(noise(0.5), tmp_path / "in.wav", "PCM_16")
    cleaner = serving.unpacked(tmp_path)
    assert cleaner._screening.device == "auto"
    assert cleaner.clean_bytes(sound.read_bytes()) == sound.read_bytes()


def test_one_bad_sound_costs_its_own_answer_and_names_no_path(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cleaner = object.__new__(Cleaner)

    def cleaned(_: object, sound: bytes) -> bytes:
        if sound == b"bad":
            raise AudioError("the sound: it ends too early")
        if sound == b"worse":
            raise OSError("/srv/models/secret: no such file")
        return sound.upper()

    monkeypatch.setattr(Cleaner, "clean_bytes", cleaned)
    asked = [base64.b64encode(each).decode() for each in (b"a", b"bad", b"worse", b"b")]
    assert [serving.answer(cleaner, each) for each in [*asked, "!", None, float("nan")]] == [
        {"wav": base64.b64encode(b"A").decode()},
        {"wav": None, "error": "the sound: it ends too early"},
        {"wav": None, "error": "it could not be cleaned (OSError); see the server's log"},
        {"wav": base64.b64encode(b"B").decode()},
        *[{"wav": None, "error": "wav is not a sound in base64"}] * 3,
    ]
    assert "/srv/models/secret" in caplog.text, "whoever keeps the server learns it"


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run's folder, and the model that it logged."""
    home = tmp_path_factory.mktemp("logged")
    (home / "in").mkdir()
    save(noise(1.5, 24000, level=0.2), home / "in" / "a.wav", "PCM_16")
    line = [
        sys.executable,
        "-m",
        "speechclean",
        *SMALL[:4],
        "dataset=folder",
        "dataset.pattern=in",
        "hydra.run.dir=out",
    ]
    line += ["tracking.log_model=true", "name=first"]
    settings = environment() | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        line, cwd=home, env=settings, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 0, done.stderr
    (model,) = home.glob("mlartifacts/speechclean/*/artifacts/model")
    return home, model


def answered(model: Path, manager: str, sound: bytes, folder: Path, patience_s: float) -> bytes:
    """What `mlflow models serve` answers to a sound, away from the checkout."""
    port = free_port()
    line = [
        sys.executable,
        "-m",
        "mlflow",
        "models",
        "serve",
        "-m",
        str(model),
        "--env-manager",
        manager,
        "-p",
        str(port),
    ]
    settings = {key: value for key, value in environment().items() if key != "PYTHONPATH"}
    settings |= {
        "MLFLOW_ENV_ROOT": str(folder / "envs"),
        "UV_CACHE_DIR": str(folder / "cache"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            line, cwd=folder, env=settings, stdout=log, stderr=log, start_new_session=True
        )
    try:
        question = json.dumps(
            {"dataframe_records": [{"wav": base64.b64encode(sound).decode()}]}
        ).encode()
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline and process.poll() is None:
            try:
                address = f"http://127.0.0.1:{port}/invocations"
                request = urllib.request.Request(
                    address, question, {"Content-Type": "application/json"}
                )
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return base64.b64decode(json.load(answer)["predictions"][0]["wav"])
            except urllib.error.HTTPError as error:
                raise AssertionError(error.read().decode()[:2000]) from error
            except OSError:
                time.sleep(0.5)
        raise AssertionError((folder / "log").read_text()[-3000:])
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(LIMIT_S)
        for made in ("envs", "cache"):
            shutil.rmtree(folder / made, ignore_errors=True)


def test_a_model_stands_on_pins_down_to_the_last_package() -> None:
    lines = _requirements()
    assert all("==" in line for line in lines)
    names = [line.partition("==")[0].lower().replace("_", "-") for line in lines]
    assert {"torch", "demucs", "mlflow", "soundfile", "sqlalchemy", "numpy", "psutil"} <= set(
        names
    ), "transitive ones too"
    assert len(names) == len(set(names)) > 100
    assert not {"speechclean", "pytest", "ruff"} & set(names)


def test_the_code_that_travels_with_a_model_is_whole(tmp_path: Path) -> None:
    """It composes a config away from the checkout, whose folder of choices is no part of the
    package."""
    package = _package(tmp_path)
    code = (
        "import speechclean\n"
        "from speechclean.experiment.config.compose import composed\n"
        "composed(['batch=local'])\n"
        "print(speechclean.__file__)\n"
    )
    settings = environment() | {"PYTHONPATH": str(tmp_path)}
    line = [sys.executable, "-c", code]
    done = subprocess.run(
        line,
        cwd=tmp_path,
        env=settings,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).parent == package
    assert {path.stem for path in (package / "conf/metrics").glob("*.yaml")} >= {"si_sdr", "lufs"}


@pytest.mark.slow
def test_loaded_back_it_gives_what_the_run_wrote(logged: tuple[Path, Path], tmp_path: Path) -> None:
    """In a process that has nothing but the model."""
    home, model = logged
    code = (
        "import base64, sys, mlflow, pandas\n"
        "model = mlflow.pyfunc.load_model(sys.argv[1])\n"
        "wav = base64.b64encode(open(sys.argv[2], 'rb').read()).decode()\n"
        "answer = model.predict(pandas.DataFrame({'wav': [wav]}))[0]['wav']\n"
        "open('answer.wav', 'wb').write(base64.b64decode(answer))\n"
        "import speechclean; print(speechclean.__file__)\n"
    )
    line = [sys.executable, "-c", code, str(model), str(home / "in/a.wav")]
    settings = {key: value for key, value in environment().items() if key != "PYTHONPATH"}
    done = subprocess.run(
        line,
        cwd=tmp_path,
        env=settings,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert str(model) in done.stdout, "its own copy of the code"
    assert (tmp_path / "answer.wav").read_bytes() == (home / "out/cleaned/a.wav").read_bytes()
    assert '[{"type": "string", "name": "wav"' in (model / "MLmodel").read_text(), "its signature"


@pytest.mark.slow
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("manager", ["local", pytest.param("uv", marks=pytest.mark.services)])
def test_served_it_answers_what_the_run_wrote(
    manager: str, logged: tuple[Path, Path], tmp_path: Path
) -> None:
    """In this environment, and in one that is made from the pins: some 6 GB, some minutes, a
    package index within reach."""
    home, model = logged
    if manager == "uv" and not shutil.which(
        "uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ):
        pytest.skip("uv is not installed: pip install uv")
    sound = (home / "in/a.wav").read_bytes()
    answer = answered(model, manager, sound, tmp_path, LIMIT_S if manager == "local" else 1500)
    assert answer == (home / "out/cleaned/a.wav").read_bytes()
