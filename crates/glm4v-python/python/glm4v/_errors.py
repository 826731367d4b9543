"""The exceptions of glm4v. Their messages are those of the Rust library."""

from __future__ import annotations


class Error(Exception):
    """Any failure of glm4v."""

    index: int | None = None
    """The place of the input that failed, counted from 0; None if the failure belongs to no input."""
    name: str | None = None
    """The name of that input."""

    def __reduce__(self):
        return _restored, (type(self), self.args, {"index": self.index, "name": self.name})


class InputError(Error, ValueError):
    """An input or an argument is refused: a damaged file, an array of the wrong type, a block that does not exist."""


class ModelError(Error, ValueError):
    """A checkpoint is missing, damaged or not supported."""


class HubError(Error, OSError):
    """A model on the Hugging Face hub cannot be found or fetched."""


class MemoryLimitError(Error, MemoryError):
    """The work does not fit into the memory limit, even with the smallest batches."""


class DeviceError(Error, RuntimeError):
    """A device cannot be opened, does not compute in the requested type, or failed."""


class StoreError(Error, OSError):
    """A file with embeddings cannot be written."""


def _restored(kind: type[Error], args: tuple, attributes: dict) -> Error:
    error = kind(*args)
    error.__dict__.update(attributes)
    return error
