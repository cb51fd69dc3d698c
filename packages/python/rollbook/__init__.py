"""rollbook as a Python package: its version, and where its program is.

The program does the work; `python -m rollbook` starts it, too.
"""

import sysconfig
from importlib.metadata import version
from pathlib import Path

__all__ = ["__version__", "binary_path"]
__version__ = version("rollbook")


def binary_path() -> Path:
    """The program that this package has brought along.

    >>> subprocess.run([rollbook.binary_path(), "export", "--dest", "/srv/rollbook"])
    """
    package = Path(__file__).resolve().parent
    folders = (
        Path(sysconfig.get_path("scripts")),  # of the interpreter, or of its virtual environment
        Path(sysconfig.get_path("scripts", sysconfig.get_preferred_scheme("user"))),  # pip install --user
        package.parent / "bin",  # pip install --target
    )
    for folder in folders:
        binary = folder / "rollbook"
        if binary.is_file():
            return binary
    looked = ", ".join(map(str, folders))
    raise FileNotFoundError(f"the program rollbook is not where pip puts programs: {looked}")
