"""A small Slurm of our own: two nodes on this machine, on loopback, in a temporary folder, gone afterwards."""

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
from pathlib import Path

import pytest

__all__ = ["NODES", "Cluster", "needs_slurm", "slurm_cluster", "wait_until", "works"]

NODES = ("n1", "n2")
DAEMONS = ("munged", "slurmctld", "slurmd")
SBIN = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))  # rarely in a user's PATH
# Seconds between a task's return and its start. A node takes a credential for revoked that is of the second in which
# the task ended, or earlier, and Slurm then ends the task for good.
RESPITE = 2.5
PATIENCE = 60.0  # seconds for daemons to come and go; they take about one, but machines are busy

needs_slurm = pytest.mark.skipif(
    any(shutil.which(name, path=SBIN) is None for name in DAEMONS),
    reason="no slurmctld, slurmd and munged on this machine (Debian: apt-get install slurm-wlm munge)",
)

# Every setting that is not plain is there so that a test need not wait: a job that comes back starts after
# cred_expire seconds (5 is the least; `hurry` shortens it), a job that ignores SIGTERM is killed after KillWait.
# MaxArraySize is small so that arrays must be split. The first partition gives way to the second.
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
    """Return ports that nobody listens on, below those that the kernel lends for a moment to whoever connects."""
    found: list[int] = []
    while len(found) < count:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as each:
            try:
                each.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


class Cluster:
    """The daemons of one private cluster.

    Parameters
    ----------
    folder
        Where configuration, state, sockets and logs go; a short path, for sockets have no long ones.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.configuration = folder / "slurm.conf"
        self.environment = {**os.environ, "SLURM_CONF": str(self.configuration), "PATH": SBIN}
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._seen: dict[str, float] = {}  # when a task was first seen waiting to begin again
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
        place = self.folder
        self._launch(
            "munged",
            "--foreground",
            "--force",
            f"--socket={place / 'munge.sock'}",
            f"--key-file={place / 'munge.key'}",
            f"--pid-file={place / 'munged.pid'}",
            f"--log-file={place / 'munged.log'}",
            f"--seed-file={place / 'munge.seed'}",
        )
        wait_until(lambda: (place / "munge.sock").exists(), "munged to open its socket")
        self.start_controller()
        for node in NODES:
            self.start_node(node)
        self.wait_idle()

    def start_controller(self) -> None:
        """Start the controller; it remembers the jobs of the one before."""
        self._launch("slurmctld", "-D", "-f", str(self.configuration))

    def kill_controller(self) -> None:
        """End the controller at once; jobs go on."""
        self._kill("slurmctld")

    def start_node(self, node: str) -> None:
        """Start the daemon of a node."""
        self._launch("slurmd", "-D", "-f", str(self.configuration), "-N", node, called=node)

    def kill_node(self, node: str) -> None:
        """Let a node lose power: its daemon, its jobs and what watches over them are gone at once."""
        doomed = self._jobs_on(node)
        self._kill(node)
        for process in doomed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        # Slurm would notice by itself, half a minute later
        self.ask("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=lost")

    def _jobs_on(self, node: str) -> list[int]:
        """Return slurmd's helpers (slurmstepd) of a node and all that they have started."""
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
            except OSError:  # gone meanwhile
                continue
            children.setdefault(parent, []).append(int(entry.name))
            ours = f"SLURM_CONF={self.configuration}".encode() in environment
            if command.startswith(b"slurmstepd") and (parent == daemon or ours):
                helpers.append(int(entry.name))
        found, waiting = [], [helper for helper in helpers if self._node_of(helper, children) == node]
        while waiting:
            process = waiting.pop()
            found.append(process)
            waiting += children.get(process, [])
        return found

    @staticmethod
    def _node_of(helper: int, children: dict[int, list[int]]) -> str | None:
        """Return the node that a helper's job believes to be on."""
        for child in children.get(helper, []):
            try:
                environment = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
            except OSError:
                continue
            for word in environment:
                if word.startswith(b"SLURMD_NODENAME="):
                    return word.partition(b"=")[2].decode()
        return None

    def ask(self, *words: str) -> str:
        """Run one of Slurm's commands and return what it prints."""
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True, timeout=PATIENCE)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def wait_idle(self) -> None:
        """Wait until no job is left and both nodes are ready for one."""

        def idle() -> bool:
            try:
                states = self.ask("sinfo", "-h", "-N", "-p", "low", "-o", "%T").split()
                return states == ["idle"] * len(NODES) and not self.ask("squeue", "-h")
            except RuntimeError:  # the controller is not up yet
                return False

        wait_until(idle, "both nodes to be idle", lambda: self.ask("sinfo", "-N") + self.ask("squeue"))

    def hurry(self) -> None:
        """Let tasks that are back in the queue start soon; Slurm would wait for their old credentials to expire."""
        back = set()
        for line in self.ask("squeue", "-h", "-r", "-t", "PENDING", "-o", "%i %r").splitlines():
            task, _, reason = line.partition(" ")
            if reason != "BeginTime":
                continue
            back.add(task)
            if time.monotonic() - self._seen.setdefault(task, time.monotonic()) > RESPITE:
                self._seen[task] = time.monotonic()
                self.answers("scontrol", "update", f"JobId={task}", "StartTime=now")
        for task in set(self._seen) - back:
            del self._seen[task]

    def clear(self) -> None:
        """Cancel what a test has left, bring back dead daemons, and wait until all is quiet."""
        if self._daemons["slurmctld"].poll() is not None:
            self.start_controller()
        for node in NODES:
            if self._daemons[node].poll() is not None:
                self.start_node(node)
        wait_until(lambda: self.answers("squeue", "-h"), "the controller to answer")
        for node in NODES:
            if "down" in self.ask("sinfo", "-h", "-n", node, "-o", "%T"):
                self.answers("scontrol", "update", f"NodeName={node}", "State=RESUME")
        for job in set(self.ask("squeue", "-h", "-o", "%A").split()):
            self.answers("scancel", job)
        self.wait_idle()

    def logged(self, word: str) -> str:
        """Return what the controller has logged about something, to be shown where a test fails."""
        lines = (self.folder / "slurmctld.log").read_text(errors="replace").splitlines()
        return "\n".join(line for line in lines if word in line)

    def answers(self, *words: str) -> bool:
        try:
            self.ask(*words)
        except RuntimeError:
            return False
        return True

    def stop(self) -> None:
        """Stop every daemon that was started here, jobs first."""
        with contextlib.suppress(Exception):
            self.clear()
        for name in reversed(list(self._daemons)):
            self._daemons[name].terminate()
            try:
                self._daemons[name].wait(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                self._kill(name)

    def _launch(self, program: str, *words: str, called: str | None = None) -> None:
        path = shutil.which(program, path=SBIN)
        assert path is not None
        with open(self.folder / f"{called or program}.out", "ab") as output:
            self._daemons[called or program] = subprocess.Popen(
                [path, *words], env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def _kill(self, name: str) -> None:
        self._daemons[name].kill()
        self._daemons[name].wait()


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def wait_until(
    condition: Callable[[], object], what: str, so_far: Callable[[], str] = str, seconds: float = PATIENCE
) -> None:
    """Wait for something to become true; say what was awaited, and how it stands, where it does not."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"waited {seconds:g} s for {what}; so far: {so_far()}")
        time.sleep(0.05)


def works(process: int) -> bool:
    """Tell whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextlib.contextmanager
def slurm_cluster() -> Iterator[Cluster]:
    """Run a private cluster for as long as this lasts."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
    folder.chmod(0o755)  # munged and slurmd distrust folders that others may write to
    cluster = Cluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
