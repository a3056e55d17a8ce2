"""Socket options that nostr-sdk does not set itself."""

import os
import socket
import stat
from pathlib import Path
from typing import Final

_DESCRIPTORS: Final = Path("/proc/self/fd")


def disable_nagle() -> int:
    """Set ``TCP_NODELAY`` on every TCP socket of this process; best effort, Linux only.

    nostr-sdk leaves Nagle's algorithm on, which delays the second message of a burst by up to
    40 ms, and offers no access to its sockets. A duplicate of a descriptor shares the socket,
    so an option set on it reaches the library's own.

    Returns:
        How many sockets have the option now; 0 where ``/proc`` does not exist.
    """
    reached = 0
    try:
        descriptors = [int(each.name) for each in _DESCRIPTORS.iterdir()]
    except OSError:
        return 0
    for descriptor in descriptors:
        try:
            if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                continue
            with socket.socket(fileno=os.dup(descriptor)) as shared:
                if shared.family in (socket.AF_INET, socket.AF_INET6):
                    shared.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    reached += 1
        except OSError:
            # Closed in between, or a socket without the option (UDP): nothing to gain there.
            continue
    return reached
