"""The errors of the engine, and how running out of memory is known. Imports nothing."""

_MEMORY_SIGNS = (
    "DefaultCPUAllocator",
    "can't allocate memory",
    "out of memory",
    "STATUS_ALLOC_FAILED",
)
"""Words of torch's, cuBLAS's and cuDNN's messages; on a CPU torch raises a plain RuntimeError."""


class EngineError(ValueError):
    """Bad input to the engine: one line that names the offending value and the mend."""


class OutOfMemoryError(EngineError):
    """Not enough memory, whatever was tried; says the mend."""


class Cancelled(Exception):  # noqa: N818 - a wish of the user, not an error
    """Raised inside a run when its caller asked it to stop."""


def ran_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory ran out, on any device.

    torch's own error is known by its name: torch may not be imported here.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _MEMORY_SIGNS)
