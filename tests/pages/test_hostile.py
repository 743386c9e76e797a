"""What an uploaded file is called and what it holds is neither run nor rendered, nor written outside data/."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import pytest

from engine import uploads
from tests.pages.app import healthy, open_app

PAGE, BRING = "data.py", "Bring your own"
NAMES = ("<script>alert(1)</script>.csv", "../../x.csv", "=cmd|' -C calc'!A1.csv", "a\u202evsc.exe.csv",
         "[x](javascript:alert(1)).csv")
BODY = ("customer_id,<b>bold</b>,=1+1\n=cmd|' /C calc'!A1,<img src=x onerror=alert(1)>,[x](javascript:alert(1))\n"
        "2,<script>alert(1)</script>,../../etc/passwd\n")
MARKUP = ("<script", "<img", "<b>bold", "](javascript")


def outside(home: Path) -> set[Path]:
    """The files beside data/."""
    return {path for path in home.parent.rglob("*") if path.is_file() and home / "data" not in path.parents}


@pytest.mark.parametrize("name", [*NAMES, "zipped.zip"])
def test_names_and_cells_are_text_and_stay_inside(home: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    body, before = BODY.encode(), outside(home)
    if name.endswith(".zip"):
        inner = io.BytesIO()
        with zipfile.ZipFile(inner, "w") as archive:
            archive.writestr("<script>alert(1)</script>.csv", body)
            archive.writestr("<img src=x onerror=alert(1)>.md", b"left out")
        body = inner.getvalue()
    app = open_app(monkeypatch, "manager", PAGE, data_view=BRING)
    app = healthy(app.file_uploader[0].upload(name, body, "text/csv").run())
    [upload] = uploads.every()
    [kept] = upload.sources
    assert kept.parent == upload.folder / "files" and not set("<>|'=\u202e()[]!") & set(kept.name)
    assert outside(home) == before, "Something was written outside data/."
    shown = [*app.markdown, *app.caption, *app.info, *app.error, *app.warning, *app.success]
    rendered = [element.value for element in shown if getattr(element.proto, "allow_html", False)]
    assert not [value for value in rendered if any(mark in value for mark in MARKUP)]
    labels = [*(element.value for element in shown), *(str(expander.label) for expander in app.expander)]
    plain = [re.sub(r"\\.", "", text) for text in labels]
    assert not [text for text in plain if any(mark in text for mark in MARKUP)], "It is escaped where it is shown."
