"""What a run has to show and has shown already: of JSON one document, never two."""


class Shown:
    """Of the run that is under way."""

    wanted = False
    """Whether JSON is asked for."""
    yet = False
    """Whether its result has been shown as JSON."""
