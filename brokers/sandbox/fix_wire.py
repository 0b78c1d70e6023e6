"""FIX messages as the sandbox's door writes and reads them (`protocols/fix.md C1`). Pure; shares nothing with clients.

A frame with a wrong length or checksum, or whose first three fields are not 8, 9 and 35, is garbled: it is skipped and
its number is not consumed (C4 7).
"""

from datetime import UTC, datetime

Fields = list[tuple[int, str]]
END = "\x01"
_LARGEST = 100_000
_DATA = {90: 91, 93: 89, 95: 96, 212: 213, 348: 349, 350: 351, 352: 353, 354: 355, 356: 357, 358: 359, 360: 361}
"""Data fields, whose value may hold a field's end, by the field before them that says how long it is."""


class Frame:
    """One message that came in whole."""

    __slots__ = ("fields", "first")

    def __init__(self, fields: Fields) -> None:
        self.fields = fields
        self.first: dict[int, str] = {}
        for tag, value in fields:
            self.first.setdefault(tag, value)

    def __getitem__(self, tag: int) -> str:
        return self.first.get(tag, "")

    def __contains__(self, tag: int) -> bool:
        return tag in self.first

    @property
    def kind(self) -> str:
        return self.first.get(35, "")

    def number(self, tag: int) -> int:
        """A whole number of up to 18 digits; -1 when it is missing or none."""
        text = self.first.get(tag, "")
        return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else -1


def build(version: str, kind: str, fields: Fields) -> bytes:
    """A message with its length and checksum."""
    body = f"35={kind}{END}" + "".join(f"{tag}={value}{END}" for tag, value in fields)
    raw = body.encode("latin-1", "replace")
    head = f"8={version}{END}9={len(raw)}{END}".encode()
    return head + raw + f"10={sum(head + raw) & 255:03d}{END}".encode()


def cut(buffer: bytes) -> tuple[list[Frame], bytes]:
    """The whole messages at the start of `buffer`, and what is left of it for the next time."""
    frames: list[Frame] = []
    while True:
        start = buffer.find(b"8=FIX")
        if start < 0:
            return frames, buffer[-4:]
        buffer = buffer[start:]
        parts = buffer.split(b"\x01", 2)
        if len(parts) < 3:
            return (frames, buffer) if len(buffer) < 64 else (frames, _skip(buffer))
        length = parts[1].removeprefix(b"9=")
        if not parts[1].startswith(b"9=") or not length.isdigit() or len(length) > 6 or int(length) > _LARGEST:
            buffer = _skip(buffer)
            continue
        body_at = len(parts[0]) + len(parts[1]) + 2
        trailer_at = body_at + int(length)
        if len(buffer) < trailer_at + 7:
            return frames, buffer
        trailer = buffer[trailer_at : trailer_at + 7]
        right = f"10={sum(buffer[:trailer_at]) & 255:03d}\x01".encode()
        if trailer != right or buffer[body_at : body_at + 3] != b"35=" or buffer[trailer_at - 1] != 1:
            buffer = _skip(buffer)
            continue
        fields = _fields(buffer[: trailer_at + 7])
        buffer = buffer[trailer_at + 7 :]
        if fields is not None:
            frames.append(Frame(fields))


def _skip(buffer: bytes) -> bytes:
    following = buffer.find(b"\x018=FIX", 1)
    return buffer[following + 1 :] if following >= 0 else b""


def _fields(raw: bytes) -> Fields | None:
    text, at, wanted, size = raw.decode("latin-1"), 0, 0, 0
    fields: Fields = []
    while at < len(text):
        equals = text.find("=", at)
        name = text[at:equals]
        if equals < 0 or not (name.isascii() and name.isdigit() and len(name) <= 9):
            return None
        tag, begin = int(name), equals + 1
        end = begin + size
        if tag != wanted or text[end : end + 1] != END:
            end = text.find(END, begin)
        value = text[begin:end]
        fields.append((tag, value))
        wanted = _DATA.get(tag, 0)
        size = int(value) if wanted and value.isascii() and value.isdigit() and len(value) <= 6 else 0
        wanted = wanted if size else 0
        at = end + 1
    return fields


def timestamp(at_ns: int) -> str:
    """``20261121-02:19:48.541``, UTC."""
    at = datetime.fromtimestamp(at_ns // 1_000_000_000, UTC)
    return f"{at:%Y%m%d-%H:%M:%S}.{at_ns // 1_000_000 % 1000:03d}"


def seconds_of(text: str) -> float | None:
    """Seconds since the epoch of a timestamp, with or without a fraction; None when it is none."""
    for form in ("%Y%m%d-%H:%M:%S.%f", "%Y%m%d-%H:%M:%S"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue
    return None
