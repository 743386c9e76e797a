"""How long a text is as an SMS: counted in the units that networks count, in the alphabet that the text needs.

The GSM 7 bit default alphabet and its extension table are those of 3GPP TS 23.038, section 6.2.1; a character of the
extension takes two septets. One character outside of both makes the whole text UCS-2, of which 70 units fit, and what
lies beyond the basic plane, such as an emoji, takes two.
"""

from __future__ import annotations

from dataclasses import dataclass

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = frozenset("\f^{}\\[~]|€")
MOST_SEPTETS, MOST_UCS2 = 160, 70
TYPOGRAPHY = str.maketrans({
    "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u2013": "-",
    "\u2014": "-", "\u2010": "-", "\u2011": "-", "\u2212": "-", "\u2026": "...", "\u00a0": " ", "\u202f": " ",
    "\u2009": " ", "\u2022": "-", "\t": " ",
})


@dataclass(frozen=True)
class Length:
    """A text's length: units counted, how many of them one message holds, and in which alphabet."""

    units: int
    most: int
    alphabet: str

    @property
    def fits(self) -> bool:
        """Whether one message holds it."""
        return self.units <= self.most


def length(text: str) -> Length:
    """The text's length as one SMS.

    >>> length("5 € off"), length("Grüße, Ω"), length("Łódź")
    (Length(units=8, most=160, alphabet='GSM-7'), Length(units=8, most=160, alphabet='GSM-7'),
     Length(units=4, most=70, alphabet='UCS-2'))
    >>> length("Hi 👋").units
    5
    """
    if all(letter in BASIC or letter in EXTENSION for letter in text):
        return Length(sum(2 if letter in EXTENSION else 1 for letter in text), MOST_SEPTETS, "GSM-7")
    return Length(len(text.encode("utf-16-le", "surrogatepass")) // 2, MOST_UCS2, "UCS-2")


def plainly(text: str) -> str:
    """The text with typewriter quotes, dashes and spaces, which cost nothing, instead of those that make it UCS-2.

    >>> plainly("We’re here – always…")
    "We're here - always..."
    """
    return text.translate(TYPOGRAPHY)
