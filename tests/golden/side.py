"""The loop of a side of `cargo xtask bench`: each line of standard input is a request, and each gets one line of JSON."""

import json
import os
import resource
import sys
import time
from pathlib import Path


class Answers:
    """Standard output. What libraries print there goes to standard error instead."""

    def __init__(self):
        self.stream = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    def say(self, answer):
        print(json.dumps(answer), file=self.stream, flush=True)


def serve(answers, start):
    """Starts a side, says its greeting, and then what each request gives, with the time that it took."""
    side, seconds = timed(start)
    answers.say({"seconds": seconds, **side.greeting()})
    for line in sys.stdin:
        verb, *values = json.loads(line)
        answer, seconds = timed(lambda: getattr(side, verb)(*values))
        answers.say({"seconds": seconds, **(answer or {})})


def timed(work):
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def forget_peak(process="self"):
    clear = Path(f"/proc/{process}/clear_refs")
    if clear.exists():
        clear.write_text("5")


def peak_mib(process="self"):
    status = Path(f"/proc/{process}/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024
