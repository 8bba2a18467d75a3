#!/usr/bin/env python3
"""Writes the bill of materials (CycloneDX, JSON) of what is built here and of what builds it, and THIRD_PARTY.md.

    build/supply/bin/python scripts/make_sbom.py --build-dir build/cpu --output build/sbom/qwen3-tts.cdx.json
    build/supply/bin/python scripts/make_sbom.py --third-party THIRD_PARTY.md

The first one names

- the programs and libraries of the build, with their digests,
- what is compiled into them (bindings/python/third_party/README.md),
- the libraries that they load, with their Debian packages,
- every Python package of the *.lock files, with the digests of the files that pip may take.

It is checked against the schema. Its time is that of the commit (SOURCE_DATE_EPOCH, where it is set), so the same tree
and system give the same bytes. The second one is the table of the same for people.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

REPOSITORY = Path(__file__).resolve().parent.parent
BUNDLED = REPOSITORY / "bindings" / "python" / "third_party" / "README.md"
BUILT = ("qwen3_tts_runner", "qwen3_tts_voice", "libqwen3_tts.so", "libqwen3_tts_audio.so")
LOCKS = {  # what each is for
    "requirements-build.lock": "building the programs",
    "requirements.lock": "conversion and export",
    "requirements-no-deps.lock": "conversion and export, without what they declare",
    "requirements-dev.lock": "tests, lint and the wheel",
}
SPDX = {"BSD 3-Clause": "BSD-3-Clause", "BSD 2-Clause": "BSD-2-Clause", "MIT": "MIT", "Apache 2.0": "Apache-2.0"}
SPDX |= {"MPL 2.0": "MPL-2.0"}
# Of Debian, with the licences of their upstreams; each is linked, and none is copied into this repository.
SYSTEM = (
    ("libsndfile", "LGPL-2.1-or-later", "component audio: sound files"),
    ("mpg123", "LGPL-2.1-only", "component audio: MP3"),
    ("SoX Resampler (libsoxr)", "LGPL-2.1-or-later", "component audio: sample rates"),
    ("sonic", "Apache-2.0", "component audio: speed"),
    ("CLI11", "BSD-3-Clause", "programs: command lines"),
    ("GoogleTest", "BSD-3-Clause", "tests"),
)


@dataclass(frozen=True)
class Package:
    """A Python package of a lock."""

    name: str
    version: str
    marker: str  # where it is installed; "": everywhere
    digests: tuple[str, ...]  # SHA-256 of its files

    @property
    def purl(self) -> PackageURL:
        return PackageURL("pypi", None, self.name, self.version)


def locked(lock: Path) -> list[Package]:
    text = lock.read_text(encoding="utf-8").replace("\\\n", " ")
    packages = []
    for line in text.splitlines():
        match = re.match(r"([\w.-]+)(?:\[[^]]*\])?==([^\s;]+)\s*(?:;\s*(.*?))?\s*(?=--hash|$)", line)
        if match:
            packages.append(Package(match[1], match[2], match[3] or "", tuple(re.findall(r"sha256:(\w{64})", line))))
    return packages


def bundled() -> Iterator[tuple[str, str, str]]:
    """What is compiled into the libraries: where, what, licence."""
    for row in re.findall(r"^\| `(.*?)` \| (.*?) \| (.*?) \|", BUNDLED.read_text(encoding="utf-8"), re.MULTILINE):
        for name in row[1].split(", "):
            yield row[0], name, SPDX[row[2]]


def digest(path: Path) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=hashlib.sha256(path.read_bytes()).hexdigest())


def run(*command: str | Path) -> str:
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True, cwd=REPOSITORY).stdout


def version() -> str:
    return (REPOSITORY / "VERSION").read_text(encoding="utf-8").strip()


def licence(identifier: str) -> list[DisjunctiveLicense]:
    return [DisjunctiveLicense(id=identifier)]


def programs(build_dir: Path) -> Iterator[Component]:
    for name in BUILT:
        path = build_dir / name
        if path.exists():
            kind = ComponentType.LIBRARY if name.startswith("lib") else ComponentType.APPLICATION
            yield Component(name=name, version=version(), type=kind, bom_ref=f"built/{name}", hashes=[digest(path)])


def loaded_libraries(build_dir: Path) -> set[Path]:
    """What the programs load, by the loader's word."""
    found: set[Path] = set()
    for name in BUILT:
        if (build_dir / name).exists():
            found |= {Path(path) for path in re.findall(r"=> (/\S+)", run("ldd", build_dir / name))}
    return {path.resolve() for path in found if not path.name.startswith("libqwen3_tts")}


def system_libraries(build_dir: Path) -> Iterator[Component]:
    for path in sorted(loaded_libraries(build_dir), key=lambda path: path.name):
        owner = subprocess.run(["dpkg-query", "--search", path], capture_output=True, text=True, check=False)
        if owner.returncode == 0:
            package = owner.stdout.split(": ")[0].split(", ")[0]
            form = "${Package}\t${Version}\t${Architecture}"
            name, number, architecture = run("dpkg-query", "--show", f"--showformat={form}", package).split("\t")
            purl = PackageURL("deb", "debian", name, number, {"arch": architecture})
        else:  # ExecuTorch's, out of its wheel
            name, number, purl = path.name, "", None
        yield Component(
            name=path.name,
            version=number or None,
            type=ComponentType.LIBRARY,
            purl=purl,
            bom_ref=f"loaded/{path.name}",
            hashes=[digest(path)],
            properties=[Property(name="qwen3-tts:package", value=name)],
        )


