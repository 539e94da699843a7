"""The engine's one family of errors: what a user can mend, said in the user's words."""


class EngineError(Exception):
    """The message names the file or field and the numbers, and says what to do; it is shown as it is."""


class GpuFull(EngineError):
    """The GPU has no room for what is to be computed; a processor may have it."""
