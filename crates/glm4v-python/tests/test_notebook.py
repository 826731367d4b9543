"""The notebook runs without an error."""

import subprocess
import sys

import pytest
from conftest import ROOT

for package in ("torch", "transformers", "nbconvert", "ipykernel"):
    pytest.importorskip(package, reason=f"{package} is not installed")


def test_the_quick_start_runs(tmp_path):
    notebook = ROOT / "examples/python/quickstart.ipynb"
    arguments = ["--to", "notebook", "--execute", "--output-dir", tmp_path, notebook]
    run = subprocess.run(
        [sys.executable, "-m", "nbconvert", *map(str, arguments)], capture_output=True, text=True, timeout=600
    )
    assert run.returncode == 0, run.stderr
    executed = (tmp_path / notebook.name).read_text()
    assert "image/png" in executed and "relative difference" in executed and "ratio" in executed
