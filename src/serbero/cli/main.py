"""The way in: loads the commands, which takes half a second, and leaves in silence meanwhile.

Imports little itself, since until they are done Python tells of an interruption at length.
"""

import os
import signal
import sys

EXIT_INTERRUPTED = 130
"""What shells say of whatever SIGINT ended, and so do the commands, unless they say better."""


def main() -> None:
    """Entry point of the console script."""
    # Another setting, as in the background of a shell, is somebody's will.
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if interruptible:
        # An exception amid an import would be shown in full, or swallowed by a library.
        signal.signal(signal.SIGINT, _leave)
    from serbero.cli.app import app  # noqa: PLC0415 - see above

    try:
        if interruptible:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        app(prog_name="serbero")
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)


def _leave(*_: object) -> None:
    """End the process: nothing is begun yet that would have to be stopped or saved."""
    os._exit(EXIT_INTERRUPTED)
