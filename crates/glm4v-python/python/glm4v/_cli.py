"""The console script `glm4v`."""

import sys

from glm4v import _native


def main() -> int:
    return _native.main(["glm4v", *sys.argv[1:]])
