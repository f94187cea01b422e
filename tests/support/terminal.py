"""Runs a program on a pseudo-terminal: what comes on standard input are its keys, its screen goes to
standard output. Ends with the program's exit code.

Owns: the terminal, its answer to the question where the cursor is. Must not know: the program."""

import os
import pty
import select
import sys


def main():
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(sys.argv[1], sys.argv[1:])
    keys = 0
    while True:
        ready, _, _ = select.select([terminal] + ([keys] if keys is not None else []), [], [], 60)
        if not ready:
            sys.exit("nothing for a minute")
        if terminal in ready:
            try:
                screen = os.read(terminal, 65536)
            except OSError:  # EIO: the program has ended
                break
            if not screen:
                break
            if b"\x1b[6n" in screen:
                os.write(terminal, b"\x1b[1;1R")
            os.write(1, screen)
        if keys in ready:
            typed = os.read(keys, 65536)
            if typed:
                os.write(terminal, typed)
            else:
                keys = None
    _, status = os.waitpid(pid, 0)
    sys.exit(os.waitstatus_to_exitcode(status))


main()
