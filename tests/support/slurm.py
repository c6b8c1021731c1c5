"""A SLURM cluster for one test, in a temporary folder and on free ports: a controller, and this
machine as its only node."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.servers import free_port

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "sinfo")
START_S = 300.0
CONFIG = """\
ClusterName=speechclean
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=1,sched_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobRequeue=1
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 Port={node} CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def available() -> bool:
    """Whether SLURM's programs are installed, and we may start them."""
    return os.geteuid() == 0 and all(map(shutil.which, PROGRAMS))


@contextmanager
def cluster(cpus: int = 2, memory_mb: int = 6000) -> Iterator[dict[str, str]]:
    """The environment variables with which `sbatch` and its like use a cluster that is idle and
    ready."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="slurm-") as scratch, ExitStack() as stack:
        folder, host = Path(scratch), socket.gethostname().partition(".")[0]
        for name in ("state", "spool"):
            (folder / name).mkdir()
        ports = {"port": free_port(), "node": free_port()}
        config = CONFIG.format(folder=folder, host=host, cpus=cpus, memory=memory_mb, **ports)
        (folder / "slurm.conf").write_text(config)
        # it asks for one, used or not
        version = "v1" if Path("/sys/fs/cgroup/memory").is_dir() else "v2"
        (folder / "cgroup.conf").write_text(f"CgroupPlugin=cgroup/{version}\n")
        key = folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        environment = {"SLURM_CONF": str(folder / "slurm.conf")}
        munged = [
            "munged",
            "--foreground",
            "--force",
            f"--socket={folder}/munge.socket",
            f"--key-file={key}",
        ]
        munged += [
            f"--log-file={folder}/munged.log",
            f"--pid-file={folder}/munged.pid",
            f"--seed-file={folder}/munged.seed",
        ]
        for line in (munged, ["slurmctld", "-D"], ["slurmd", "-D", "-N", host]):
            log = stack.enter_context((folder / f"{line[0]}.out").open("w"))
            process = subprocess.Popen(
                line, env=os.environ | environment, stdout=log, stderr=log, start_new_session=True
            )
            stack.callback(_end, process)
            if line is munged:
                _wait(lambda: (folder / "munge.socket").exists(), folder)
        _wait(lambda: "idle" in _said("sinfo", "-h", "-o", "%T", environment=environment), folder)
        yield environment


def _said(*line: str, environment: dict[str, str]) -> str:
    return subprocess.run(
        line, env=os.environ | environment, capture_output=True, text=True, check=False
    ).stdout


def _wait(ready: Callable[[], bool], folder: Path) -> None:
    deadline = time.monotonic() + START_S
    while not ready():
        if time.monotonic() > deadline:
            said = "\n".join(
                f"{path.name}: {path.read_text()[-800:]}"
                for path in sorted(folder.glob("*.[lo][ou][gt]"))
            )
            raise TimeoutError(f"the cluster does not come up\n{said}")
        time.sleep(0.2)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
