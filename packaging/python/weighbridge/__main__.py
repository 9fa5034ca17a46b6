"""`python -m weighbridge`: the command, with the same arguments and exit codes."""
import os
import sys

from ._executable import find_executable

if __name__ == "__main__":
    executable = find_executable()
    os.execv(executable, [executable, *sys.argv[1:]])
