"""Runs a command in a terminal of 100 columns, or TERMINAL_COLUMNS, and prints what it wrote there; ends with its exit code.

`ctrl-c` as the first argument presses that once the command has written something, `answer:TEXT` types TEXT and the
return key once it has asked a question, `ctrl-c?` presses that then. `answers:A|B` types A after the first of several questions,
B after the next one, and presses ctrl-c for an answer `^C`.
"""

import fcntl
import os
import pty
import struct
import sys
import termios

key, command = sys.argv[1], sys.argv[2:]
cue = b"pages" if key == "ctrl-c" else b"[y/N] "
press = [{"": b"", "ctrl-c": b"\x03", "ctrl-c?": b"\x03"}.get(key, key.removeprefix("answer:").encode() + b"\r")]
if key.startswith("answers:"):
    cue = b"]: "
    press = [b"\x03" if answer == "^C" else answer.encode() + b"\r" for answer in key.removeprefix("answers:").split("|")]
pid, terminal = pty.fork()
if pid == 0:
    columns = int(os.environ.pop("TERMINAL_COLUMNS", "100"))
    fcntl.ioctl(2, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    os.execv(command[0], command)
while True:
    try:
        written = os.read(terminal, 65536)
    except OSError:  # the other end is closed
        break
    if not written:
        break
    sys.stdout.buffer.write(written)
    if press and press[0] and cue in written:
        os.write(terminal, press.pop(0))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
