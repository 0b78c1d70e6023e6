"""The door's own codec: golden frames, and any bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.sandbox.fix_wire import build, cut
from tests.brokers.fix.raw import golden, wrap
from tests.brokers.fix.test_book import GOLDEN


@pytest.mark.parametrize("line", GOLDEN, ids=lambda line: line.split("|")[2] + "," + line.split("|")[3])
def test_golden_frame_is_read_and_written_again_to_the_byte(line: str) -> None:
    (frame,), rest = cut(golden(line))
    assert rest == b""
    assert build(frame[8], frame.kind, [field for field in frame.fields if field[0] not in (8, 9, 35, 10)]) == golden(
        line
    )


@given(noise=st.binary(max_size=200), size=st.integers(1, 50))
def test_door_reads_on_after_any_bytes(noise: bytes, size: int) -> None:
    data = noise + b"\x01" + wrap("FIX.4.2", "35=0|34=2|49=A|56=B|")
    buffer, kinds = b"", []
    for at in range(0, len(data), size):
        frames, buffer = cut(buffer + data[at : at + size])
        kinds += [frame.kind for frame in frames]
    assert kinds[-1:] == ["0"]
