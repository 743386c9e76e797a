"""What a text promises: the shares, sums, times and gifts it names, so that they can be held against the offer's terms.

It reads English as campaigns write it. Numbers are taken strictly: a number that the terms do not name is a promise
that nobody made.
"""

from __future__ import annotations

import re
import unicodedata

from engine.campaign.sms import plainly

ONES = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
WORDS = {**{word: number for number, word in enumerate(ONES, 1)}, "fifteen": 15, "twenty": 20, "twenty-five": 25,
         "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90, "hundred": 100}
UNITS = {"day": (1, "days"), "week": (7, "days"), "month": (1, "months"), "year": (12, "months")}
_WORD = "|".join(sorted(WORDS, key=len, reverse=True))
_AMOUNT = rf"(?P<number>\d[\d.,]*(?<![.,])|\b(?:{_WORD})\b)"
_PERCENT = re.compile(rf"{_AMOUNT}\s*-?(?:%|percent|per cent)")
_MONEY = re.compile(r"(?:[$€£]|\b(?:usd|eur|gbp)\b)\s?(?P<first>\d[\d.,]*(?<![.,]))"
                    rf"|{_AMOUNT}\s?(?:[$€£]|(?:usd|eur|gbp|dollars?|euros?|pounds?|bucks|cents?)\b)")
_TIME = re.compile(rf"(?:{_AMOUNT}|(?<!once )(?<!times )(?<!twice )\b(?P<a>an?|full|whole|entire|next))[\s-]"
                   r"(?:(?:full|whole|entire|more|extra)\s)?(?P<unit>day|week|month|year)s?\b")
_PLAIN = re.compile(r"\d[\d.,]*(?<![.,])")
_HALF = re.compile(r"\bhalf[- ](?:the )?price\b|\bhalf off\b")
_HALF_YEAR = re.compile(r"\bhalf a year\b|\bsix-month\b")
_NEGATED = re.compile(r"\b(?:no|not|without|never|instead of)\b(?! (?:extra |additional )?(?:cost|charge|fee))[^.;:,]*")
_HIDDEN = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")

PROMISES = {name: re.compile(pattern) for name, pattern in {
    "something free": r"(?<!feel )(?<![\w-])free\b(?! to (?:ask|call|write|reply|choose|change)\b)|\bgratis\b"
                      r"|\bcomplimentary\b|\bon us\b|\bon the house\b|\bwaive"
                      r"|\b(?:no|without) (?:any |extra |additional )?(?:cost|charge|fee)s?\b|\bfor nothing\b"
                      r"|\bcosts? (?:you )?nothing\b|\bpay nothing\b|\bnothing to pay\b",
    "a guarantee": r"\bguarante|\bpromis|\bwarrant(?:y|ies)\b|\bassured?\b|\bensures?\b",
    "a discount": r"\bdiscount|\boff (?:your|the|all|every|any|next)\b|\bsav(?:e|es|ing|ings)\b|\bcheaper\b"
                  r"|\bbargain|\bdeals?\b|\b(?:lower|reduced?|better|special) (?:price|bill|rate|cost|fee)"
                  r"|\bprice cut|\bhalf[- ]price|\bless to pay|%|\bper ?cent\b",
    "money back": r"\brefund|\bmoney[- ]back|\breimburs|\bcompensat|\bcash\s?back\b",
    "a credit": r"\bcredit(?:s|ed)?\b(?! card)",
    "a voucher": r"\bvouchers?\b|\bcoupons?\b|\bgift cards?\b|\b(?:promo|discount|voucher) codes?\b",
    "a gift": r"\bgifts?\b|\bbonus|\bprizes?\b|\brewards?\b|\bwinners?\b|\bsurprise\b|\btreat\b",
    "points": r"\bpoints\b|\bmiles\b",
    "an upgrade": r"\bupgrad",
    "a device": r"\b(?:new|latest) (?:\w+ )?(?:(?:smart)?phone|handset|device|router|tablet|laptop|tv|watch)s?\b",
    "a share off": r"\b(?:third|quarter|fifth|tenth)s? (?:off|less|cheaper)\b",
    "more for the same": r"\b(?:doubled?|triple|twice) (?:your|the|as)\b|\bextra (?:data|minutes|speed|storage)\b",
    "something without limit": r"\bunlimited\b|\blifetime\b|\bfor ?ever\b|\bfor life\b|\b24/7\b",
    "a fixed price": r"\bfixed price|\bprice (?:guarantee|lock|freeze|stays|hold)|\bsame price|\block(?:ed)? in\b",
    "priority": r"\bpriority\b|\bexpress\b|\b(?:same|next)-day\b|\bovernight\b|\binstant",
    "a deadline": r"\bexpires?\b|\btoday only\b|\b(?:ends|until|by) (?:today|tonight|tomorrow|\w+day\b)|\bdeadline\b"
                  r"|\b(?:days|hours) left\b",
}.items()}


def normal(text: str) -> str:
    """The text as it reads: full-width and look-alike forms plain, hidden characters gone, lower case, single spaces.

    >>> normal("FR\\u200bEE \\uff15\\uff10\\uff05  off")
    'free 50% off'
    """
    text = plainly(_HIDDEN.sub("", unicodedata.normalize("NFKC", text)))
    return " ".join(text.casefold().split())


def claims(text: str) -> frozenset[str]:
    """What the text promises, each as words that compare equal however they are written.

    >>> sorted(claims("Take 10 % off for six months, the first month free."))
    ['10 %', '6 months', 'a discount', 'something free']
    >>> claims("half price for half a year") == claims("50 percent, half-price for 6 months")
    True
    """
    rest, found = normal(text), set()
    found |= {name for name, pattern in PROMISES.items() if pattern.search(rest)}
    found |= {"50 %"} if _HALF.search(rest) else set()
    found |= {"6 months"} if _HALF_YEAR.search(rest) else set()
    rest = _HALF_YEAR.sub(" ", rest)
    for pattern, told in ((_PERCENT, _share), (_MONEY, _sum), (_TIME, _span)):
        found |= {told(match) for match in pattern.finditer(rest)}
        rest = pattern.sub(" ", rest)
    return frozenset(found | {f"the number {_number(match[0]):g}" for match in _PLAIN.finditer(rest)})


def terms(*texts: str) -> frozenset[str]:
    """What the terms of an offer allow to be promised; what they deny ("without a discount") they do not allow.

    >>> "a discount" in terms("Remind of the cart, without a discount first.")
    False
    """
    allowed = claims(" . ".join(_NEGATED.sub(" ", normal(text)) for text in texts))
    return allowed | {f"the number {_number(match[0]):g}" for claim in allowed for match in _PLAIN.finditer(claim)}


def _share(match: re.Match[str]) -> str:
    return f"{_number(match['number']):g} %"


def _sum(match: re.Match[str]) -> str:
    return f"{_number(match['first'] or match['number']):g} of money"


def _span(match: re.Match[str]) -> str:
    times, unit = UNITS[match["unit"]]
    return f"{_number(match['number'] or 'one') * times:g} {unit}"


def _number(text: str) -> float:
    """The number that digits or a word mean.

    >>> _number("1,000"), _number("7,5"), _number("twelve")
    (1000.0, 7.5, 12)
    """
    if text in WORDS:
        return WORDS[text]
    if re.fullmatch(r"\d{1,3}(?:[.,]\d{3})+", text):
        return float(re.sub("[.,]", "", text))
    whole, mark, part = text.replace(",", ".").rpartition(".")
    return float(f"{whole.replace('.', '')}.{part}") if mark else float(part)
