"""What Python adds to a call of the library. `cargo xtask test-python --release` runs this: other builds are too slow."""

import os
import statistics
import time

import glm4v
import pytest
from conftest import frame
from glm4v._inputs import sources

pytestmark = pytest.mark.skipif(
    "GLM4V_RELEASE" not in os.environ, reason="the package is not a release build (GLM4V_RELEASE)"
)


def test_a_call_costs_little():
    encoder = glm4v.VisionEncoder.from_pretrained(preset="small")
    image = frame(0, 336, 336)

    def library():
        return encoder._native._seconds(sources([image], {}))

    def python():
        start = time.perf_counter()
        encoder.encode([image])
        return time.perf_counter() - start

    library(), python()
    pairs = [(library(), python()) for _ in range(30)]
    alone, called = (statistics.median(seconds) for seconds in zip(*pairs))
    # The smallest times are those that nothing else disturbed.
    least_alone, least_called = (min(seconds) for seconds in zip(*pairs))
    overhead = min(called / alone, least_called / least_alone) - 1
    print(f"library {alone:.4f} s, from Python {called:.4f} s, overhead {overhead:.1%}")
    assert overhead <= 0.02
