"""Text, themes and the key table: what every pane rests on."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.color import Color, ColorSystem

from tui import theme
from tui.keymap import CONTEXTS, KEYS, key_table_markdown
from tui.paint import PaintClock
from tui.text import age, average, clean, clock_time, fit, millis, money, price

PAIRS = [
    (look, back)
    for back in ("desk-back", "desk-cursor-back", "desk-cursor-blurred-back")
    for look in ("up", "down", "good", "warn", "dim", "strong", "leader", "accent", "plain")
] + [("title", "desk-title-back"), ("focus", "desk-focus-back"), ("alarm", "desk-alarm-back")]


def luminance(rgb: tuple[int, int, int]) -> float:
    parts = [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in rgb]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(a: tuple[int, int, int], b: tuple[int, int, int]) -> float:
    brighter, darker = sorted((luminance(a), luminance(b)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("system", [ColorSystem.TRUECOLOR, ColorSystem.EIGHT_BIT, ColorSystem.STANDARD])
@pytest.mark.parametrize("name", sorted(theme.themes()))
def test_every_theme_reads_in_24_bit_256_and_16_colours(name: str, system: ColorSystem) -> None:
    file = theme.themes()[name]
    colours = {**file.looks, "desk-back": file.background, "desk-plain": file.foreground}
    least = {ColorSystem.TRUECOLOR: 3.0, ColorSystem.EIGHT_BIT: 2.5, ColorSystem.STANDARD: 1.5}[system]
    poor: list[str] = []
    for look, back in PAIRS:
        front_rgb, back_rgb = (
            Color.parse(colours[key]).downgrade(system).get_truecolor() for key in (f"desk-{look}", back)
        )
        ratio = contrast(front_rgb, back_rgb)
        if ratio < least:
            poor.append(f"{look} on {back}: {ratio:.1f}")
    assert not poor


def test_there_are_a_dark_a_light_and_a_colour_blind_theme() -> None:
    assert list(theme.themes()) == ["desk", "deuteranopia", "light"]
    assert theme.themes()["desk"].dark and not theme.themes()["light"].dark


@given(st.text())
def test_clean_text_is_printable_and_harmless(text: str) -> None:
    cleaned = clean(text)
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 or 0x202A <= ord(c) <= 0x202E for c in cleaned)


@pytest.mark.parametrize(
    ("dirty", "left"),
    [
        ("plain", "plain"),
        ("a\x1b[31mb\x1b[0mc", "abc"),
        ("a\x1b]0;title\x07b", "ab"),
        ("a\x1b]52;c;aGk=\x1b\\b", "ab"),
        ("a\x1bPdevice\x1b\\b", "ab"),
        ("two\nlines\tand", "two lines and"),
        ("[bold]x[/]", "[bold]x[/]"),
        ("ünïcode ♛", "ünïcode ♛"),
    ],
)
def test_escape_sequences_are_removed_whole(dirty: str, left: str) -> None:
    assert clean(dirty) == left


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=0x9FFF), max_size=30), st.integers(1, 40))
def test_fitted_text_has_exactly_its_width(text: str, width: int) -> None:
    assert cell_len(fit(clean(text), width)) == width


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (money(Decimal("1234.5")), "▲ +1,234.50"),
        (money(Decimal("-0.5")), "▼ -0.50"),
        (money(Decimal(0)), "0.00"),
        (money(Decimal("NaN")), "?"),
        (price(Decimal("4812.5")), "4,812.50"),
        (price(Decimal("110.015625")), "110.015625"),
        (price(None), ""),
        (average(Decimal(10) / 3), "3.3333"),
        (millis(0.544), "0.54"),
        (millis(12.34), "12.3"),
        (millis(950.2), "950"),
        (millis(2500.0), "2.5s"),
        (millis(-1.0), "-"),
        (age(4), ""),
        (age(37), "30s"),
        (age(130), "2m"),
        (clock_time(1_703_500_200_123_000_000, millis_too=True), "10:30:00.123"),
        (clock_time(0), ""),
    ],
)
def test_numbers_are_shown_as_a_trader_reads_them(shown: str, expected: str) -> None:
    assert shown == expected


def test_every_key_has_one_meaning_in_its_context_and_a_line_in_the_key_page() -> None:
    page = key_table_markdown()
    for context, heading in CONTEXTS.items():
        names = [name for key in KEYS if key.context == context for name in key.keys.split(",")]
        assert len(names) == len(set(names))
        assert f"**{heading}**" in page
    for key in KEYS:
        assert f"| `{key.shown}` | {key.description} | {key.tooltip} |" in page


def test_no_key_needs_what_tmux_and_plain_terminals_do_not_send() -> None:
    for key in KEYS:
        for name in key.keys.split(","):
            assert not name.startswith(("ctrl+shift+", "ctrl+enter", "alt+", "super+"))


def test_the_paint_clock_paints_each_pane_at_its_rate_and_nothing_while_on_hold() -> None:
    now_s = 0.0
    clock = PaintClock(lambda: now_s)
    painted = {"fast": 0, "slow": 0}

    def paint(name: str) -> None:
        painted[name] += 1

    clock.add(lambda: paint("fast"), 20)
    clock.add(lambda: paint("slow"), 4)
    for _ in range(20):
        clock.tick(hold=False)
        now_s += 0.05
    assert painted == {"fast": 20, "slow": 4}
    for _ in range(20):
        clock.tick(hold=True)
        now_s += 0.05
    assert painted == {"fast": 20, "slow": 4}
    now_s += 0.25
    clock.tick(hold=False)
    assert clock.max_lag_ms == pytest.approx(250)
