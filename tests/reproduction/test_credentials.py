"""Code of then, which may write down what it is given, gets the store's password apart from it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from omegaconf import OmegaConf

from speechclean.records.tracking.address import Store
from speechclean.reproduction import rerun
from speechclean.reproduction.credentials import apart
from speechclean.reproduction.rerun_config import ReproductionError
from speechclean.system.secrets import holds_secret


@pytest.mark.parametrize(
    ("address", "bare", "variables"),
    [
        (
            "https://me:p@hunter2@host:1/x?a=1",
            "https://host:1/x?a=1",
            {"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": "p@hunter2"},
        ),
        (
            "postgresql+psycopg://me:hunter%202@host/db",
            "postgresql+psycopg://me@host/db",
            {"PGPASSWORD": "hunter 2"},
        ),
        ("http://host:1", "http://host:1", {}),
        ("postgresql://me@host/db", "postgresql://me@host/db", {}),
        ("mysql://me:hunter2@host/db", "mysql://me:hunter2@host/db", {}),
        ("http://token@host", "http://token@host", {}),
    ],
)
def test_a_password_goes_where_libraries_look_for_it(
    address: str, bare: str, variables: dict[str, str]
) -> None:
    assert apart(address) == (bare, variables)
    assert holds_secret(bare) == (bare == address and holds_secret(address))


def repeated(tmp_path: Path, uri: str, code: Path | None) -> list[str]:
    """What the process of a repetition sees: the store's address, and its password."""
    said = tmp_path / "said"
    program = tmp_path / "python"
    program.write_text(
        f"#!{sys.executable}\nimport os\nfrom pathlib import Path\n"
        "names = ('SPEECHCLEAN_TRACKING_URI', 'MLFLOW_TRACKING_PASSWORD', 'MLFLOW_TRACKING_URI')\n"
        f"Path({str(said)!r}).write_text('\\n'.join(os.environ.get(one, '') for one in names))\n"
    )
    program.chmod(0o755)
    plan: Any = SimpleNamespace(
        folder=tmp_path,
        inputs=SimpleNamespace(manifest=lambda: "path\n"),
        cfg=OmegaConf.create({"name": "x"}),
        threads=1,
        record=SimpleNamespace(experiment_id="1"),
    )
    records: Any = SimpleNamespace(store=Store(uri), by_process=lambda *_: plan.record)
    assert rerun.run(plan, records, code, str(program)) is plan.record
    return said.read_text().split("\n")


def test_the_repetition_by_other_code_sees_no_password_in_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = "http://me:hunter2@host:1"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.delenv("MLFLOW_TRACKING_PASSWORD", raising=False)
    assert repeated(tmp_path, uri, tmp_path) == ["http://host:1", "hunter2", ""]
    assert repeated(tmp_path, uri, None) == [uri, "", uri], "code of now masks it itself"


def test_what_would_be_written_down_is_refused(tmp_path: Path) -> None:
    uri = "mysql://me:hunter2@host/db"
    with pytest.raises(
        ReproductionError, match=r"masks no passwords.*mysql://me:\*\*\*@host"
    ) as no:
        repeated(tmp_path, uri, tmp_path)
    assert "hunter2" not in str(no.value)
    masking = tmp_path / "speechclean/system/secrets.py"
    masking.parent.mkdir(parents=True)
    masking.touch()
    assert repeated(tmp_path, uri, tmp_path)[0] == uri
