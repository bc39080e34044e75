"""``orgstead`` as the child of a test run: it ends when its standard input does, however the run came to its end."""

import os
import runpy
import signal
import sys
import threading

__all__ = ["main"]


def main() -> None:
    """Run the command line until it ends, or until nobody is there any more who wanted it."""
    threading.Thread(target=_watch, daemon=True).start()
    runpy.run_module("orgstead", run_name="__main__")


def _watch() -> None:
    # Without a buffer, whose lock would be missed by an interpreter that ends meanwhile.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
