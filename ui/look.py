"""The colours, once: what each means, in light and in dark. Colour-blind readers tell risk and segments apart too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Look:
    """One theme's colours. `risk` by band, `segments` by name; `gain` and `loss` never stand without a sign."""

    name: str
    background: str
    surface: str
    border: str
    text: str
    muted: str
    accent: str
    risk: Mapping[str, str]
    segments: Mapping[str, str]
    gain: str
    loss: str

    def faded(self, colour: str, opacity: float = 0.2) -> str:
        """The colour, transparent: for bands around a line.

        >>> LIGHT.faded("#1D6A73")
        'rgba(29, 106, 115, 0.2)'
        """
        red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
        return f"rgba({red}, {green}, {blue}, {opacity:g})"


LIGHT = Look(
    "light", background="#FAFAF8", surface="#FFFFFF", border="#E4E4DF", text="#1C2430", muted="#667085",
    accent="#1D6A73", risk={"LOW": "#3A8F7B", "MEDIUM": "#D99A2B", "HIGH": "#C8443C"},
    segments={"Champion": "#2B4C9B", "At-Risk VIP": "#C8443C", "Promising": "#6C8FD6", "Vulnerable": "#E08A3C",
              "Hibernating": "#9AA5B1", "Losing Customer": "#B08A86"},
    gain="#3A8F7B", loss="#C8443C",
)
DARK = Look(
    "dark", background="#12161C", surface="#12161C", border="#2B333E", text="#E8ECF1", muted="#98A2B3",
    accent="#4FB3BF", risk={"LOW": "#5BB89F", "MEDIUM": "#E5B252", "HIGH": "#E8756D"},
    segments={"Champion": "#6683CC", "At-Risk VIP": "#E8756D", "Promising": "#93ADE3", "Vulnerable": "#EBA666",
              "Hibernating": "#B4BDC7", "Losing Customer": "#C6A8A4"},
    gain="#5BB89F", loss="#E8756D",
)
LOOKS = {look.name: look for look in (LIGHT, DARK)}
