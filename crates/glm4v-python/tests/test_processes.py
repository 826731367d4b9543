"""Threads, forks, Ctrl-C, and what the import costs. Each test has a process of its own, so that nothing ran before."""

import os
import signal
import subprocess
import sys
import time

import pytest

PRELUDE = """
import multiprocessing, os, signal, sys, threading, time
import numpy as np
import glm4v
PIXELS = np.arange(84 * 56 * 3, dtype=np.uint32).astype(np.uint8).reshape(84, 56, 3)
def load(**options):
    return glm4v.VisionEncoder.from_pretrained(preset="tiny", **options)
def total(encoder):
    return float(encoder.encode([PIXELS])[0].embeddings.sum())
"""

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def run(code, timeout=120, **environment):
    process = subprocess.run(
        [sys.executable, "-c", PRELUDE + code],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **environment},
    )
    assert process.returncode == 0, process.stderr
    return process.stdout.split()


FORKED = """
def child(report):
    try:
        report.send(work())
    except BaseException as error:
        report.send(repr(error))
def in_fork():
    ours, theirs = multiprocessing.get_context("fork").Pipe()
    process = multiprocessing.get_context("fork").Process(target=child, args=(theirs,))
    process.start()
    assert ours.poll(60), "the forked process hangs"
    result = ours.recv()
    process.join(60)
    return result
"""


@needs_fork
def test_an_encoder_works_in_a_forked_process():
    code = """
encoder = load()
expected = total(encoder)
work = lambda: total(encoder)
assert in_fork() == expected
assert in_fork() == expected
assert total(encoder) == expected
"""
    run(FORKED + code)


@needs_fork
def test_a_forked_process_can_load_an_encoder():
    code = """
work = lambda: total(load())
first = in_fork()  # before this process has worked
expected = total(load())
assert first == expected and in_fork() == expected
def work():
    glm4v.set_num_threads(3)
    return glm4v.num_threads()
assert in_fork() == 3
"""
    run(FORKED + code)


@needs_fork
def test_a_fork_during_a_call_is_refused():
    code = """
encoder = load()
work = lambda: total(encoder)
def inputs():
    yield PIXELS
    print(in_fork())
encoder.encode(inputs())
"""
    assert "forked while glm4v worked" in " ".join(run(FORKED + code))


def test_workers_can_be_spawned(tmp_path):
    script = tmp_path / "spawn.py"
    script.write_text(
        PRELUDE
        + """
if __name__ == "__main__":
    encoder = load(seed=3)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(total, [encoder] * 2) == [total(encoder)] * 2
"""
    )
    subprocess.run([sys.executable, script], check=True, timeout=120)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send SIGINT to one process")
@pytest.mark.parametrize(
    "call",
    [
        "encoder.encode(np.zeros((1400, 1400, 3), np.uint8) for _ in range(10**9))",
        "for item in encoder.encode_iter(np.zeros((1400, 1400, 3), np.uint8) for _ in range(10**9)): pass",
        "encoder.encode([np.zeros((2800, 2800, 3), np.uint8)])",
    ],
)
def test_ctrl_c_interrupts_a_call(call):
    # A shell starts background jobs with SIGINT ignored, and Python leaves it so.
    code = f"""
signal.signal(signal.SIGINT, signal.default_int_handler)
encoder = glm4v.VisionEncoder.from_pretrained(preset="small")
print("ready", flush=True)
try:
    {call}
except KeyboardInterrupt:
    print("interrupted", flush=True)
assert len(encoder.encode([PIXELS])) == 1
"""
    process = subprocess.Popen([sys.executable, "-c", PRELUDE + code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.5)
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "interrupted\n"
    assert time.monotonic() - start < 1
    assert process.wait(120) == 0


def test_other_threads_go_on():
    code = """
encoder = load()
ticks, done = 0, False
def count():
    global ticks
    while not done:
        ticks += 1
        time.sleep(0.001)
thread = threading.Thread(target=count)
thread.start()
start = time.monotonic()
encoder.encode([np.zeros((1120, 1120, 3), np.uint8)] * 2)
seconds = time.monotonic() - start
done = True
thread.join()
print(seconds, ticks)
"""
    seconds, ticks = map(float, run(code))
    assert ticks > 50 * seconds


def test_threads_share_an_encoder():
    code = """
encoder = load()
expected, results = total(encoder), []
threads = [threading.Thread(target=lambda: results.append(total(encoder))) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert results == [expected] * 8
"""
    run(code)


def test_the_number_of_threads_is_set_once():
    code = """
encoder = load(num_threads=3)
assert glm4v.num_threads() == 3
glm4v.set_num_threads(3)
try:
    glm4v.set_num_threads(2)
except glm4v.Error as error:
    print(error)
"""
    assert "3 were started already" in " ".join(run(code))
    assert run("print(glm4v.num_threads())", RAYON_NUM_THREADS="5") == ["5"]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_the_processors_that_are_allowed_are_used():
    code = """
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
print(glm4v.num_threads())
"""
    assert run(code) == ["1"]


def test_the_import_is_cheap():
    script = """
import sys, time
import numpy
start = time.perf_counter()
import glm4v
print(time.perf_counter() - start, *sorted({"torch", "transformers", "PIL"} & set(sys.modules)))
"""

    def once():
        output = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
        assert output[1:] == []
        return float(output[0])

    once()
    assert min(once() for _ in range(5)) <= 0.05
