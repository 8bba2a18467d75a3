"""Names of speakers and languages: a checkpoint's spelling is kept, and found in any case."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable


def folded_name(name: str) -> str:
    """What a name is found by: in NFC, case-folded, in NFC again.

    The same as folded_name in runner/src/base/folded_name.h.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def find_name(names: Iterable[str], name: str) -> str | None:
    """The one of `names` that equals `name` but for case, as it is spelled there."""
    folded = folded_name(name)
    return next((known for known in names if folded_name(known) == folded), None)


def find_same_names(names: Iterable[str]) -> tuple[str, str] | None:
    """The first two of `names` that differ in case alone, or in how their accents are composed."""
    seen: dict[str, str] = {}
    for name in names:
        earlier = seen.setdefault(folded_name(name), name)
        if earlier != name:
            return earlier, name
    return None
