"""The end of a sentence about a word that is not known."""

import difflib
from collections.abc import Iterable


def near_words(word: str, known: Iterable[str], else_say: str = "") -> str:
    """``; did you mean X?`` for the known word most like it; else `else_say` with its full stop, or all of them."""
    words = list(dict.fromkeys(known))
    near = difflib.get_close_matches(word, words, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    if else_say or len(words) < 2:
        return f"{else_say}."
    return f"; write {', '.join(words[:-1])} or {words[-1]}."
