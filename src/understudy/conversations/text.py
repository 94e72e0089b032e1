"""Words of any script. The one tokeniser that fitting and measuring share."""

from __future__ import annotations

import re

# Scripts written without spaces give one token a character; elsewhere a run of letters or digits is a token,
# with inner apostrophes kept so that contractions stay whole.
UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0e7f"
TOKEN_PATTERN = rf"[{UNSPACED}]|[^\W_{UNSPACED}]+(?:['’][^\W\d_{UNSPACED}]+)*"
_TOKEN = re.compile(TOKEN_PATTERN)


def tokens(text: str) -> list[str]:
    """Lower-cased words of `text`, punctuation dropped; characters where the script has no spaces.

    >>> tokens("I don't like It, 2x!")
    ['i', "don't", 'like', 'it', '2x']
    >>> tokens("我想学英语")
    ['我', '想', '学', '英', '语']
    """
    return _TOKEN.findall(text.lower())
