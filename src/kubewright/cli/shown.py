"""What a run has shown already: of JSON one document, never two."""


class Shown:
    """Of the run that is under way."""

    yet = False
    """Whether its result has been shown as JSON."""
