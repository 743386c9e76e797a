"""What names are short for: acct_stat is the status of an account, dt_deact the date at which it was deactivated."""

from __future__ import annotations

import re
from collections.abc import Mapping

ABBREVIATED: Mapping[str, str] = {
    "acct": "account", "acc": "account", "ac": "account", "accnt": "account", "mbr": "member", "memb": "member",
    "mem": "member", "cust": "customer", "cstmr": "customer", "clnt": "client", "cli": "client",
    "subscr": "subscriber", "stat": "status", "sts": "status", "stts": "status", "stus": "status", "sit": "situacao",
    "cd": "code", "dt": "date", "dte": "date", "dat": "date", "fec": "fecha", "fch": "fecha", "flg": "flag",
    "fl": "flag", "ind": "flag", "indic": "flag", "actv": "active", "churnd": "churned", "chrn": "churn",
    "chrnd": "churned", "chn": "churn", "cncl": "cancel", "canc": "cancel", "cncld": "cancelled", "cancld": "cancelled",
    "canx": "cancelled", "cnx": "cancelled", "cxl": "cancel", "cxld": "cancelled", "clsd": "closed", "cls": "closed",
    "disco": "disconnected", "discon": "disconnected", "disconn": "disconnected", "discond": "disconnected",
    "dscn": "disconnected", "discont": "discontinued", "discontd": "discontinued", "dscntd": "discontinued",
    "deact": "deactivated", "deactd": "deactivated", "deactv": "deactivated", "deactvd": "deactivated",
    "dereg": "deregistered", "deregd": "deregistered", "termd": "terminated", "termn": "termination",
    "trmd": "terminated", "termtn": "termination", "lpsd": "lapsed", "laps": "lapsed", "lps": "lapsed",
    "inact": "inactive", "inactv": "inactive", "inac": "inactive", "unsub": "unsubscribed", "unsubd": "unsubscribed",
    "unsubs": "unsubscribed", "resgn": "resigned", "resgnd": "resigned", "susp": "suspended", "suspd": "suspended",
    "wdrn": "withdrawn", "wthdrn": "withdrawn", "wdrwn": "withdrawn", "expd": "expired", "exprd": "expired",
    "attrn": "attrition", "attrtn": "attrition", "surr": "surrendered", "surrd": "surrendered",
    "offb": "offboarded", "nonren": "non_renewal", "sepn": "separation",
    "kuend": "kundigung", "kundig": "kundigung", "kdg": "kundigung", "gekuend": "gekundigt", "austr": "austritt",
    "abm": "abmeldung", "storn": "storniert", "resil": "resiliation", "desact": "desactive", "radn": "radiation",
    "desat": "desativado", "inat": "inativo", "cess": "cessato", "disd": "disdetta",
    "disatt": "disattivato", "opz": "opzegging", "uitschr": "uitschrijving", "rezyg": "rezygnacja", "uppsag": "uppsagd",
}
IN_CONTEXT: Mapping[str, str] = {  # short words that mean leaving only beside others
    r"(?:^|(?<=_))a_c(?=_)": "account", r"(?:^|(?<=_))term_?d(?=_|$)": "terminated",
    r"(?:^|(?<=_))term(?=_(?:date|dt|dte|dat|reason|rsn)(?:_|$))": "termination",
    r"(?<=date_)term(?=_|$)|(?<=dt_)term(?=_|$)": "termination",
    r"(?:^|(?<=_))disc(?=_(?:date|dt|dte|dat)(?:_|$))": "disconnect",
    r"(?<=date_)disc(?=_|$)|(?<=dt_)disc(?=_|$)": "disconnect",
    r"(?:^|(?<=_))sep(?=_(?:date|dt|dte|dat|rsn|reason)(?:_|$))": "separation",
    r"(?<=date_)sep(?=_|$)|(?<=dt_)sep(?=_|$)": "separation",
    r"(?:^|(?<=_))act(?=_(?:flag|flg|ind|yn|stat|sts|status)(?:_|$))": "active",
}


def spelled_out(name: str) -> str:
    """The plain name with its common abbreviations as words.

    >>> spelled_out("mbr_stat_cd"), spelled_out("acct_closed"), spelled_out("a_c_stat"), spelled_out("dt_term")
    ('member_status_code', 'account_closed', 'account_status', 'date_termination')
    """
    for short, meant in IN_CONTEXT.items():
        name = re.sub(short, meant, name)
    return "_".join(ABBREVIATED.get(part, part) for part in name.split("_"))
