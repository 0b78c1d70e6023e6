"""Searching symbols while they are typed: an index made once, and answers in well under a millisecond.

Pure and synchronous; `engine/watching.py` holds the index, the search page of the screen and `copydesk symbols search`
ask it. A set of symbols is one integer with a bit for each, best first, so that a letter at a place, a word and a
misspelling are each a few ands and ors over all 55,000 at once. (Comparing the query with each of them, as rapidfuzz
does in C, takes 2 ms.)
"""

import re
import unicodedata
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from enum import IntEnum

from schema.listed import Listed
from schema.records import Record

LIMIT = 50
_DEPTH = 48  # letters of a symbol and of a query that are looked at
_FUZZY_DEPTH = 24  # of which misspellings are looked for in so many
_WORDS_ASKED = 6
_NAMESAKES = 1_000  # symbols that are one to the search, looked through by name
_TYPED = 100  # of what was typed so much is read
_HEAVY = 1_000  # a beginning of words that more symbols share has its set made beforehand
_OTHER = "?"  # stands for any letter but A to Z and the digits: they are few, and told apart by `named` alone
_WORD = re.compile(r"[^\W_]+")
_LAST = "\U0010ffff"


class How(IntEnum):
    """How a symbol answers a query, best first."""

    EXACT = 0
    PREFIX = 1  # the symbol begins with it
    WORD = 2  # each of its words begins a word of the description, exchange, source or another name
    TYPO = 3  # the symbol would begin with it but for one letter wrong, missing, too many, or two swapped
    LETTERS = 4  # its letters come in the symbol in this order


class Match(Record, frozen=True):
    listed: Listed
    how: How


