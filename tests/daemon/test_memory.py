"""Freed memory goes back to the system."""

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from serbero.daemon.memory import give_back

CHUNK_BYTES = 4_096
CHUNKS = 10_000


def _resident_kb() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


@pytest.mark.skipif(sys.platform != "linux", reason="measures by /proc")
def test_freed_memory_is_given_back() -> None:
    library = ctypes.CDLL(None)
    if not hasattr(library, "malloc_trim"):
        assert not give_back()
        return
    library.malloc.restype = ctypes.c_void_p
    library.free.argtypes = [ctypes.c_void_p]
    chunks = [library.malloc(CHUNK_BYTES) for _ in range(CHUNKS)]
    for chunk in chunks:
        ctypes.memset(chunk, 1, CHUNK_BYTES)
    # The newest stays: the C library gives back by itself only what lies above everything in use.
    for chunk in chunks[:-1]:
        library.free(chunk)
    kept = _resident_kb()
    assert give_back()
    assert _resident_kb() < kept - CHUNKS * CHUNK_BYTES // 1024 // 2
    library.free(chunks[-1])


def test_the_allocator_takes_its_settings_or_is_another_one() -> None:
    """In a process of its own: the settings are for good."""
    program = (
        "import ctypes; from serbero.daemon.memory import keep_one_heap; "
        "print(keep_one_heap() == hasattr(ctypes.CDLL(None), 'mallopt'))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"True"
