"""Who is signed in, as the gate has found out."""

from __future__ import annotations

from engine.schema import Actor

SIGN_OUT = "/auth/sign-out"


def signed_in() -> Actor | None:
    """The person behind this session, looked up anew in every run; None when the session has ended."""
    raise NotImplementedError


def to_sign_in() -> None:
    """Send the browser to the sign-in page and back here afterwards."""
    raise NotImplementedError
