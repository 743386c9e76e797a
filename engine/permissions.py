"""Who may do what: every verb that changes or reveals something asks here first, whoever calls it."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping

from engine.errors import Refused, choose
from engine.schema import Actor

ACTOR = "HOLDFAST_ACTOR"
ROLES = ("executive", "marketer", "manager", "admin")

EVERYONE = frozenset(ROLES)
CAMPAIGNERS = frozenset({"marketer", "manager", "admin"})
MANAGERS = frozenset({"manager", "admin"})
ADMINS = frozenset({"admin"})

ALLOWED: Mapping[str, frozenset[str]] = {
    "datasets": EVERYONE,      # names, counts, findings
    "models": EVERYONE,        # cards: figures about all customers together
    "runs": EVERYONE,          # when what was scored, by which model
    "overview": EVERYONE,      # aggregates of the scores
    "jobs": EVERYONE,          # what is under way
    "predict": CAMPAIGNERS,    # one customer
    "score": CAMPAIGNERS,      # a file of customers
    "customers": CAMPAIGNERS,  # a list of customers
    "contact": CAMPAIGNERS,    # names, addresses, numbers
    "export": CAMPAIGNERS,     # a list that leaves the building
    "plan": CAMPAIGNERS,       # whom to contact with what
    "recommend": CAMPAIGNERS,  # one customer
    "campaigns": EVERYONE,     # which campaigns there are, what they cost and what they brought: no single customer
    "campaign": CAMPAIGNERS,   # any of the following as a background job
    "draft": CAMPAIGNERS,      # write a plan down as a campaign
    "approve": CAMPAIGNERS,    # a campaign's spend, up to the limit
    "approve_spend": MANAGERS,  # above the limit, of somebody else's campaign
    "launch": CAMPAIGNERS,     # book the approved campaign
    "outcomes": CAMPAIGNERS,   # what became of a campaign's customers
    "close": CAMPAIGNERS,      # end a campaign, or withdraw it
    "feedback": CAMPAIGNERS,   # what was done for one customer
    "suppress": CAMPAIGNERS,   # who must not be contacted
    "desk": CAMPAIGNERS,       # the save desk's worklist
    "budget": MANAGERS,        # what campaigns may spend
    "rules": MANAGERS,         # holdout, contact caps, quiet hours, the save desk's day
    "spend_limit": ADMINS,     # above which a second person approves: not moved by those whom it binds
    "write": CAMPAIGNERS,      # have a language model asked for words
    "answer": MANAGERS,        # a severe finding has been looked at
    "playbook": MANAGERS,      # the company's own copy is changed
    "erase": ADMINS,           # a dataset or a customer, everywhere
    "backup": ADMINS,
    "restore": ADMINS,
    "users": ADMINS,           # who may sign in, in which role
    "demo": MANAGERS,
    "onboard": MANAGERS,
    "open_path": ADMINS,       # on a screen, files that lie on the server
    "train": MANAGERS,
    "run": MANAGERS,           # onboard, train and score
    "correct": MANAGERS,       # try a correction of the events, and keep it
    "promote": MANAGERS,       # another model in use, the rule for it, old ones retired
    "rollback": MANAGERS,
    "cancel": MANAGERS,
    "audit": ADMINS,
}


def allow(actor: Actor, verb: str) -> None:
    """Let the actor do it, or raise Refused with the roles that may.

    >>> allow(Actor("ana", "manager"), "run")
    >>> allow(Actor("eve", "executive"), "predict")
    Traceback (most recent call last):
    engine.errors.Refused: eve (executive) may not predict. It takes one of the roles: marketer, manager, admin.
    """
    roles = choose("verb", verb, ALLOWED)
    if actor.role not in roles:
        able = ", ".join(role for role in ROLES if role in roles)
        raise Refused(f"{actor.id} ({actor.role}) may not {verb}. It takes one of the roles: {able}.")


def may(actor: Actor, verb: str) -> bool:
    """Whether the actor's role allows the verb.

    >>> may(Actor("eve", "executive"), "contact")
    False
    """
    return actor.role in choose("verb", verb, ALLOWED)


def acting() -> Actor:
    """Who acts on this command line: HOLDFAST_ACTOR as "id:role" (set for jobs), else this machine's user as admin."""
    name, separator, role = os.environ.get(ACTOR, "").rpartition(":")
    return Actor(name, role) if separator else Actor(getpass.getuser(), "admin")
