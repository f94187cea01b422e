"""Runs a program whose io_uring system calls fail with the given errno, as under Docker's seccomp profile.

usage: no_uring.py EPERM|ENOSYS program [arguments]

A seccomp filter (seccomp(2)) looks at the number of each system call: io_uring_setup, io_uring_enter
and io_uring_register are 425 to 427 on every architecture; all others pass.
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


def main(name, command):
    instructions = (Instruction * 5)(
        Instruction(LOAD_WORD, 0, 0, 0),
        Instruction(JUMP_IF_GE, 0, 1, 425),
        Instruction(JUMP_IF_GT, 0, 1, 427),
        Instruction(RETURN, 0, 0, ALLOW),
        Instruction(RETURN, 0, 0, FAIL_WITH | getattr(errno, name)),
    )
    program = Program(len(instructions), instructions)
    libc = ctypes.CDLL(None, use_errno=True)
    for request in [
        (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0),
    ]:
        if libc.prctl(*request) != 0:
            sys.exit("prctl: " + os.strerror(ctypes.get_errno()))
    os.execvp(command[0], command)


main(sys.argv[1], sys.argv[2:])
