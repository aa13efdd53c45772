"""A seccomp filter for behind the wall: of all sockets only those of the internet.

A file system that may only be read does not keep anybody from connecting to a socket in it, and an abstract one (an X
server, a session bus) is in no file system at all: with the network shared, such a server would work for an agent as it
does for the person.
"""

from __future__ import annotations

import errno
import platform
import struct
import sys

FAMILIES = (2, 10, 16)  # AF_INET, AF_INET6, AF_NETLINK (it tells which networks there are)
MACHINES = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}  # what the kernel calls it, its socket(2)
IO_URING_SETUP = 425  # opens sockets that no filter sees
X32 = 0x40000000  # the other numbering of x86-64
LOAD, EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06  # of classic BPF, 32 bits wide
NUMBER, ARCH, FIRST = 0, 4, 16  # where a filter finds them
ALLOW, REFUSE = 0x7FFF0000, 0x00050000


def program(machine: str = "") -> bytes:
    """The filter as bwrap takes it; empty for a machine that we do not know."""
    known = MACHINES.get(machine or platform.machine())
    if known is None or sys.byteorder != "little":
        return b""
    arch, socket = known
    steps = [
        (LOAD, "", "", ARCH),
        (EQUAL, "", "none", arch),
        (LOAD, "", "", NUMBER),
        (ANY_BIT, "none", "", X32),
        (EQUAL, "none", "", IO_URING_SETUP),
        (EQUAL, "", "allow", socket),
        (LOAD, "", "", FIRST),
        *((EQUAL, "allow", "", family) for family in FAMILIES),
        (RETURN, "", "", REFUSE | errno.EAFNOSUPPORT),
    ]
    ends = {"allow": len(steps), "none": len(steps) + 1}
    steps += [(RETURN, "", "", ALLOW), (RETURN, "", "", REFUSE | errno.ENOSYS)]
    return b"".join(
        struct.pack("<HBBI", code, *(ends[to] - at - 1 if to else 0 for to in (yes, no)), value)
        for at, (code, yes, no, value) in enumerate(steps)
    )
