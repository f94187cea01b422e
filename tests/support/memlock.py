"""Runs a program that may lock only so many bytes of memory, as in a container with a small RLIMIT_MEMLOCK.

usage: memlock.py BYTES program [arguments]

Root is exempt from the limit by CAP_IPC_LOCK, so the capability is dropped first (PR_CAPBSET_DROP,
prctl(2)); an ordinary user has none to drop.
"""
import ctypes
import os
import resource
import sys

PR_CAPBSET_DROP, CAP_IPC_LOCK = 24, 14

bytes_max, command = int(sys.argv[1]), sys.argv[2:]
if os.geteuid() == 0 and ctypes.CDLL(None, use_errno=True).prctl(PR_CAPBSET_DROP, CAP_IPC_LOCK, 0, 0, 0) != 0:
    sys.exit("prctl: " + os.strerror(ctypes.get_errno()))
resource.setrlimit(resource.RLIMIT_MEMLOCK, (bytes_max, bytes_max))
os.execvp(command[0], command)
