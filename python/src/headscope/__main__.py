"""The `headscope` command: `python -m headscope` is the same."""

import signal
import sys

from ._headscope import run


def main() -> int:
    # Python would only note a Ctrl-C, and wait for the command to end: it is to end the command.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return run(["headscope", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
