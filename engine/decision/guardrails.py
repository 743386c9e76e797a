"""What forbids an offer that could be made: each guardrail with its reason, told in words for every skip."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from engine.decision.consents import CONSENTS, unsaid
from engine.decision.economics import Priced, learned_error
from engine.decision.effects import Z90
from engine.decision.treatments import Allowed, Playbook, Range, Treatment
from engine.schema import Column

ADDRESS = {"email": "e-mail address", "sms": "telephone number", "phone": "telephone number"}
AGREED = {"email": "be written to by e-mail", "sms": "be written to by SMS", "phone": "be called"}
KNOWN = "known_"
SUPPRESSED = "suppressed_"
UNREACHED = "unreached_"


@dataclass(frozen=True)
class Guard:
    """A guardrail. blocks: (n, k) or (n, 1), where it forbids. says: why, of one customer and treatment.

    asked: whether somebody could choose to do without it; the others are facts.
    """

    title: str
    blocks: Callable[[Priced, Playbook], np.ndarray]
    says: Callable[[Priced, Playbook, int, int], str]
    asked: bool = True


def _left(priced: Priced, _book: Playbook) -> np.ndarray:
    return np.asarray(priced.people["has_left"].fillna(0).to_numpy(dtype=float)[:, None] == 1)


def _held(priced: Priced, _book: Playbook) -> np.ndarray:
    return np.asarray((priced.people["hold_back"].fillna("") != "").to_numpy()[:, None])


def _unfit(priced: Priced, _book: Playbook) -> np.ndarray:
    return np.column_stack([~fits(treatment, priced.people) for treatment in priced.treatments])


def _refused(priced: Priced, _book: Playbook) -> np.ndarray:
    """No agreement to the channel, or it is closed by the suppression list; what is not known is no agreement, what the
    data hold of no channel is not asked."""
    return np.column_stack([_disagrees(priced.people, treatment.channel)
                            | _marked(priced.people, SUPPRESSED + treatment.channel)
                            for treatment in priced.treatments])


def _disagrees(people: pd.DataFrame, channel: str) -> np.ndarray:
    column = KNOWN + CONSENTS.get(channel, "")
    if column in people:
        return np.asarray(~(people[column].fillna(0).to_numpy(dtype=float) == 1))
    return np.full(len(people), _unsaid(people, channel))


def _unsaid(people: pd.DataFrame, channel: str) -> bool:
    return unsaid(channel, [str(name).removeprefix(KNOWN) for name in people])


def _unreached(priced: Priced, _book: Playbook) -> np.ndarray:
    """No address for the channel; not asked where the data hold no addresses of any kind."""
    return np.column_stack([_marked(priced.people, UNREACHED + treatment.channel) for treatment in priced.treatments])


def _no_address(priced: Priced, _book: Playbook, _row: int, column: int) -> str:
    return f"The data hold no {ADDRESS[priced.treatments[column].channel]} of the customer."


def _marked(people: pd.DataFrame, name: str) -> np.ndarray:
    """Whom the people's column of that name marks, such as suppressed_<channel>; nobody where there is none."""
    return np.asarray(people.get(name, pd.Series(False, people.index)), dtype=bool)


def _no_consent(priced: Priced, _book: Playbook, row: int, column: int) -> str:
    channel = priced.treatments[column].channel
    reached = AGREED.get(channel, f"be reached by {channel}")
    closed = _marked(priced.people.iloc[[row]], SUPPRESSED + channel)[0]
    if closed:
        return f"The customer is on the suppression list and must not {reached}."
    if _unsaid(priced.people, channel):
        return f"The data do not say that anybody agreed to {reached} (no column {CONSENTS[channel]})."
    return f"The customer has not agreed to {reached}."


def _barred(priced: Priced, _book: Playbook) -> np.ndarray:
    found = np.zeros((len(priced.people), 1), dtype=bool)
    for mask in priced.barred.values():
        found = found | mask
    return found


def _why_barred(priced: Priced, _book: Playbook, row: int, column: int) -> str:
    found = (why for why, mask in priced.barred.items() if np.broadcast_to(mask, priced.margin.shape)[row, column])
    return f"The contact rules forbid it now: {next(found)}."


def _dogs(priced: Priced, book: Playbook) -> np.ndarray:
    """No uplift expected; and whoever every learned offer is expected to drive away is asked nothing at all."""
    driven = (priced.moves <= 0) & priced.modelled.any()
    return ((priced.uplift <= 0) | driven[:, None]) & book.guardrails.sleeping_dogs


def _poor(priced: Priced, book: Playbook) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.asarray(priced.margin < book.guardrails.least_roi * priced.cost)


def _slow(priced: Priced, book: Playbook) -> np.ndarray:
    return priced.payback_days() > book.guardrails.payback_days


def _dear(priced: Priced, book: Playbook) -> np.ndarray:
    return priced.cost > book.guardrails.most_of_ltv * priced.worth[:, None]


