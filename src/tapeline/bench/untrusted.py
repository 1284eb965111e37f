r"""Text from files, models and providers, made safe to show.

A terminal obeys escape sequences, and a bidi override lets a name read as another one. Here every
character that is not seen itself becomes its escape (`\x1b`, `\u202e`). HTML is escaped elsewhere
(jinja2 and ElementTree do that); both need this too, as a browser honours bidi overrides.
The ranges are spelled out, because `unicodedata` differs between Python versions and output must not.
"""

from __future__ import annotations

import re

_UNSEEN = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0 with tab and newlines, DEL, C1 with its one-byte CSI and OSC
    "\xad\u061c\u180e"  # soft hyphen, Arabic letter mark, Mongolian vowel separator
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"  # zero-width, bidi marks and overrides, line separators
    "\ufff9-\ufffb\U000e0000-\U000e007f"  # annotations, tags: text that hides in text
    "\ud800-\udfff"  # lone surrogates: cannot be written as UTF-8
    "]"
)


def visible(text: str) -> str:
    """Return `text` on one line, its control, bidi and zero-width characters written as escapes."""
    return _UNSEEN.sub(lambda match: _escape(ord(match[0])), text)


def _escape(code: int) -> str:
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
