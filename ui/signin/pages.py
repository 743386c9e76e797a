"""The pages as text: one frame, one file for the middle of each, every value escaped, the app's own colours."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import quote

import streamlit

from ui.look import DARK, LIGHT, Look

HERE = Path(__file__).resolve().parent
MARK = (HERE.parent / "static" / "mark.svg").read_text(encoding="utf-8").strip()
MESSAGES = {"problem": '<p class="problem" role="alert">{}</p>', "note": '<p class="note" role="status">{}</p>'}


def page(middle: str, title: str, /, **values: str) -> str:
    """A whole page: the middle of that name, its values escaped; `problem` and `note` are left out where empty."""
    shown = {kind: shape.format(escape(said)) if (said := values.get(kind, "")) else ""
             for kind, shape in MESSAGES.items()}
    content = _template(f"{middle}.html").substitute({key: escape(value) for key, value in values.items()} | shown)
    return _template("frame.html").substitute(title=escape(title), style=STYLE, mark=MARK, icon=quote(MARK),
                                              middle=content)


def _template(name: str) -> Template:
    return Template((HERE / name).read_text(encoding="utf-8"))


def _colours(look: Look) -> str:
    named = {"background": look.background, "surface": look.surface, "border": look.border, "text": look.text,
             "muted": look.muted, "accent": look.accent, "loss": look.loss}
    return " ".join(f"--{name}: {colour};" for name, colour in named.items())


def _font() -> str:
    """The address of the app's own typeface, which Streamlit brings along; the app finds it loaded afterwards."""
    folder = Path(streamlit.__file__).parent / "static"
    found = sorted(folder.glob("static/media/SourceSansVF-Upright*.woff2"))
    return f"/{found[0].relative_to(folder).as_posix()}" if found else ""


FONT = _font()
STYLE = _template("style.css").substitute(light=_colours(LIGHT), dark=_colours(DARK), font=FONT)
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; "
          "img-src data:; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