GUARDS: Mapping[str, Guard] = {
    "left": Guard("Has left already", _left, lambda *_: "The customer has left already: win back, not retain.", False),
    "held": Guard("Held back", _held, lambda priced, _b, row, _c: str(priced.people["hold_back"].iloc[row])),
    "fit": Guard("Eligibility", _unfit, lambda priced, _b, row, column: why_unfit(priced, row, column), False),
    "consent": Guard("Consent to the channel", _refused, _no_consent, False),
    "address": Guard("Lack of an address", _unreached, _no_address, False),
    "contact": Guard("Contact rules", _barred, _why_barred, False),
    "dog": Guard("Sleeping dogs", _dogs, lambda priced, _b, row, column: _no_gain(priced, row, column)),
    "roi": Guard("Least return", _poor, lambda priced, book, row, column: f"ROI is {_per_cent(priced, row, column)}, "
                 f"below the least of {100 * book.guardrails.least_roi:.0f} %."),
    "payback": Guard("Payback", _slow, lambda priced, book, row, column: _payback(priced, row, column)
                     + f", more than {book.guardrails.payback_days:g}."),
    "ltv": Guard("Share of lifetime value", _dear, lambda priced, book, row, column: _share(priced, row, column)
                 + f", more than {100 * book.guardrails.most_of_ltv:g} %."),
}


def _no_gain(priced: Priced, row: int, column: int) -> str:
    """Why contact is not expected to help; of a learned uplift with its 90 % interval."""
    uplift, modelled = priced.uplift[row, column], bool(priced.modelled[column])
    if uplift > 0:
        return ("A sleeping dog: every offer that was tried by chance is expected to raise this customer's chance to "
                "leave, so this one is not tried either.")
    half = Z90 * float(learned_error(priced, np.array([row]), np.array([column]))[0])
    ends = f" (90 % interval {-100 * (uplift + half):+.1f} to {-100 * (uplift - half):+.1f})" if modelled else ""
    return ("Contact is expected to keep nobody: the chance to leave would change by "
            f"{-100 * uplift:+.1f} points{ends}.")


def _per_cent(priced: Priced, row: int, column: int) -> str:
    return f"{100 * priced.margin[row, column] / priced.cost[row, column]:.0f} %"


def _payback(priced: Priced, row: int, column: int) -> str:
    days = priced.payback_days(np.array([row]))[0, column]
    return f"Earning the cost back takes {days:,.0f} days" if np.isfinite(days) else "There is no margin to earn the " \
        "cost back from: it takes for ever"


def _share(priced: Priced, row: int, column: int) -> str:
    worth = priced.worth[row]
    return f"The cost is {100 * priced.cost[row, column] / worth:.0f} % of the lifetime value" if worth > 0 else \
        "There is no lifetime value to pay it from"


def blocked(priced: Priced, book: Playbook, without: Iterable[str] = ()) -> np.ndarray:
    """Which guardrails forbid each offer, (n, k): bit i for the i-th of GUARDS; 0 = allowed. `without`: those put
    aside."""
    found = np.zeros(priced.margin.shape, dtype=np.uint16)
    for bit, (name, guard) in enumerate(GUARDS.items()):
        if name not in without:
            found |= guard.blocks(priced, book).astype(np.uint16) << np.uint16(bit)
    return found


def reasons(priced: Priced, book: Playbook, bits: np.ndarray, row: int, column: int) -> str:
    """Why the offer is forbidden: every guardrail that does, facts first; "" = allowed."""
    held = [guard for bit, guard in enumerate(GUARDS.values()) if bits[row, column] >> bit & 1]
    facts = [guard for guard in held if not guard.asked or guard.title == GUARDS["held"].title]
    return " ".join(guard.says(priced, book, row, column) for guard in (facts or held))


def fits(treatment: Treatment, people: pd.DataFrame) -> np.ndarray:
    """Who may be offered the treatment, as `Treatment.fits` says; columns of the people are called known_<name>."""
    lacks = treatment.lacks([str(name).removeprefix(KNOWN) for name in people])
    allowed = np.full(len(people), not lacks)
    for column, values in treatment.only_if.items():
        if KNOWN + column in people:
            allowed &= among(people[KNOWN + column], values)
    return allowed


def among(values: pd.Series, allowed: Allowed) -> np.ndarray:
    """Whether each value is one of these, or lies in this range; what is missing never does.

    >>> among(pd.Series([1.0, None, 7.0]), Range(0, 5)).tolist(), among(pd.Series(["a", None]), ("a", 1)).tolist()
    ([True, False, False], [True, False])
    """
    if isinstance(allowed, Range):
        if not pd.api.types.is_numeric_dtype(values):
            return np.array([value in allowed for value in values], dtype=bool)
        numbers = values.to_numpy(dtype=float, na_value=np.nan)
        return np.asarray((numbers >= allowed.least) & (numbers <= allowed.most))
    if pd.api.types.is_numeric_dtype(values):
        wanted = [value for value in allowed if not isinstance(value, str)]
        return np.asarray(np.isin(values.to_numpy(dtype=float, na_value=np.nan), wanted))
    return np.asarray(values.astype(object).isin(list(allowed)).to_numpy())


def why_unfit(priced: Priced, row: int, column: int) -> str:
    """The first rule of eligibility that the customer does not meet, in words."""
    treatment = priced.treatments[column]
    if lacks := treatment.lacks([str(name).removeprefix(KNOWN) for name in priced.people]):
        return f"The data hold no {title(lacks[0]).lower()}, which this answers."
    for name, allowed in treatment.only_if.items():
        known = KNOWN + name
        if known in priced.people and not among(priced.people[known].iloc[row:row + 1], allowed)[0]:
            value = priced.people[known].iloc[row]
            told = "unknown" if pd.isna(value) else f"{value:g}" if isinstance(value, float) else str(value)
            wanted = str(allowed) if isinstance(allowed, Range) else " or ".join(map(str, allowed))
            return f"{title(name)} is {told}; this is for {wanted}."
    return ""


def title(name: str) -> str:
    """The column's name as a person reads it.

    >>> title("payment_method")
    'Payment method'
    """
    return Column(name, "text", "", "").title

