"""What the process of every command begins with."""

import io
import os
import signal
import sys


def begin() -> None:
    """UTF-8 for text and names of files, an end like Ctrl-C when it is asked to end, and an output that never fails."""
    in_utf8()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # with its kernels
    sys.stdout = Unfailing.of(sys.stdout)


def in_utf8() -> None:
    """Begin this process again with UTF-8 for text and names of files, where the locale says otherwise.

    Libraries that are asked about a folder take no other.
    """
    if sys.getfilesystemencoding() != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        os.execve(sys.executable, sys.orig_argv, os.environ | {"PYTHONUTF8": "1"})


class Unfailing(io.TextIOWrapper):
    """The standard output: who read it may have gone, its disk may be full, and the work goes on without it."""

    @classmethod
    def of(cls, stream: io.TextIOWrapper | None) -> io.TextIOWrapper:
        """None is one that was closed from the beginning. Names in letters that a terminal may not have are escaped."""
        if stream is None:
            return open(os.devnull, "w", encoding="utf-8")
        # By lines into a file too, where they stand in the order in which they were said, with errors among them.
        return cls(stream.detach(), stream.encoding, "backslashreplace", line_buffering=True)

    def write(self, text: str) -> int:
        return self._tried(super().write, text) or len(text)

    def flush(self) -> None:
        self._tried(super().flush)

    def _tried(self, do, *arguments):
        try:
            return do(*arguments)
        except OSError:  # from here on nothing is written; what is in the buffer goes there too
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return None
