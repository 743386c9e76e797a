"""Names of columns: what they have in common however they are written, and as we write them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping


def plain(name: str) -> str:
    """The name in lower case, letters and digits only, so that "Customer ID" and "customer_id" agree.

    >>> plain("Customer ID"), plain("customerID")
    ('customerid', 'customerid')
    """
    return re.sub(r"[\W_]", "", name).lower()


def snake(name: str) -> str:
    """The name in snake case.

    >>> snake("MonthlyCharges"), snake("Avg. order value (EUR)"), snake("customerID")
    ('monthly_charges', 'avg_order_value_eur', 'customer_id')
    """
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"\W+|_+", "_", parted).strip("_").lower() or "column"


def same_words(one: str, other: str) -> bool:
    """Whether two names hold the same words, however they are written and ordered.

    >>> same_words("customer_id", "CustomerID"), same_words("monthly_fee", "Fee (monthly)"), same_words("a_b", "a")
    (True, True, False)
    """
    return plain(one) == plain(other) or sorted(snake(one).split("_")) == sorted(snake(other).split("_"))


def otherwise_written(names: Iterable[str], wanted: Iterable[str]) -> dict[str, str]:
    """By name the wanted one that is not among the names, and of which it alone holds the same words.

    >>> otherwise_written(["Member_ID", "kind", "paid"], ["member_id", "kind"])
    {'Member_ID': 'member_id'}
    """
    there, wanted = list(names), list(wanted)
    free = [name for name in there if name not in wanted]
    alike = {one: [name for name in free if same_words(name, one)] for one in wanted if one not in there}
    return {found[0]: one for one, found in alike.items() if len(found) == 1}


def title(name: str) -> str:
    """The name as a person reads it: its words apart, each as it was written, the first with a capital.

    >>> title("salary_paid_in"), title("IsActiveMember"), title("DSL_speed"), title("Avg. order value (EUR)")
    ('Salary paid in', 'Is Active Member', 'DSL speed', 'Avg. order value (EUR)')
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|_+", " ", name).split()
    said = " ".join(words) or name
    return said[:1].upper() + said[1:]


def titled(text: str, titles: Mapping[str, str]) -> str:
    """The text with the columns' titles for the names under which they are kept; a name of one word may be a word of
    the text and stays.

    >>> titled("visits_jun and age know it", {"visits_jun": "Visits Jun", "age": "Age"})
    'Visits Jun and age know it'
    """
    return re.sub(r"\w+", lambda found: titles.get(found[0], found[0]) if "_" in found[0] else found[0], text)


def in_a_sentence(title: str) -> str:
    """A title as it stands within a sentence: its capital goes, but for those of abbreviations.

    >>> in_a_sentence("Monthly fee"), in_a_sentence("DSL speed")
    ('monthly fee', 'DSL speed')
    """
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]
