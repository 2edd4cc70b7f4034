"""Make one virtual environment per peer, with pinned versions.

    python benchmarks/make_peers.py                     all of them, under benchmarks/.venvs
    python benchmarks/make_peers.py jax onnxruntime     some of them
    python benchmarks/make_peers.py --into ~/peers      elsewhere: tell the benchmarks by --venvs
    python benchmarks/make_peers.py --pip=--extra-index-url=URL torch     an index besides PyPI

Takes minutes and 4 GB of disk. An environment that is already as pinned is left alone; a
half-made one is made again.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENVS = HERE / ".venvs"

#: What each environment installs. Peers that share a library share its environment. Versions are
#: pinned so that two runs months apart compare elman, not the peers.
ENVIRONMENTS: dict[str, list[str]] = {
    "tensorflow": ["tensorflow==2.21.0", "keras==3.15.1"],
    "jax": ["jax==0.10.2", "optax==0.2.8", "keras==3.15.1"],
    # PyPI's wheel for Linux brings gigabytes for graphics cards: --pip names PyTorch's own index.
    "torch": ["torch==2.13.0", "numpy"],
    "onnxruntime": ["onnxruntime==1.32.0", "onnx==1.23.2"],
}


def python_of(name: str, venvs: Path = VENVS) -> Path:
    """The interpreter of an environment, whether it exists or not."""
    folder = "Scripts" if os.name == "nt" else "bin"
    return venvs / name / folder / ("python.exe" if os.name == "nt" else "python")


def is_ready(name: str, venvs: Path = VENVS) -> bool:
    """Whether the environment was finished with exactly the versions pinned here."""
    mark = venvs / name / "pinned.txt"
    return mark.exists() and mark.read_text().split() == ENVIRONMENTS[name]


def make(name: str, venvs: Path, pip_options: list[str]) -> None:
    """Make one environment; `SystemExit` with pip's own words if it cannot be made."""
    folder = venvs / name
    if folder.exists():
        shutil.rmtree(folder)
    venvs.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(python_of(name, venvs)), "-m", "pip", "install", "--disable-pip-version-check"]
    pip += ["--quiet", *pip_options]
    done = subprocess.run([*pip, *ENVIRONMENTS[name]], capture_output=True, text=True)
    if done.returncode == 0:
        (folder / "pinned.txt").write_text("\n".join(ENVIRONMENTS[name]) + "\n")
        return
    last = "\n".join(done.stderr.strip().splitlines()[-6:])
    raise SystemExit(
        f"make_peers expected pip to install {', '.join(ENVIRONMENTS[name])} into {folder}, got:\n"
        f"{last}\nCheck the network and the versions in ENVIRONMENTS, or leave this peer out."
    )


def main() -> None:
    """Make the environments asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(ENVIRONMENTS))
    parser.add_argument("--into", type=Path, default=VENVS, help="folder of the environments")
    parser.add_argument("--again", action="store_true", help="also those that are already made")
    parser.add_argument(
        "--pip", action="append", default=[], metavar="OPTION", help="passed on, e.g. --pip=--pre"
    )
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(ENVIRONMENTS)
    if unknown:
        parser.error(f"expected names among {', '.join(ENVIRONMENTS)}, got {', '.join(unknown)}")
    venvs = arguments.into.expanduser().resolve()
    for name in arguments.names or ENVIRONMENTS:
        if is_ready(name, venvs) and not arguments.again:
            print(f"{name}: ready ({', '.join(ENVIRONMENTS[name])})", flush=True)
            continue
        print(f"{name}: installing {', '.join(ENVIRONMENTS[name])} ...", flush=True)
        began = time.perf_counter()
        make(name, venvs, arguments.pip)
        print(f"{name}: made in {time.perf_counter() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
