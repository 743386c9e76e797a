"""E-mail addresses that tools take, and a way to show what was wrong with one without showing it."""

from __future__ import annotations

import re
from functools import lru_cache

LOCAL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9!#$%&'*+/=?^_`{|}~-]*(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
TOP = re.compile(r"[a-z]{2,63}|xn--[a-z0-9-]{2,59}")
LONGEST, LONGEST_LOCAL = 254, 64


@lru_cache(maxsize=65_536)
def e_mail(text: str) -> tuple[str, str]:
    """The address in the form that tools compare, all lower case, and "", or "" and why it is none.

    Pragmatic, as the tools are: dot-atoms of RFC 5322 without quotes and comments, a domain with a dot whose top level
    is letters, at most 254 characters; domains in other alphabets become their ASCII form. It must begin with a letter,
    a digit or an underscore, so that no spreadsheet takes it for a formula.

    >>> e_mail(" Ann.Doe+x@Example.ORG "), e_mail("ann@bücher.example"), e_mail("ann@localhost")
    (('ann.doe+x@example.org', ''), ('ann@xn--bcher-kva.example', ''), ('', 'its domain is not complete'))
    """
    text = re.sub(r"^mailto:", "", text.strip(), flags=re.IGNORECASE)
    local, at, domain = text.rpartition("@")
    if not text:
        return "", "empty"
    if not at or not local or "@" in local:
        return "", "not an e-mail address"
    if not LOCAL.fullmatch(local) or len(local) > LONGEST_LOCAL:
        return "", "a character before the @ that tools do not take"
    try:
        domain = domain.encode("idna").decode().lower()
    except UnicodeError:
        return "", "its domain is not one"
    *labels, top = domain.split(".")
    if not labels or not TOP.fullmatch(top):
        return "", "its domain is not complete"
    if not all(LABEL.fullmatch(label) for label in labels) or len(text) > LONGEST:
        return "", "its domain is not one"
    return f"{local}@{domain}".lower(), ""


def masked(value: object) -> str:
    """Enough to find the value again in one's own data, not enough to use it.

    >>> masked("ann@example,org"), masked("+49"), masked(None)
    ('a…g (15 characters)', '… (3 characters)', '')
    """
    text = "" if value is None or value != value else str(value)
    shown = f"{text[0]}…{text[-1]}" if len(text) > 4 else "…"
    return f"{shown} ({len(text)} characters)" if text else ""
