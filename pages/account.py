"""Your account: who you are here, what your role may see and do, and your password."""

import streamlit as st

from ui import roles, session
from ui.components import card, escaped, told

actor = session.signed_in()
if actor is None:
    st.rerun()

st.title("Your account", anchor=False)
st.markdown(f"You are **{escaped(actor.id)}**, in the role **{actor.role}**. An admin can change the role.")
left, right = st.columns(2)
with left, card("What your role may"):
    for words, may in roles.may(actor.role).items():
        st.markdown(f":material/check: {words}" if may else f":gray[:material/remove: {words}: not in your role]")
with right, card("Change your password", "At least 12 characters; a sentence is easy to remember. All your sessions "
                                         "end, and you sign in with the new one."):
    with st.form("account_password", border=False):
        old = st.text_input("Password now", type="password", key="account_old", autocomplete="current-password")
        new = st.text_input("New password", type="password", key="account_new", autocomplete="new-password")
        again = st.text_input("New password again", type="password", key="account_again", autocomplete="new-password")
        asked = st.form_submit_button("Change password", type="primary", key="account_change")
    if asked and new != again:
        st.error("The two new passwords are not the same. Type them again.", icon=":material/error:")
    elif asked:
        with told():
            session.change_password(old, new, actor)
