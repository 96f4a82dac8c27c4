"""ONNX Runtime Web, which runs a decoder in a page: fetched once by npm, and checked by its hash.

It is Microsoft's, under the MIT licence, and is published nowhere but on npm; 14 MB of WebAssembly
are no part of this repository.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import platformdirs

from benchmarks.files import write_atomically

PACKAGE: Final = "onnxruntime-web@1.30.0"
FILE: Final = "onnxruntime-web-1.30.0.tgz"
INTEGRITY: Final = (
    "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
)
"""SHA-512 of the package, as npm publishes it."""
SCRIPT: Final = "package/dist/ort.wasm.bundle.min.mjs"
WASM: Final = "package/dist/ort-wasm-simd-threaded.wasm"
PATIENCE: Final = 300
"""Seconds that npm may take."""


@dataclass(frozen=True)
class Runtime:
    """What a page needs of it.

    Args:
        script: an ES module.
        wasm: what it runs.
    """

    script: str
    wasm: bytes


def load_runtime(file: Path | None = None, cache: Path | None = None) -> Runtime:
    """The runtime, from ``file``, from the cache, or by npm, which then fills the cache.

    Args:
        file: the package, as ``npm pack`` writes it.
        cache: folder; None for the user's.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is another file, or none can be had; says what to do.
    """
    if file is not None:
        content = file.read_bytes()
        if not _is_ours(content):
            raise ValueError(f"{file}: is not {PACKAGE}; `npm pack {PACKAGE}` fetches it")
        return _read(content)
    kept = (cache or platformdirs.user_cache_path("whatwhere")) / FILE
    if not (kept.is_file() and _is_ours(kept.read_bytes())):
        write_atomically(kept, _fetched())
    return _read(kept.read_bytes())


def _is_ours(content: bytes) -> bool:
    return base64.b64encode(hashlib.sha512(content).digest()).decode() == INTEGRITY


def _fetched() -> bytes:
    npm = shutil.which("npm")
    if npm is None:
        raise ValueError(_advice("npm, which fetches it, is not installed"))
    with tempfile.TemporaryDirectory(prefix="whatwhere-") as folder:
        command = [npm, "pack", PACKAGE, "--ignore-scripts", "--silent"]
        command += ["--pack-destination", folder]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=PATIENCE, cwd=folder, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise ValueError(_advice(f"npm did not answer in {PATIENCE} s")) from error
        file = Path(folder) / FILE
        if done.returncode or not file.is_file():
            told = (done.stderr or done.stdout).strip().splitlines()
            raise ValueError(_advice(f"npm failed ({told[-1] if told else done.returncode})"))
        content = file.read_bytes()
    if not _is_ours(content):
        raise ValueError(f"what npm gave for {PACKAGE} is another file: its SHA-512 is not ours")
    return content


def _advice(reason: str) -> str:
    return (
        f"ONNX Runtime Web is not at hand: {reason}. Where there is a network, `npm pack {PACKAGE}`"
        f" writes {FILE}; give it by --runtime {FILE}"
    )


def _read(content: bytes) -> Runtime:
    with tempfile.TemporaryFile() as stream:
        stream.write(content)
        stream.seek(0)
        with tarfile.open(fileobj=stream, mode="r:gz") as package:
            found = {name: package.extractfile(name) for name in (SCRIPT, WASM)}
            script, wasm = (file.read() for file in found.values() if file is not None)
    return Runtime(script.decode(), wasm)
