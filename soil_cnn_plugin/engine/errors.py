"""The engine's one family of errors: what a user can mend, said in the user's words."""


class EngineError(Exception):
    """The message names the file or field and the numbers, and says what to do; it is shown as it is."""
