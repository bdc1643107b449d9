"""The known word that a person may have meant by an unknown one. No I/O here."""

import difflib
from collections.abc import Iterable

# Of difflib's ratios: `source` is as near to `resource_type` as 0.63, and not meant by it.
NEAR = 0.7


def nearest(word: str, known: Iterable[str], *, cutoff: float = NEAR) -> str | None:
    """The known word that is most like this one, whatever its case; None if none is near.

    `cutoff` is how alike they must be, from 0 to 1, where 1 is the same word.
    """
    spellings = {spelling.casefold(): spelling for spelling in known}
    found = difflib.get_close_matches(word.casefold(), spellings, n=1, cutoff=cutoff)
    return spellings[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question to stand before the list of known words, with a blank behind it; or nothing."""
    near = nearest(word, known)
    return f"did you mean `{near}`? " if near else ""
