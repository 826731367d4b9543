"""The package itself."""

import importlib.metadata
import tomllib

import glm4v
from conftest import ROOT


def test_both_projects_are_the_same():
    outer, inner = (tomllib.loads((ROOT / path / "pyproject.toml").read_text()) for path in (".", "crates/glm4v-python"))
    readme = outer["project"].pop("readme")
    assert readme == "crates/glm4v-python/" + inner["project"].pop("readme")
    assert outer["project"] == inner["project"]
    assert outer["build-system"] == inner["build-system"]
    maturin = outer["tool"]["maturin"]
    assert maturin.pop("manifest-path") == "crates/glm4v-python/Cargo.toml"
    maturin["python-source"] = maturin["python-source"].removeprefix("crates/glm4v-python/")
    for file in maturin["include"]:
        file["path"] = file["path"].removeprefix("crates/glm4v-python/")
    assert maturin == inner["tool"]["maturin"]


def test_the_package_has_its_version_and_entry_points():
    assert importlib.metadata.version("glm4v") == glm4v.__version__
    entries = {entry.name: entry for entry in importlib.metadata.distribution("glm4v").entry_points if entry.group == "console_scripts"}
    assert callable(entries["glm4v"].load())
