"""Suggestions for misspelled words. No I/O here."""

import difflib
from collections.abc import Iterable

# A difflib ratio. `source` and `resource_type` have 0.63, and must not match.
NEAR = 0.7


def nearest(word: str, known: Iterable[str], *, cutoff: float = NEAR) -> str | None:
    """The most similar known word, ignoring case; None if none is similar enough.

    `cutoff` is the least similarity, from 0 to 1 (the same word).
    """
    spellings = {spelling.casefold(): spelling for spelling in known}
    found = difflib.get_close_matches(word.casefold(), spellings, n=1, cutoff=cutoff)
    return spellings[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint like "did you mean `tag`? ", or an empty text."""
    near = nearest(word, known)
    return f"did you mean `{near}`? " if near else ""
