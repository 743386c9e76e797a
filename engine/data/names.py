"""Names of columns: what they have in common however they are written, and as we write them."""

from __future__ import annotations

import re


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


def title(name: str) -> str:
    """The name as a person reads it: its words apart, each as it was written, the first with a capital.

    >>> title("salary_paid_in"), title("IsActiveMember"), title("DSL_speed"), title("Avg. order value (EUR)")
    ('Salary paid in', 'Is Active Member', 'DSL speed', 'Avg. order value (EUR)')
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|_+", " ", name).split()
    said = " ".join(words) or name
    return said[:1].upper() + said[1:]
