"""A SLURM of this machine alone, with daemons of our own in a folder of a test."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel")

CONFIG = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmdPort={second_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
KillWait=5
SchedulerParameters=sched_interval=1,sched_min_interval=100000,batch_sched_delay=0
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} Gres=gpu:{cpus} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def find(program: str) -> str | None:
    # Daemons lie where an ordinary user's PATH does not look.
    return shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")


def missing() -> list[str]:
    return [program for program in NEEDED if find(program) is None]


class Slurm:
    """Daemons that run until `stop`."""

    def __init__(self, folder: Path):
        self.folder = folder
        host = socket.gethostname().partition(".")[0]
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            two.bind(("127.0.0.1", 0))
            ports = one.getsockname()[1], two.getsockname()[1]
        cpus = len(os.sched_getaffinity(0))
        for name in ("state", "spool"):
            (folder / name).mkdir(parents=True)
        self.config = folder / "slurm.conf"
        self.config.write_text(
            CONFIG.format(
                folder=folder,
                host=host,
                user=getpass.getuser(),
                port=ports[0],
                second_port=ports[1],
                cpus=cpus,
            )
        )
        # Files that stand for GPUs: SLURM counts them and sets CUDA_VISIBLE_DEVICES.
        gpus = [folder / f"gpu{number}" for number in range(cpus)]
        for gpu in gpus:
            gpu.touch()
        lines = [f"Name=gpu File={gpu}\n" for gpu in gpus]
        (folder / "gres.conf").write_text("".join(lines))
        key = folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        names = ("key-file", "socket", "pid-file", "log-file", "seed-file")
        files = [f"--{name}={folder}/munge.{name.partition('-')[0]}" for name in names]
        config = ["-D", "-f", str(self.config)]
        self.daemons = [
            self._start("munged", "--foreground", "--num-threads=2", *files),
            self._start("slurmctld", *config),
            self._start("slurmd", *config, "-N", host),
        ]

    def _start(self, program: str, *options: str) -> subprocess.Popen:
        time.sleep(0.5)
        with (self.folder / f"{program}.out").open("wb") as log:
            return subprocess.Popen(
                [find(program), *options],
                stdout=log,
                stderr=log,
                env=os.environ | {"SLURM_CONF": str(self.config)},
            )

    def wait(self, seconds: float = 60) -> str:
        """Until the node is idle; else why it is not."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            done = subprocess.run(
                [find("sinfo"), "--noheader", "--format=%T"],
                env=os.environ | {"SLURM_CONF": str(self.config)},
                capture_output=True,
                text=True,
                check=False,
            )
            if done.stdout.strip() == "idle":
                return ""
            time.sleep(0.5)
        return done.stdout.strip() + done.stderr.strip() or "no answer"

    def stop(self) -> None:
        for daemon in reversed(self.daemons):
            daemon.terminate()
        for daemon in self.daemons:
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
