"""Every pane looks as it was last looked at and found good, at three sizes in three themes (`pictures.py`)."""

import gzip
from pathlib import Path

import pytest

from tests.tui.pictures import SIZES, drawn, file_of
from tui.theme import themes


@pytest.mark.parametrize("theme", themes())
@pytest.mark.parametrize(("width", "height"), SIZES)
async def test_every_pane_is_drawn_as_its_picture(theme: str, width: int, height: int, tmp_path: Path) -> None:
    changed: list[str] = []
    async for pane, picture in drawn(theme, width, height):
        kept = file_of(theme, width, height, pane)
        if not kept.exists() or gzip.decompress(kept.read_bytes()).decode() != picture:
            changed.append(pane)
            (tmp_path / f"{pane}.svg").write_text(picture)
    assert changed == [], f"look at them in {tmp_path}; if they are good, python -m tests.tui.pictures keeps them"
