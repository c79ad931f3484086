"""The error the engine raises on bad input. Imports nothing."""


class EngineError(ValueError):
    """Bad input to the engine: one line that names the offending value and the mend."""


class Cancelled(Exception):  # noqa: N818 - a wish of the user, not an error
    """Raised inside a run when its caller asked it to stop."""
