"""Variables of the environment that stand for options: a misspelt name is refused."""

import difflib
import logging
import os
from collections.abc import Mapping
from typing import Final

from kubewright.cli.option_table import OPTIONS
from kubewright.errors import RequestError

log = logging.getLogger(__name__)

PREFIX: Final = "KUBEWRIGHT_"

OTHERS: Final = frozenset({
    "COMPLETE", "CONFIG", "DATA", "FAULTS", "FAULT_SEED", "GOLDEN", "NO_SKIPS", "REQUEST_LOG",
    "ROOTS",
})  # fmt: skip
"""What is no option of a verb: which file has defaults, where development keys lie, and what tests
read.
"""


def variable(option: str) -> str:
    """The variable that stands for an option: KUBEWRIGHT_REPO_KEY for --repo-key."""
    return f"{PREFIX}{option.replace('-', '_').upper()}"


def refuse_misspelt(environment: Mapping[str, str] | None = None) -> None:
    """Raise RequestError for a variable that is nearly one of ours; warn of any other that begins
    as they do.
    """
    given = os.environ if environment is None else environment
    known = {*map(variable, OPTIONS), *(PREFIX + name for name in OTHERS)}
    for name in sorted(given):
        if not name.startswith(PREFIX) or name in known:
            continue
        near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.85)
        if near:
            raise RequestError(name, "no such variable", f"did you mean {near[0]}?")
        log.warning("%s: no option is called so; the variable is passed over", name)
