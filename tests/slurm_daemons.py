"""A private Slurm cluster for tests: two nodes on this machine, on loopback, in a temporary folder."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

__all__ = ["NODES", "Cluster", "is_running", "needs_slurm", "slurm_cluster", "wait_until"]

NODES = ("n1", "n2")
DAEMONS = ("munged", "slurmctld", "slurmd")
SBIN = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))  # rarely in a user's PATH
# Seconds between the return of a task to the queue and its start. If its credential dates from the second in which the
# task ended, or earlier, the node treats it as revoked, and Slurm ends the task for good.
REQUEUE_DELAY = 2.5
PATIENCE = 120.0  # seconds for daemons and nodes: usually about one; Slurm itself waits up to 60 for a killed job

needs_slurm = pytest.mark.skipif(
    any(shutil.which(name, path=SBIN) is None for name in DAEMONS),
    reason="no slurmctld, slurmd and munged on this machine (Debian: apt-get install slurm-wlm munge)",
)

# Unusual settings spare the tests long waits: a requeued job starts after cred_expire seconds (at least 5;
# `skip_delays` shortens this), and a job that ignores SIGTERM is killed after KillWait.
# MaxArraySize is small so that arrays must be split. Jobs in the second partition preempt those in the first.
CONFIGURATION = """\
ClusterName=spatialnets
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,batch_sched_delay=0,bf_interval=1,max_array_tasks=1000
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
MaxArraySize=4
MinJobAge=5
JobRequeue=1
ReturnToService=2
KillWait=3
SlurmdTimeout=4
MpiDefault=none
SwitchType=switch/none
{nodes}
PartitionName=low Nodes={names} Default=YES PriorityTier=1 MaxTime=INFINITE State=UP
PartitionName=high Nodes={names} PriorityTier=2 PreemptMode=OFF MaxTime=INFINITE State=UP
"""
NODE = (
    "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=1 Boards=1 SocketsPerBoard=1 "
    "CoresPerSocket=1 ThreadsPerCore=1 RealMemory=4000 State=UNKNOWN"
)


def _free_ports(count: int) -> list[int]:
    """Return free ports below the range that the kernel uses for outgoing connections."""
    ports: list[int] = []
    while len(ports) < count:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as free:
            try:
                free.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in ports:
            ports.append(port)
    return ports


class Cluster:
    """The daemons of one private cluster.

    Parameters
    ----------
    folder
        Folder for configuration, state, sockets and logs; its path must be short because those of sockets are limited.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.configuration = folder / "slurm.conf"
        self.environment = {**os.environ, "SLURM_CONF": str(self.configuration), "PATH": SBIN}
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._seen: dict[str, float] = {}  # when a requeued task was first seen
        self._write()

    def _write(self) -> None:
        controller, *ports = _free_ports(1 + len(NODES))
        host = socket.gethostname().partition(".")[0]
        nodes = [NODE.format(name=name, host=host, port=port) for name, port in zip(NODES, ports, strict=True)]
        for name in ("state", *(f"spool-{node}" for node in NODES)):
            (self.folder / name).mkdir()
        self.configuration.write_text(
            CONFIGURATION.format(
                host=host,
                controller_port=controller,
                user=_user(),
                folder=self.folder,
                nodes="\n".join(nodes),
                names=",".join(NODES),
            )
        )
        (self.folder / "cgroup.conf").write_text("CgroupAutomount=no\nConstrainCores=no\nConstrainRAMSpace=no\n")
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)

    def start(self) -> None:
        """Start all daemons and wait until both nodes are idle."""
        folder = self.folder
        self._launch(
            "munged",
            "--foreground",
            "--force",
            f"--socket={folder / 'munge.sock'}",
            f"--key-file={folder / 'munge.key'}",
            f"--pid-file={folder / 'munged.pid'}",
            f"--log-file={folder / 'munged.log'}",
            f"--seed-file={folder / 'munge.seed'}",
        )
        wait_until(lambda: (folder / "munge.sock").exists(), "munged to open its socket")
        self.start_controller()
        for node in NODES:
            self.start_node(node)
        self.wait_idle()

    def start_controller(self) -> None:
        """Start the controller; it remembers the jobs of its predecessor."""
        self._launch("slurmctld", "-D", "-f", str(self.configuration))

    def kill_controller(self) -> None:
        """Kill the controller once it has saved all jobs; jobs continue.

        It saves its state within seconds of a change. One that is killed before that forgets its last jobs and reuses
        their numbers, and drains every node that still runs one of them.
        """
        state = self.folder / "state" / "job_state"
        submissions = self.run("squeue", "-h", "-o", "%V").split()
        submitted = max((datetime.fromisoformat(time).timestamp() for time in submissions), default=0.0)
        wait_until(lambda: state.exists() and state.stat().st_mtime > submitted + 1, "the controller to save its state")
        self._kill("slurmctld")

    def start_node(self, node: str) -> None:
        """Start the daemon of a node."""
        self._launch("slurmd", "-D", "-f", str(self.configuration), "-N", node, name=node)

    def kill_node(self, node: str) -> None:
        """Kill a node as if it lost power: its daemon, its jobs and their supervisors die at once."""
        processes = self._jobs_on(node)
        self._kill(node)
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        # Slurm would notice this only half a minute later
        self.run("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=lost")

    def _jobs_on(self, node: str) -> list[int]:
        """Return the supervisors of jobs (slurmstepd) of a node and all processes that they have started."""
        daemon = self._daemons[node].pid
        children: dict[int, list[int]] = {}
        helpers = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                command = (entry / "cmdline").read_bytes()
                environment = (entry / "environ").read_bytes().split(b"\0")
            except OSError:  # it has ended in the meantime
                continue
            children.setdefault(parent, []).append(int(entry.name))
            ours = f"SLURM_CONF={self.configuration}".encode() in environment
            if command.startswith(b"slurmstepd") and (parent == daemon or ours):
                helpers.append(int(entry.name))
        processes, waiting = [], [helper for helper in helpers if self._node_of(helper, children) == node]
        while waiting:
            process = waiting.pop()
            processes.append(process)
            waiting += children.get(process, [])
        return processes

    @staticmethod
    def _node_of(helper: int, children: dict[int, list[int]]) -> str | None:
        """Return the node of the job of a slurmstepd, from the environment of the job."""
        for child in children.get(helper, []):
            try:
                environment = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
            except OSError:
                continue
            for variable in environment:
                if variable.startswith(b"SLURMD_NODENAME="):
                    return variable.partition(b"=")[2].decode()
        return None

    def run(self, *command: str) -> str:
        """Run one of Slurm's commands and return its output."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=PATIENCE)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def wait_idle(self) -> None:
        """Wait until there are no jobs and both nodes are idle."""

        def idle() -> bool:
            try:
                states = self.run("sinfo", "-h", "-N", "-p", "low", "-o", "%T").split()
                return states == ["idle"] * len(NODES) and not self.run("squeue", "-h")
            except RuntimeError:  # the controller is not up yet
                return False

        wait_until(idle, "both nodes to be idle", lambda: self.run("sinfo", "-N") + self.run("squeue"))

    def skip_delays(self) -> None:
        """Let requeued tasks start soon; Slurm would wait until their old credentials expire."""
        requeued = set()
        for line in self.run("squeue", "-h", "-r", "-t", "PENDING", "-o", "%i %r").splitlines():
            task, _, reason = line.partition(" ")
            if reason != "BeginTime":
                continue
            requeued.add(task)
            if time.monotonic() - self._seen.setdefault(task, time.monotonic()) > REQUEUE_DELAY:
                self._seen[task] = time.monotonic()
                self.succeeds("scontrol", "update", f"JobId={task}", "StartTime=now")
        for task in set(self._seen) - requeued:
            del self._seen[task]

    def clear(self) -> None:
        """Cancel remaining jobs, restart dead daemons, and wait until the cluster is idle."""
        if self._daemons["slurmctld"].poll() is not None:
            self.start_controller()
        for node in NODES:
            if self._daemons[node].poll() is not None:
                self.start_node(node)
        wait_until(lambda: self.succeeds("squeue", "-h"), "the controller to answer")
        for node in NODES:
            if any(state in self.run("sinfo", "-h", "-n", node, "-o", "%T") for state in ("down", "drain")):
                self.succeeds("scontrol", "update", f"NodeName={node}", "State=RESUME")
        for job in set(self.run("squeue", "-h", "-o", "%A").split()):
            self.succeeds("scancel", job)
        self.wait_idle()

    def logged(self, text: str) -> str:
        """Return the lines of the controller's log that contain a text, to be shown if a test fails."""
        lines = (self.folder / "slurmctld.log").read_text(errors="replace").splitlines()
        return "\n".join(line for line in lines if text in line)

    def succeeds(self, *command: str) -> bool:
        """Run one of Slurm's commands and tell whether it succeeded."""
        try:
            self.run(*command)
        except RuntimeError:
            return False
        return True

    def stop(self) -> None:
        """Cancel all jobs and stop all daemons."""
        with contextlib.suppress(Exception):
            self.clear()
        for name in reversed(list(self._daemons)):
            self._daemons[name].terminate()
            try:
                self._daemons[name].wait(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                self._kill(name)

    def _launch(self, program: str, *arguments: str, name: str | None = None) -> None:
        path = shutil.which(program, path=SBIN)
        assert path is not None
        with open(self.folder / f"{name or program}.out", "ab") as output:
            self._daemons[name or program] = subprocess.Popen(
                [path, *arguments], env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def _kill(self, name: str) -> None:
        self._daemons[name].kill()
        self._daemons[name].wait()


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def wait_until(
    condition: Callable[[], object], what: str, describe: Callable[[], str] = str, seconds: float = PATIENCE
) -> None:
    """Wait until a condition is true; after a timeout, raise an error that describes the state."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"waited {seconds:g} s for {what}; state: {describe()}")
        time.sleep(0.05)


def is_running(process: int) -> bool:
    """Tell whether a process exists and is not a zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextlib.contextmanager
def slurm_cluster() -> Iterator[Cluster]:
    """Run a private cluster within the block."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
    folder.chmod(0o755)  # munged and slurmd refuse folders that others may write to
    cluster = Cluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
