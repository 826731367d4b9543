"""What the processor can do. Only Linux tells it."""

from pathlib import Path


def has(*names):
    """Whether the processor has one of these instruction sets, by the names that Linux gives them."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    flags = next((line for line in lines if line.startswith("flags")), "")
    return not set(flags.split()).isdisjoint(names)
