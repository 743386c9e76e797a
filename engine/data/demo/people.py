"""Invented people: ids, names, and addresses that can reach nobody; and the writing of raw files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd


def _words(text: str) -> np.ndarray:
    return np.array(text.split())


WOMEN = _words("""Ada Amara Anneke Beatriz Bronwen Chiara Dalia Edith Elif Fatima Freya Greta Hana Ines Ioana Jasmin
Kaja Leila Linnea Maren Mei Nadia Noor Olga Paula Priya Rosa Saskia Sofia Tamsin Uma Vera Wanda Yara Zoe""")
MEN = _words("""Aaron Akira Anton Boris Bruno Callum Daan Dario Emil Farid Felix Goran Hugo Ibrahim Ivan Jonas Kofi
Lars Leon Luca Malik Marek Nikos Omar Oscar Pavel Quentin Rafael Ravi Silas Stefan Tariq Tomas Viktor Yusuf""")
FAMILIES = _words("""Abbas Adler Almeida Andersen Banerjee Bauer Berg Bianchi Borg Castro Chen Cohen Cruz Dahl Diaz
Dubois Eriksen Falk Ferrari Fischer Garcia Georgiou Haas Hansen Hassan Horvat Ito Ivanova Jansen Kaya Keller Khan Kim
Kovacs Kowalski Larsen Lindqvist Lopez Mbeki Meyer Moreau Nagy Novak Okafor Olsen Park Patel Pereira Petrov Quist
Rossi Ruiz Santos Sato Schmidt Silva Singh Sorensen Tanaka Tran Vogel Walsh Weber Wouters Yilmaz Zhang""")
DOMAINS = np.array(["example.com", "example.net", "example.org"])
LETTERS = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
CONSENT = {"consent_email": 0.82, "consent_sms": 0.55, "consent_phone": 0.45}


def ids(count: int, rng: np.random.Generator) -> np.ndarray:
    """So many different ids of the form "4821-QZKHT", in no order that means anything.

    >>> drawn = ids(1000, np.random.default_rng(0))
    >>> len(set(drawn)), len(drawn[0])
    (1000, 10)
    """
    space = 9000 * 26**5
    drawn = pd.unique(rng.integers(0, space, size=count + count // 50 + 50))[:count]
    letters = LETTERS[(drawn[:, None] // 26 ** np.arange(5)) % 26]
    words = (f"{1000 + n // 26**5}-{''.join(word)}" for n, word in zip(drawn, letters, strict=True))
    return np.array(list(words), dtype=object)


def contacts(count: int, rng: np.random.Generator, women: np.ndarray | None = None) -> pd.DataFrame:
    """Contact columns of so many invented people: example.* addresses, 555-01xx numbers, and what they consent to.

    >>> contacts(2, np.random.default_rng(0)).columns.tolist()[:4]
    ['first_name', 'last_name', 'email', 'phone']
    """
    women = rng.random(count) < 0.5 if women is None else women
    first = np.where(women, rng.choice(WOMEN, count), rng.choice(MEN, count)).astype(object)
    last = rng.choice(FAMILIES, count).astype(object)
    number, domain = np.arange(count).astype(str).astype(object), rng.choice(DOMAINS, count).astype(object)
    local = pd.Series(first + "." + last).str.lower().to_numpy()
    phone = [f"+1{area}5550{line}" for area, line in zip(rng.integers(201, 990, count), rng.integers(100, 200, count),
                                                        strict=True)]
    consent = {name: (rng.random(count) < share).astype(int) for name, share in CONSENT.items()}
    return pd.DataFrame({"first_name": first, "last_name": last, "email": local + "." + number + "@" + domain,
                         "phone": phone, **consent})


def write_csv(frame: pd.DataFrame, path: Path) -> Path:
    """The frame as CSV: moments as "2025-03-28 09:15:00", missing values empty, Unix line ends on every machine."""
    moments = frame.select_dtypes("datetime").columns
    text = {name: np.datetime_as_string(frame[name].to_numpy().astype("datetime64[s]")) for name in moments}
    plain = frame.assign(**{name: pd.Series(value, frame.index).str.replace("T", " ") for name, value in text.items()})
    plain.to_csv(path, index=False, lineterminator="\n", encoding="utf-8")
    return path
