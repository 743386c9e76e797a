"""The colours: people who see fewer of them tell segments and risk apart, words stand out, the theme is the charts'.

Simulations after Machado, Oliveira and Fernandes (2009), severity 1.0, in linear RGB; distances are CIE 1976.
"""

from __future__ import annotations

import tomllib
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from ui.look import LOOKS, Look

CONFIG = Path(__file__).resolve().parents[1] / ".streamlit" / "config.toml"
SIGHTS = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
                   [0.0193339, 0.1191920, 0.9503041]])
WHITE = TO_XYZ @ np.ones(3)
AT_A_GLANCE = 10.0  # a difference that is seen without holding the two beside each other; 2.3 is just noticeable
READABLE = 4.5      # WCAG 2.2 AA


def linear(colour: str) -> np.ndarray:
    """The colour's linear RGB [0..1]."""
    channels = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """Lightness, green to red, blue to yellow."""
    part = TO_XYZ @ np.clip(rgb, 0, 1) / WHITE
    x, y, z = np.where(part > (6 / 29) ** 3, np.cbrt(part), part / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def seen(colour: str, sight: str) -> np.ndarray:
    return lab(np.array(SIGHTS[sight]) @ linear(colour))


def contrast(one: str, other: str) -> float:
    """The ratio of luminances as WCAG defines it [1..21]."""
    dark, light = sorted(float(TO_XYZ[1] @ linear(colour)) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def test_the_yardsticks_measure_what_is_published() -> None:
    assert lab(linear("#FF0000")) == pytest.approx([53.24, 80.09, 67.20], abs=0.02)
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21.0)
    for sight in SIGHTS:
        assert seen("#808080", sight) == pytest.approx(lab(linear("#808080")), abs=0.01), "Grey stays grey."
    green, red = (seen(colour, "deuteranopia") for colour in ("#BFA000", "#E08000"))
    assert np.linalg.norm(green - red) < np.linalg.norm(lab(linear("#BFA000")) - lab(linear("#E08000"))) / 2


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_segments_and_risk_bands_are_told_apart(look: Look, sight: str) -> None:
    for named in (look.segments, look.risk):
        for one, other in combinations(named, 2):
            apart = float(np.linalg.norm(seen(named[one], sight) - seen(named[other], sight)))
            assert apart >= AT_A_GLANCE, f"{one} and {other} look alike: {apart:.1f}"


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_words_stand_out(look: Look) -> None:
    for paper in (look.background, look.surface):
        for ink in (look.text, look.muted, look.accent):
            assert contrast(ink, paper) >= READABLE, f"{ink} on {paper}"


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_charts_stand_on_the_themes_own_surface(look: Look) -> None:
    theme = tomllib.loads(CONFIG.read_text(encoding="utf-8"))["theme"][look.name]
    assert theme["backgroundColor"] == look.surface
    assert theme["primaryColor"] == look.accent
    assert theme["borderColor"] == look.border
    for paper in (theme["backgroundColor"], theme["secondaryBackgroundColor"], theme["sidebar"]["backgroundColor"]):
        for ink in ("textColor", "grayTextColor", "codeTextColor", "linkColor"):
            assert contrast(theme[ink], paper) >= READABLE, f"{ink} on {paper}"


def mixed(ink: str, paper: str, opacity: float) -> str:
    """The colour that one sees where the ink lies over the paper."""
    pairs = [(int(ink[at : at + 2], 16), int(paper[at : at + 2], 16)) for at in (1, 3, 5)]
    return "#" + "".join(f"{round(opacity * over + (1 - opacity) * under):02X}" for over, under in pairs)


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_what_is_chosen_stands_out_while_it_is_pointed_at(look: Look) -> None:
    assert mixed("#1F6F78", "#FFFFFF", 0.2) == "#D2E2E4"
    tint = mixed(look.accent, look.surface, 0.2)  # Streamlit's own, of a chosen button under the pointer
    assert contrast(look.accent, tint) >= READABLE
