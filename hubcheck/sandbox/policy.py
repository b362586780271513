"""What a confined process may do, and what a layer of the sandbox must provide. Imports on every system."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Mode = Literal["required", "auto", "off"]
"""auto: use the layers that this machine has. required: fail if one is missing. off: keep the resource limits only."""


class SandboxUnavailable(RuntimeError):
    """The sandbox is required, but this machine lacks a layer of it; the message says which and why."""


@dataclass(frozen=True, slots=True)
class SandboxPolicy:
    """What a process may do once the sandbox is enforced.

    Args:
        mode: which layers must be there.
        read: files and folders that it may read; paths that do not exist are ignored.
        data: folders among them whose files somebody else wrote, perhaps for one user only.
        write: files and folders that it may read and write.
        devices: device files that it may open and control.
        network: whether it may open TCP connections.
        device_driver: whether it may make the system calls that a GPU's driver needs, local sockets among them.
        keep_user: whether it stays root if it is root, because it writes to folders of that user.
        omit: layers to leave out, by name, each with the reason. They are reported as missing, even a required
            sandbox accepts that.
        confined: whether a layer holds it to the paths above; `enforce` sets it.
        bounded_scratch: whether the kernel bounds the size of the folders that it writes to; `enforce` sets it.
        cpu_seconds: limit of CPU time; None: no limit.
        file_bytes: limit of the size of a file that it writes.
        scratch_bytes: limit of the size of a folder that it writes to, where that is in memory.
        data_bytes: limit of its writable memory; None: no limit.
    """

    mode: Mode = "auto"
    read: Iterable[str] = ()
    data: Iterable[str] = ()
    write: Iterable[str] = ()
    devices: Iterable[str] = ()
    network: bool = False
    device_driver: bool = False
    keep_user: bool = False
    omit: Mapping[str, str] = field(default_factory=dict)
    confined: bool = False
    bounded_scratch: bool = False
    cpu_seconds: int | None = None
    file_bytes: int | None = None
    scratch_bytes: int = 1 << 29
    data_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Protections:
    """What is enforced for a process, and what is not, each with the reason."""

    enforced: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """One mechanism of the sandbox.

    Args:
        name: its key in `SandboxPolicy.omit`.
        protects: what it enforces at best, in the words of reports.
        unavailable: returns why this machine lacks it, or None.
        apply: applies it to this process for good and yields what it enforces; raises OSError if the kernel refuses.
        limitation: returns why `apply` does not yield some of what the layer protects.
        weakness: returns why what it enforces here does not suffice for a required sandbox, or None.
    """

    name: str
    protects: tuple[str, ...]
    unavailable: Callable[[], str | None]
    apply: Callable[[SandboxPolicy], Iterable[str]]
    limitation: Callable[[SandboxPolicy], str] = lambda policy: "not available here"
    weakness: Callable[[], str | None] = lambda: None
