"""Encodes the images of a folder again and again with one encoder: `iterate.py MODEL FOLDER MINUTES`. For `cargo xtask soak`.

Every second iterator is left before its end, and every third input is given as bytes.
"""

import itertools
import sys
import time
from pathlib import Path

import glm4v

ROUND = 5_000

model, folder, minutes = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
paths = sorted(path for path in folder.rglob("*") if path.is_file())
encoder = glm4v.VisionEncoder.from_pretrained(model)
inputs = (path if index % 3 else path.read_bytes() for index, path in enumerate(itertools.cycle(paths)))
end = time.monotonic() + 60 * minutes
encoded = failed = rounds = 0
while time.monotonic() < end:
    items = encoder.encode_iter(itertools.islice(inputs, ROUND), errors="return")
    if rounds % 2:
        items = itertools.islice(items, ROUND // 2)
    for item in items:
        failed += isinstance(item, glm4v.Error)
        encoded += not isinstance(item, glm4v.Error)
    rounds += 1
print(f"{encoded} encoded, {failed} failed")
