"""Batches on clusters: a real SLURM, and a Ray cluster of several nodes, all of them processes of
this machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.integration.conftest import SMALL, environment
from tests.support import batch_folder, batch_inputs, slurm
from tests.support.servers import free_port
from tests.support.waiting import LIMIT_S, wait_for

pytestmark = pytest.mark.slow
FAST = [*SMALL[:2], "tracking=none", "dataset=folder", "dataset.pattern=in"]
#: What `conf/hydra/launcher/slurm.yaml` asks of a node, as one core of a laptop has it.
MODEST = [
    f"hydra.launcher.{one}"
    for one in ("gpus_per_node=0", "cpus_per_task=1", "mem_gb=2", "timeout_min=10")
]


@pytest.fixture
def cluster() -> Iterator[dict[str, str]]:
    if not slurm.available():
        pytest.skip(
            "SLURM is not here, or not root: apt-get install slurmctld slurmd slurm-client munge"
        )
    with slurm.cluster() as settings:
        yield environment() | settings


def _started(folder: Path, settings: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "speechclean", *arguments]
    return subprocess.Popen(
        line, cwd=folder, env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.mark.services
def test_shards_on_slurm_one_of_them_put_back_into_the_queue(
    cluster: dict[str, str], tmp_path: Path
) -> None:
    """Two jobs do all files between them; the one that is taken off its node goes on from its
    ledger and repeats nothing."""
    expected = batch_inputs.make(tmp_path / "in", 80, sparse_s=1)
    line = ["-m", "hydra/launcher=slurm", *MODEST, "batch=local", *FAST, "dataset.shard=0/2,1/2"]
    process = _started(tmp_path, cluster, *line)
    batches = tmp_path / "outputs/batches"

    def lines(shard: int) -> list[str]:
        return [
            entry["path"]
            for folder in batches.glob(f"*{shard}-of-2")
            for entry in batch_folder.ledger(folder)
        ]

    wait_for(lambda: len(lines(0)) > 3, process)
    assert len(lines(0)) > 3
    (job,) = {path.name.partition("_")[0] for path in (tmp_path).rglob(".submitit/*_0")}
    subprocess.run(["scontrol", "requeue", f"{job}_0"], env=os.environ | cluster, check=True)
    before = lines(0)
    # SLURM lets a job that was put back rest for two minutes
    said, _ = process.communicate(timeout=LIMIT_S)
    assert any(reason is not None for reason in expected.values())
    assert process.returncode == 1, f"some files cannot be read, and that is all\n{said}"
    found = lines(0) + lines(1)
    assert set(before) < set(lines(0)), "it was in the middle"
    assert Counter(found) == Counter(str(tmp_path / "in" / name) for name in expected), (
        "each file once"
    )
    (log,) = tmp_path.rglob(f"{job}_0_0_log.out")
    assert "to clean" in log.read_text()


#: Ray's own clusters ask for a token.
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 2}


@pytest.fixture
def nodes() -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """The address of a Ray cluster of two nodes with a core each, and the second one's process."""
    pytest.importorskip("ray")
    program = Path(sys.executable).parent / "ray"
    port, client = free_port(), free_port()
    settings = environment() | TOKEN
    common = [
        str(program),
        "start",
        "--num-cpus=1",
        "--object-store-memory=100000000",
        "--disable-usage-stats",
        "--block",
    ]
    head = [
        *common,
        "--head",
        f"--port={port}",
        "--include-dashboard=false",
        f"--ray-client-server-port={client}",
    ]
    made: list[subprocess.Popen[bytes]] = []
    try:
        for line in (head, [*common, f"--address=127.0.0.1:{port}"]):
            made.append(
                subprocess.Popen(
                    line, env=settings, stdout=subprocess.DEVNULL, start_new_session=True
                )
            )
            wait_for(lambda: _alive(program, port) == len(made), made[-1])
            assert _alive(program, port) == len(made)
        yield f"ray://127.0.0.1:{client}", made
    finally:
        for one in made[::-1]:
            one.terminate()
        for one in made:
            one.wait(LIMIT_S)


def _alive(program: Path, port: int) -> int:
    """How many nodes the cluster at a port has; 0 while there is none."""
    line = [str(program), "status", f"--address=127.0.0.1:{port}"]
    said = subprocess.run(
        line, env=environment() | TOKEN, capture_output=True, text=True, check=False
    ).stdout
    return len(re.findall(r"^ 1 node_", said, re.MULTILINE))


def test_a_node_of_a_ray_cluster_dies(
    nodes: tuple[str, list[subprocess.Popen[bytes]]], tmp_path: Path
) -> None:
    """An actor on each of two nodes; when one node goes down with what its actor held, the other
    does it."""
    address, made = nodes
    expected = batch_inputs.make(tmp_path / "in", 150, sparse_s=1)
    bad = sum(reason is not None for reason in expected.values())
    line = ["batch=ray", f"batch.address={address}", *FAST, "batch.out=out"]
    process = _started(tmp_path, environment() | TOKEN, *line)
    wait_for(lambda: len(batch_folder.ledger(tmp_path / "out")) > 5, process)
    assert len(batch_folder.ledger(tmp_path / "out")) > 5
    # At once, as by a power cut: asked to end, a node would let its actor finish first.
    for one in [*psutil.Process(made[1].pid).children(recursive=True), made[1]]:
        one.kill()
    made[1].wait(LIMIT_S)
    said, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 1, said
    outcome = batch_folder.check(tmp_path / "out", tmp_path / "in", expected)
    assert outcome.whole, outcome.wrong
    assert (outcome.finished, outcome.named) == (len(expected) - bad, bad)
    assert "its actor's death" in said, said
