"""The crates of which the binary is made, read from cargo: names, licences, checksums, sources.

Development dependencies are left out, and so are the features that only they turn on: `cargo tree` without them resolves as the build
of the binary does, and `cargo metadata` tells the rest.
"""

import json
import os
import re
import subprocess
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LICENCE_FILE = re.compile(r"(un)?licen[cs]e|copying|notice|copyright", re.IGNORECASE)


@dataclass
class Crate:
    """A package of Cargo.lock that takes part in the build of the binary."""

    name: str
    version: str
    licence: str
    description: str
    authors: list[str]
    repository: str | None
    folder: Path
    sha256: str | None
    is_linked: bool
    """Whether its code is in the binary; else it is a build script's or a macro's, and ran while the binary was built."""
    needs: list["Crate"] = field(default_factory=list)

    @property
    def purl(self) -> str:
        """The package URL, such as `pkg:cargo/serde@1.0.228`."""
        return f"pkg:cargo/{self.name}@{self.version.replace('+', '%2B')}"

    def licence_files(self) -> list[Path]:
        """The files with licences and notices, those of code that the crate has taken from elsewhere after its own."""
        found = []
        for folder, folders, files in os.walk(self.folder):
            folders[:] = sorted(set(folders) - {"target", "tests", "benches", "examples"})
            found += [Path(folder, file) for file in sorted(files) if LICENCE_FILE.match(file) and not file.endswith(".rs")]
        return found


def cargo(*arguments: str) -> str:
    """What a command of cargo prints, about this checkout as Cargo.lock has it."""
    command = [os.environ.get("CARGO", "cargo"), *arguments, "--locked"]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def host() -> str:
    """The target that the binary is built for."""
    told = subprocess.run(["rustc", "-vV"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    return re.search(r"^host: (.+)$", told, re.MULTILINE)[1]


def compiler() -> str:
    """The version of the compiler, such as `1.95.0`: the version of the standard library, too."""
    told = subprocess.run(["rustc", "-vV"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    return re.search(r"^release: (.+)$", told, re.MULTILINE)[1]


def tree(target: str, edges: str) -> set[tuple[str, str]]:
    """Names and versions that `cargo tree` lists along such edges."""
    lines = cargo("tree", "--target", target, "--edges", edges, "--prefix", "none", "--format", "{p}").splitlines()
    return {(name, version.removeprefix("v")) for name, version in (line.split()[:2] for line in lines)}


def read() -> tuple[Crate, list[Crate]]:
    """rollbook itself, and all crates that its binary is built from, by name and version."""
    target = host()
    metadata = json.loads(cargo("metadata", "--format-version", "1", "--filter-platform", target))
    locked = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    sums = {(package["name"], package["version"]): package.get("checksum") for package in locked}
    needed, linked = tree(target, "normal,build"), tree(target, "normal,no-proc-macro")
    crates = {}
    for package in metadata["packages"]:
        key = package["name"], package["version"]
        if key in needed:
            # The oldest crates write "MIT/Apache-2.0", which is no expression of SPDX.
            licence = re.sub(r"\s*/\s*", " OR ", package["license"] or "")
            crates[package["id"]] = Crate(
                *key, licence, package["description"] or "", package["authors"], package["repository"],
                Path(package["manifest_path"]).parent, sums[key], key in linked,
            )
    if len(crates) != len(needed):
        raise SystemExit(f"cargo tree lists {len(needed)} crates, and cargo metadata knows {len(crates)} of them")
    for node in metadata["resolve"]["nodes"]:
        if node["id"] in crates:
            kept = [need["pkg"] for need in node["deps"] if any(kind["kind"] != "dev" for kind in need["dep_kinds"])]
            crates[node["id"]].needs = [crates[need] for need in kept if need in crates]
    own = crates.pop(metadata["resolve"]["root"])
    return own, sorted(crates.values(), key=lambda crate: (crate.name, crate.version))