class SymbolIndex:
    """An index over `records`; of two with the same source and symbol the first counts. Safe from any thread.

    Answers of one kind come shortest symbol first, then by `Listed.rank`, by name and by source."""

    def __init__(self, records: Iterable[Listed] = ()) -> None:
        unique = {(each.source, each.symbol): each for each in reversed(list(records))}
        ranked = sorted(
            ((_letters(each.symbol), each) for each in unique.values()),
            key=lambda pair: (len(pair[0]), pair[1].rank, pair[0], pair[1].symbol, pair[1].source),
        )
        self._keys = [key for key, _ in ranked]
        self._listed = [each for _, each in ranked]
        self._all = (1 << len(ranked)) - 1
        self._columns = self._make_columns()
        self._words: list[str] = []
        self._starts = array("I", [0])  # where each word's symbols begin in `_having`, and after the last their end
        self._having = array("I")
        self._heavy: dict[tuple[int, int], int] = {}
        self._make_words()

    def __len__(self) -> int:
        return len(self._listed)

    def find(self, text: str, limit: int = LIMIT) -> tuple[Match, ...]:
        """The best `limit` answers to what was typed so far, whatever its case and punctuation; none for nothing."""
        text = text[:_TYPED]
        query = _letters(text)
        if not query or limit < 1:
            return ()
        begins = self._beginning(query)
        found = self._by_symbol(query, text, begins, limit)
        seen = begins
        for how, look in ((How.WORD, self._by_words), (How.TYPO, self._by_typo), (How.LETTERS, self._by_letters)):
            if len(found) >= limit:
                break
            more = look(text if how is How.WORD else query)
            more &= ~seen
            seen |= more
            found += [Match(listed=self._listed[at], how=how) for at in _lowest(more, limit - len(found))]
        return tuple(found)

    def named(self, symbol: str) -> tuple[Listed, ...]:
        """The symbols with exactly this name, whatever its case, one for each source that has it."""
        query, asked = _letters(symbol), symbol.strip().casefold()
        same = (self._listed[at] for at in _lowest(self._beginning(query), _NAMESAKES))
        return tuple(each for each in same if each.symbol.casefold() == asked)

    # --- by the symbol ---------------------------------------------------------------------------------------------

    def _make_columns(self) -> list[dict[str, int]]:
        """For each place of a symbol: which symbols have which letter there."""
        size = len(self._keys) // 8 + 1
        columns: list[dict[str, bytearray]] = [{} for _ in range(max(map(len, self._keys), default=0))]
        for at, key in enumerate(self._keys):
            byte, bit = at >> 3, 1 << (at & 7)
            for column, letter in zip(columns, key, strict=False):
                bits = column.get(letter)
                if bits is None:
                    bits = column[letter] = bytearray(size)
                bits[byte] |= bit
        return [{letter: int.from_bytes(bits, "little") for letter, bits in column.items()} for column in columns]

    def _at(self, place: int, letter: str) -> int:
        return self._columns[place].get(letter, 0) if 0 <= place < len(self._columns) else 0

    def _beginning(self, query: str) -> int:
        bits = self._all
        for place, letter in enumerate(query):
            bits &= self._at(place, letter)
            if not bits:
                break
        return bits

    def _by_symbol(self, query: str, text: str, begins: int, limit: int) -> list[Match]:
        """Symbols that begin with the query; the shortest of them are the query, letter for letter."""
        literal, size = text.strip().casefold(), len(query)
        found = _lowest(begins, limit)
        if found and len(self._keys[found[-1]]) == size:  # there may be more of them, and the one that is meant
            found = [at for at in _lowest(begins, _NAMESAKES) if len(self._keys[at]) == size]
        matches = [
            Match(listed=self._listed[at], how=How.EXACT if len(self._keys[at]) == size else How.PREFIX) for at in found
        ]
        matches.sort(
            key=lambda match: (match.how, match.how is How.EXACT and match.listed.symbol.casefold() != literal)
        )
        return matches[:limit]

    def _by_typo(self, query: str) -> int:
        """Symbols that begin with the query but for one letter: right up to it, and right after it with the rest of the
        query in its place, one place earlier or one later."""
        size = len(query)
        if not 3 <= size <= _FUZZY_DEPTH:
            return 0
        rest = {shift: [self._all] * (size + 2) for shift in (-1, 0, 1)}
        for shift, bits in rest.items():
            for at in range(size - 1, -1, -1):
                bits[at] = bits[at + 1] & self._at(at + shift, query[at])
        right, found = self._all, 0
        for at in range(size):
            found |= right & (rest[0][at + 1] | rest[-1][at + 1] | rest[1][at])
            if at + 1 < size:
                found |= right & rest[0][at + 2] & self._at(at, query[at + 1]) & self._at(at + 1, query[at])
            right &= self._at(at, query[at])
            if not right:
                break
        return found

    def _by_letters(self, query: str) -> int:
        """Symbols with the query's letters in this order. before[n]: who has those looked at so far in its first n."""
        size, places = len(query), min(len(self._columns), _FUZZY_DEPTH)
        if not 2 <= size <= places:
            return 0
        before = [self._all] * (places + 1)
        for number, letter in enumerate(query):
            found = 0
            after = [0] * (places + 1)
            for place in range(number, places - size + number + 1):
                found |= before[place] & self._at(place, letter)
                after[place + 1] = found
            if not found:
                return 0
            before = after
        return before[places]

    # --- by words --------------------------------------------------------------------------------------------------

    def _make_words(self) -> None:
        having: dict[str, list[int]] = {}
        for at, (key, each) in enumerate(zip(self._keys, self._listed, strict=True)):
            text = f"{each.description} {each.exchange} {each.source} {each.names} {each.symbol} {key}"
            for word in set(_words(text)):
                having.setdefault(word, []).append(at)
        self._words = sorted(having)
        for word in self._words:
            self._having.extend(having[word])
            self._starts.append(len(self._having))
        self._make_heavy(0, len(self._words), 0)

    def _make_heavy(self, first: int, end: int, depth: int) -> None:
        """Make the sets of beginnings of words that many symbols share, from beginnings of `depth` letters on."""
        if first < end and len(self._words[first]) == depth:
            first += 1  # the word that is the beginning itself
        while first < end:
            last = bisect_left(self._words, self._words[first][: depth + 1] + _LAST, first, end)
            if self._starts[last] - self._starts[first] > _HEAVY:
                if (first, last) not in self._heavy:
                    self._heavy[first, last] = self._bits(self._having[self._starts[first] : self._starts[last]])
                self._make_heavy(first, last, depth + 1)
            first = last

    def _bits(self, symbols: Iterable[int]) -> int:
        bits = bytearray(len(self._listed) // 8 + 1)
        for at in symbols:
            bits[at >> 3] |= 1 << (at & 7)
        return int.from_bytes(bits, "little")

    def _by_words(self, text: str) -> int:
        """Symbols of which each word of the query begins a word."""
        wide, few = self._all, None
        for word in _words(text)[:_WORDS_ASKED]:
            first = bisect_left(self._words, word)
            last = bisect_left(self._words, word + _LAST, first)
            heavy = self._heavy.get((first, last))
            if heavy is not None:
                wide &= heavy
                continue
            having = set(self._having[self._starts[first] : self._starts[last]])
            few = having if few is None else few & having
            if not few:
                return 0
        return wide if few is None else wide & self._bits(few)


def _letters(text: str) -> str:
    """A symbol or query as it is compared: capitals and digits, without accents and punctuation."""
    folded = text.upper()
    if not folded.isascii():
        folded = unicodedata.normalize("NFKD", folded).upper()
        folded = "".join(
            letter if letter.isascii() else _OTHER for letter in folded if letter.isascii() or letter.isalnum()
        )
        return "".join(letter for letter in folded if letter.isalnum() or letter == _OTHER)[:_DEPTH]
    return "".join(filter(str.isalnum, folded))[:_DEPTH]


def _words(text: str) -> list[str]:
    return _WORD.findall(text.upper())


def _lowest(bits: int, count: int) -> list[int]:
    """The numbers of the lowest `count` bits that are set."""
    found: list[int] = []
    if bits and count > 0:
        digits = f"{bits:b}"
        last = end = len(digits)
        while len(found) < count and (end := digits.rfind("1", 0, end)) >= 0:
            found.append(last - 1 - end)
    return found
