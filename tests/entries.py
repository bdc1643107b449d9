"""Entries of a mapping file to write, and hostile texts to write into them."""

from relay.census.mapping_text import Entry, Form

HOSTILE = {
    "a line end": "a\nsyncs: []\n- sync_id: 1",
    "a carriage return": "a\rb",
    "a hash": "a # b",
    "a hash first": "# a",
    "a colon": "a: b",
    "quotation marks": "it's \"quoted\" 'twice'",
    "a backslash": "a\\nb\\",
    "unicode": "Größe → ☃ 🎿 日本語",
    "line separators": "a\u2028b\u2029c\x85d",
    "a NUL": "a\0b",
    "other controls": "a\x1b[31mb\x7f",
    "writing direction": "a\u202eb",
    "a lone surrogate": "a\ud800b",
    "no characters": "a\ufffeb\uffffc\ufeffd",
    "a mark of byte order first": "\ufeffa",
    "10,000 characters": "x" * 10_000,
    "10,000 words": "a b: # " * 1_500,
    "blanks": "   ",
    "blanks around": "  a  ",
    "a number": "5123",
    "a date": "2026-11-27",
    "true": "true",
    "nothing": "null",
    "a tilde": "~",
    "an anchor": "&a *b !!c",
    "a template": "{{ x }}",
    "a dash": "- a",
    "a percent": "%TAG",
    "an at sign": "@a `b`",
    "end of document": "...",
    "start of document": "---",
    "a tab": "a\tb",
    "empty": "",
}


def entry(sync_id, *depends_on, form=Form.ACTIVE, **fields):
    fields = {"workspace": "default", "name": None, "reason": "why not", **fields}
    return Entry(sync_id=sync_id, depends_on=depends_on, form=form, **fields)
