"""Runs a command and adds a line of JSON to what it printed: wall and CPU seconds, and peak memory in MiB."""

import json
import resource
import subprocess
import sys
import time

began = time.monotonic()
code = subprocess.run(sys.argv[1:]).returncode
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
figures = {
    "wall_s": round(time.monotonic() - began, 2),
    "cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
    # Bytes on macOS, KiB elsewhere.
    "peak_mib": usage.ru_maxrss // (1 << 20 if sys.platform == "darwin" else 1 << 10),
}
print(json.dumps(figures))
sys.exit(code)
