"""Admin: who may do what, what was done, and a copy of it all."""

import streamlit as st

from ui import admin_parts, session

VIEWS = {"People": admin_parts.people, "Audit log": admin_parts.log, "Backup": admin_parts.keeping}

actor = session.signed_in()
if actor is None:
    st.rerun()
admin_parts.head(actor)
view = st.segmented_control("Show", list(VIEWS), default="People", required=True, key="admin_view", bind="query-params",
                            label_visibility="collapsed")
VIEWS[view or "People"](actor)
