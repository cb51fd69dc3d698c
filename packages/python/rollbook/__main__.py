"""`python -m rollbook`: the program takes this process over, with its signals and its exit code."""

import os
import sys

from rollbook import binary_path

os.execv(binary_path(), ["rollbook", *sys.argv[1:]])
