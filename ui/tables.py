"""Tables of figures that are already words: readable heads, words to the left, figures to the right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st


def table(rows: Sequence[Mapping[str, str]], heads: Mapping[str, str], key: str, alt: str, words: int = 1) -> None:
    """Rows under readable heads, the first columns as words and the others as figures; what is wider scrolls."""
    ordered = [{name: row[name] for name in heads} for row in rows]
    columns = {name: st.column_config.TextColumn(head, alignment="left" if place < words else "right")
               for place, (name, head) in enumerate(heads.items())}
    st.dataframe(ordered, hide_index=True, key=key, alt=alt, height="content", column_config=columns)
