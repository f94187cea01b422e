"""Runs a program some of whose system calls fail with the given errno, as under a container's seccomp profile or on a
kernel that does not have them.

usage: refuse.py EPERM|ENOSYS CALLS program [arguments]

CALLS are numbers with commas between them, 425-427 for several: from 424 on they are the same on every architecture
(io_uring_setup, io_uring_enter and io_uring_register are 425 to 427, openat2 is 437, cachestat 451). A seccomp filter
(seccomp(2)) looks at the number of each call; all others pass.
"""
import ctypes
import errno
import os
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD_WORD, JUMP_IF_GE, JUMP_IF_GT, RETURN = 0x20, 0x35, 0x25, 0x06
ALLOW, FAIL_WITH = 0x7FFF0000, 0x00050000


class Instruction(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("k", ctypes.c_uint32)]


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(Instruction))]


def main(name, calls, command):
    listed = [Instruction(LOAD_WORD, 0, 0, 0)]
    for call in calls.split(","):
        first, _, last = call.partition("-")
        listed += [
            Instruction(JUMP_IF_GE, 0, 2, int(first)),
            Instruction(JUMP_IF_GT, 1, 0, int(last or first)),
            Instruction(RETURN, 0, 0, FAIL_WITH | getattr(errno, name)),
        ]
    listed.append(Instruction(RETURN, 0, 0, ALLOW))
    program = Program(len(listed), (Instruction * len(listed))(*listed))
    libc = ctypes.CDLL(None, use_errno=True)
    for request in [
        (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0),
    ]:
        if libc.prctl(*request) != 0:
            sys.exit("prctl: " + os.strerror(ctypes.get_errno()))
    os.execvp(command[0], command)


main(sys.argv[1], sys.argv[2], sys.argv[3:])