def python_packages() -> Iterator[Component]:
    seen = set()
    for lock, purpose in LOCKS.items():
        for package in locked(REPOSITORY / lock):
            if package.purl.to_string() in seen:
                continue
            seen.add(package.purl.to_string())
            files = ExternalReference(
                type=ExternalReferenceType.DISTRIBUTION,
                url=XsUri(package.purl.to_string()),
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=content) for content in package.digests],
            )
            properties = [Property(name="qwen3-tts:for", value=purpose)]
            if package.marker:
                properties.append(Property(name="qwen3-tts:where", value=package.marker))
            yield Component(
                name=package.name,
                version=package.version,
                type=ComponentType.LIBRARY,
                purl=package.purl,
                bom_ref=package.purl.to_string(),
                scope=ComponentScope.EXCLUDED,  # it makes models or tests, and is no part of the programs
                external_references=[files],
                properties=properties,
            )


def make_bom(build_dir: Path) -> Bom:
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or run("git", "log", "-1", "--format=%ct")
    bom = Bom()
    bom.metadata.timestamp = datetime.fromtimestamp(int(epoch), timezone.utc)
    bom.metadata.component = Component(
        name="qwen3-tts",
        version=version(),
        type=ComponentType.APPLICATION,
        bom_ref="qwen3-tts",
        licenses=licence("BSD-3-Clause"),
    )
    for where, name, identifier in bundled():
        bom.components.add(
            Component(
                name=name,
                type=ComponentType.LIBRARY,
                bom_ref=f"compiled-in/{name}",
                licenses=licence(identifier),
                properties=[Property(name="qwen3-tts:in", value=where)],
            )
        )
    for components in (programs(build_dir), system_libraries(build_dir), python_packages()):
        for component in components:
            bom.components.add(component)
    bom.register_dependency(bom.metadata.component, bom.components)
    names = "\n".join(sorted(str(component.bom_ref) for component in bom.components))
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, f"{epoch}\n{names}")
    return bom


def write_bom(build_dir: Path, output: Path) -> None:
    text = JsonV1Dot6(make_bom(build_dir)).output_as_string(indent=2)
    wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if wrong is not None:
        sys.exit(f"the bill of materials does not follow its schema: {wrong}")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text + "\n", encoding="utf-8")
    print(f"{output}: {text.count(chr(10) + '      ' + chr(34) + 'bom-ref')} components")


def installed_licences(python: Path) -> dict[str, str]:
    """Name of a package -> its licence, of those that are installed there."""
    program = """
import importlib.metadata as metadata, re
for found in metadata.distributions():
    about = found.metadata
    classifiers = [line.split(" :: ")[-1] for line in about.get_all("Classifier", []) if line.startswith("License ::")]
    licence = about.get("License-Expression") or " / ".join(classifiers) or about.get("License", "")
    licence = licence.strip().splitlines()[0] if licence.strip() else "in its wheel"
    print(re.sub("[-_.]+", "-", found.name).lower(), licence, sep="\\t")
"""
    return dict(line.split("\t") for line in run(python, "-c", program).splitlines())


def third_party(python: Path) -> str:
    licences = installed_licences(python)
    lines = [
        "# What this project takes from others",
        "",
        "`make third-party` writes this page from the same sources as the bill of materials (`make sbom`).",
        "",
        "## Compiled into the libraries and programs",
        "",
        "The texts of the licences are in [bindings/python/third_party](bindings/python/third_party/README.md).",
        "",
        "| what | licence | in |",
        "|---|---|---|",
        *(f"| {name} | {identifier} | `{where}` |" for where, name, identifier in bundled()),
        "",
        "## Libraries of the system",
        "",
        "| what | licence | for |",
        "|---|---|---|",
        *(f"| {name} | {identifier} | {purpose} |" for name, identifier, purpose in SYSTEM),
        "",
        "## Python packages",
        "",
        "Those of the `*.lock` files, which have the digests of their files. Speaking in Python needs NumPy alone.",
    ]
    for lock, purpose in LOCKS.items():
        lines += ["", f"### For {purpose}", "", "| package | version | licence |", "|---|---|---|"]
        for package in locked(REPOSITORY / lock):
            # Of what is for other platforms nothing is installed here.
            is_nvidia = package.name.startswith(("nvidia-", "cuda-"))
            known = licences.get(package.name, "NVIDIA's, in its wheel" if is_nvidia else "in its wheel")
            lines.append(f"| {package.name} | {package.version} | {known} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build-dir", type=Path, default=REPOSITORY / "build" / "cpu")
    parser.add_argument("--output", type=Path, help="the bill of materials")
    parser.add_argument("--third-party", type=Path, help="the page for people")
    parser.add_argument("--python", type=Path, default=REPOSITORY / ".venv" / "bin" / "python", help="knows licences")
    args = parser.parse_args()
    if args.output:
        if shutil.which("ldd") is None or shutil.which("dpkg-query") is None:
            sys.exit("it needs ldd and dpkg-query, to name what the programs load: call it on Debian")
        write_bom(args.build_dir.resolve(), args.output)
    if args.third_party:
        args.third_party.write_text(third_party(args.python), encoding="utf-8")


if __name__ == "__main__":
    main()
