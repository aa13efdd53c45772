"""Words of others in a pane that a person looks at."""

from __future__ import annotations

import re
import unicodedata

CODES = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|.)|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
HIDDEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")  # Unicode's controls, formats, surrogates, private ones, odd line ends


def plain(text: str) -> str:
    """Without what moves a cursor, turns the direction round or is not seen; line ends and tabs stay."""
    text = CODES.sub("", text.replace("\r", "\n"))
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in HIDDEN)
