"""The benchmark beside transformers, with a small tower."""

import re
import subprocess
import sys

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")


@pytest.mark.parametrize(("dtype", "limit"), [("f32", 5e-6), ("bf16", 5e-2)])
def test_both_sides_are_timed(dtype, limit):
    arguments = ["--preset", "tiny", "--dtype", dtype, "--size", "112x84,112x56", "--batch", "2", "--repeat", "1"]
    run = subprocess.run([sys.executable, "-m", "glm4v.bench", *arguments], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    heading, *lines = [line for line in run.stdout.splitlines() if line]
    assert f"tiny with random weights, {dtype}" in heading
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert [row[:2] for row in rows] == [["2 of 112x84", "96"], ["2 of 112x56", "64"]]
    for row in rows:
        assert all(re.fullmatch(r"[\d.]+ \([\d.]+–[\d.]+\)", cell) for cell in row[2:4])
        assert float(row[4]) > 0 and 0 < float(row[5]) < limit


def test_wrong_arguments_are_refused():
    run = subprocess.run([sys.executable, "-m", "glm4v.bench", "--size", "5"], capture_output=True, text=True)
    assert run.returncode == 2 and "such as 336x336, found '5'" in run.stderr
