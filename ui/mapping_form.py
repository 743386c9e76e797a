"""A mapping written on the screen: which column is what, as the TOML that the adapter `table` reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from engine import intake, uploads
from engine.intake import Look, Seen
from engine.schema import Actor
from engine.uploads import Upload
from ui.components import card, told

WAYS = {"form": "Fill in", "text": "Edit as text"}
SECTORS = ["telecom", "retail", "other"]
PER = {"month": "a month", "total": "all the time covered"}
BEGIN = '''id = "customer_no"

[label]
column = "status"
positive = "cancelled"

[money]
column = "monthly_fee"
per = "month"'''


def mapping(upload: Upload, look: Look, actor: Actor) -> bool:
    """Have the mapping written and kept with the upload; whether it is complete."""
    with card("Which column is what", "Its ids, its money and who left; every other column is taken by type."):
        way = st.segmented_control("Write it", list(WAYS), default="text" if upload.mapping else "form", required=True,
                                   format_func=WAYS.__getitem__, key=f"data_way_{upload.token}",
                                   label_visibility="collapsed")
        with told():
            text = _form(upload.token, intake.customers_file(look)) if way == "form" else _text(upload)
            if text:
                _keep(upload, text, actor)
                return True
    return False


def _keep(upload: Upload, text: str, actor: Actor) -> None:
    intake.check_mapping(text)
    if upload.mapping is None or upload.mapping.read_text(encoding="utf-8") != text:
        uploads.put_mapping(upload.token, text, actor=actor)


def _text(upload: Upload) -> str:
    """The TOML itself: as it came, as the form wrote it, or an example to begin with."""
    before = upload.mapping.read_text(encoding="utf-8") if upload.mapping else BEGIN
    return st.text_area("Mapping (TOML)", before, height=260, key=f"data_toml_{upload.token}")


def _form(token: str, seen: Seen) -> str:
    """The mapping from lists of the file's columns; "" while a part is missing, and which."""
    likely = intake.likely(seen.columns)
    with st.grid(3, min_column_width=220):
        mapping = {"id": _column("Customer id", token, "id", seen.columns, likely)}
        label = _column("Who left", token, "label", seen.columns, likely)
        positive = st.selectbox("Its value for who left", intake.values_in(seen, label), None, accept_new_options=True,
                                key=f"data_map_positive_{token}", placeholder="choose or type", disabled=not label)
        money = {"column": _column("Money", token, "money", seen.columns, likely)}
        money["per"] = st.selectbox("The money of", list(PER), format_func=PER.__getitem__,
                                    key=f"data_map_per_{token}")
        days = st.number_input("Covering [days]", 1, 36_600, 365, key=f"data_map_period_{token}",
                               disabled=money["per"] == "month")
        mapping["tenure"] = _column("Tenure [months], if known", token, "tenure", seen.columns, likely)
        mapping["recency"] = _column("Days since last active, if known", token, "recency", seen.columns, {})
        mapping["sector"] = st.selectbox("Sector", SECTORS, len(SECTORS) - 1, key=f"data_map_sector_{token}",
                                         accept_new_options=True)
    mapping["ignored"] = st.multiselect("Leave out", seen.columns, key=f"data_map_ignored_{token}",
                                        placeholder="columns that say nothing, or only afterwards")
    parts = {"the customer id": mapping["id"], "who left": label, "its value": positive, "the money": money["column"]}
    missing = [what for what, value in parts.items() if not value]
    if missing:
        st.caption(f"Still to say: {', '.join(missing)}.")
        return ""
    more = {"period_days": days} if money["per"] == "total" else {}
    answer = {"column": label, "positive": positive}
    return intake.mapping_text({**mapping, "label": answer, "money": {**money, **more}})


def _column(title: str, token: str, part: str, columns: Sequence[str], likely: dict[str, str]) -> Any:
    """One of the file's columns, or none; the likely one to begin with."""
    first = columns.index(likely[part]) if likely.get(part) else None
    return st.selectbox(title, columns, first, key=f"data_map_{part}_{token}", placeholder="choose a column") or ""
