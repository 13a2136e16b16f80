"""Processes by a name that no other has, also when a number is given again: who holds what lies in an object store."""

import os
from contextlib import suppress
from pathlib import Path


def process_of(pid: int) -> str:
    """A process of this machine: the machine, the number, the start, without spaces in them."""
    start = "ended"
    with suppress(OSError):
        state, *fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        start = fields[18] if state not in "ZX" else start  # the 22nd field of proc_pid_stat(5)
    return f"{_machine()} {pid} {start}"


def has_ended(process: str) -> bool:
    """Whether a process, as `process_of` names it, is of this machine and has ended. Of other machines nobody knows."""
    machine, _, rest = process.partition(" ")
    pid = rest.partition(" ")[0]
    return machine == _machine() and (not pid.isdigit() or process_of(int(pid)) != process)


def _machine() -> str:
    """This machine since it was started, and the namespace in which a process has its number."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}:{os.stat('/proc/self/ns/pid').st_ino}"  # noqa: PTH116 (a link that leads to no path)
