"""Why a column knows the answer: rules that separate leavers from stayers too well to be anything but the answer.

A rule may be an interval of values, a set of categories, blanks, or an interval of two columns' difference, sum or
ratio. Its errors are compared with those of the rule that knows nothing and calls everyone by the greater class.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.special import betaincinv

from engine.data.doctor.vocabulary import named
from engine.data.signal import (
    COMBINATIONS,
    Interval,
    Levels,
    best_interval,
    group_errors,
    grouped,
    levels_of_numbers,
    pair_errors,
)
from engine.schema import plural

FUNCTION_ERRORS = 0.10
PAIR_ERRORS = 0.05
ALONE_TOO_GOOD = 0.30
PURE_SHARE = 0.98
PURE_BOUND, PURE_ODDS_RATIO = 0.90, 50.0
NAMED_BOUND, NAMED_ODDS_RATIO = 0.75, 20.0
FEWEST_SHARES, CHANCE = 20, 0.05
STAYED_ODDS_RATIO, MOSTLY = 200.0, 0.5
MOSTLY_ODDS_RATIO, PURELY_ODDS_RATIO, SUSPECT_ODDS_RATIO, NINETY_NINE = 100.0, 60.0, 30.0, 2.326
A_QUARTER, MOSTLY_PURE = 0.25, 0.8
BLANK = "blank"
TELLS_MUCH, FAR_APART = 0.75, 0.15
NAMED_AUC = 0.90
FEWEST_MARKED = 20
RESTATED_AUC, FEW_ANSWERS = 0.93, 3
COMMON_VALUE = 0.30
SCREEN_ROWS = 1_200
SCREEN_COLUMNS = 45
CROSSED_LEVELS = 8
MOST_GROUPS = 256
ROWS_PER_GROUP = 20
ENDED_MORE = 0.5
ENDING = re.compile(r"(?:^|_)(?:end|ended|ending|closing|closed|closure|churn\w*|cancel\w*|exit|terminat\w*|left|"
                    r"leaving|lapse\w*)_?(?:date|day|dt|at|on|time|timestamp)(?=_|$)")
FUNCTION, AFTER, RESTATED = "A function of the label:", "Known only afterwards:", "Nearly the same as the label:"
_OF_STAYING = (r"retention|renewal|loyalty|survival|stay|save|model|ml|ai|outcome|target|health|departure|leav\w+|"
               r"depart|abandon\w*|resiliation|fidelisation|fuga|bajas?|abandono|evasao|cancelamento|abbandono|disdetta|"
               r"kundigung\w*|abwanderung\w*|bindung\w*|opzeg\w*|vertrek|rezygnacj\w+|odejsci\w+")
_SCORE = (r"score|scoring|prob|probability|risk|index|indice|risque|risiko|riesgo|risco|rischio|risico|ryzyko|ryzyka|"
          r"wahrscheinlichkeit|probabilite|probabilidad\w*|probabilita")
SCORED = re.compile(rf"(?:^|_)(?:(?:{_OF_STAYING})_?(?:{_SCORE})|(?:{_SCORE})_(?:(?:of|de|do|di|da|du|van)_)?"
                    rf"(?:{_OF_STAYING})|prob(?:ability)?|propensity|predict\w*|pred|forecast|likelihood)(?=_|$|\d)")
AFTERWARDS = ("churn", "cancel", "exit_", "terminat", "closed", "closure", "leaving", "_left", "left_", "refund_after",
              "winback", "win_back", "deactivat", "reactivat", "offboard", "attrition", "lost_", "risk_score",
              "retention", "save_desk")


def alone(name: str, column: Levels, auc: float, y: np.ndarray, fold: np.ndarray) -> str:
    """Why this column knows the answer by itself, as a sentence; "" when nothing proves that it does."""
    least = min(int(y.sum()), len(y) - int(y.sum()))
    for errors, rule in (_by_blanks(column, y), _by_interval(column, y), _by_groups(column, y, fold)):
        if errors <= FUNCTION_ERRORS * least:
            return f"{FUNCTION} {rule} ({plural(errors, 'exception')} in {len(y):,} rows)."
    return (_shares_of_leavers(column, y) or _only_leavers(name, column, y) or _only_stayers(column, y)
            or _mostly_leavers(column, y) or _ended(name, column, y) or _filled_afterwards(name, column, y)
            or _named(name, auc) or _restates(column, auc, y))


def proves(reason: str) -> bool:
    """Whether a reason to quarantine a column says that it knows the answer by itself, without another column.

    >>> proves(f"{AFTER} its name speaks of an end"), proves("A function of the label together with b: ...")
    (True, False)
    """
    return reason.startswith((FUNCTION, AFTER, RESTATED))


def _by_blanks(column: Levels, y: np.ndarray) -> tuple[int, str]:
    wrong = int((column.missing != (y == 1)).sum())
    blank, filled = "it is missing where the customer left", "it is filled where the customer left"
    return (wrong, blank) if wrong <= len(y) - wrong else (len(y) - wrong, filled)


def _by_interval(column: Levels, y: np.ndarray) -> tuple[int, str]:
    if not column.ordered:
        return len(y), ""
    best = best_interval(column.counts(y == 1), column.counts(y == 0))
    return best.errors, f"the customer left where it is {in_words(best, column)}"


def in_words(rule: Interval, column: Levels) -> str:
    """The rule as text: "above 90", "missing or at most 3", "outside 10..20".

    >>> in_words(Interval(0, 3, 4, True), levels_of_numbers(np.array([60.0, 90.0, 91.0, 120.0])))
    'above 90'
    """
    bottom, top = int(not column.missing.any()), len(column.values)
    first, last = max(rule.first, bottom), rule.last
    blank = "missing or " if bottom == 0 and rule.inside == (first == 0) else ""
    if not rule.inside and first > 1 and last < top:
        return f"{blank}outside {_value(column, first)}..{_value(column, last)}"
    if not rule.inside:
        first, last = (last + 1, top) if first <= 1 else (1, first - 1)
    first = max(first, 1)
    if last == top and first > 1:
        return f"{blank}above {_value(column, first - 1)}"
    if first == 1:
        return f"{blank}at most {_value(column, last)}"
    return f"within {_value(column, first)}..{_value(column, last)}"


def _value(column: Levels, level: int) -> str:
    value = column.values[level - 1]
    return f"{value:.6g}" if column.ordered and np.issubdtype(column.values.dtype, np.number) else str(value)


def _by_groups(column: Levels, y: np.ndarray, fold: np.ndarray) -> tuple[int, str]:
    codes = grouped(column, min(MOST_GROUPS, max(len(y) // ROWS_PER_GROUP, 2)))
    errors = group_errors(codes, y, fold)
    if column.ordered:
        return errors, "groups of its values say who left"
    telling = np.flatnonzero(column.counts(y == 1) > column.counts(y == 0))
    names = [repr(_value(column, int(level))) if level else "missing" for level in telling]
    return errors, f"the customer left where it is {_listed(names)}"


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" or one of {len(names) - 3} more" if len(names) > 3 else "")


def _shares_of_leavers(column: Levels, y: np.ndarray) -> str:
    """The share of leavers (or stayers) of each customer's branch or plan, counted from these answers: of those with a
    value, that very share left, far closer than chance would have it of a share that was known beforehand.

    Closer: of squared distances in units of their binomial variance, which chance makes 1 on average, a twentieth.
    """
    if not column.ordered or len(column.values) < FEWEST_SHARES or not np.issubdtype(column.values.dtype, np.number):
        return ""
    said, rows = column.values.astype(float), column.counts(y >= 0)[1:]
    share = said / (1 if said.max() <= 1 else 100)
    for answer, words in ((1, "left"), (0, "stayed")):
        if _counted(share, column.counts(y == answer)[1:], rows):
            return f"{FUNCTION} of those with each of its values, that very share {words}: it was counted."
    return ""


def _counted(share: np.ndarray, told: np.ndarray, rows: np.ndarray) -> bool:
    """Whether shares say how many of each one's rows were told, closer than chance."""
    part = (share > 0) & (share < 1)
    if share.min() < 0 or share.max() > 1 or part.sum() < FEWEST_SHARES:
        return False
    share, told, rows = share[part], told[part], rows[part]
    return bool(((told - rows * share) ** 2 / (rows * share * (1 - share))).mean() <= CHANCE)


def _only_leavers(name: str, column: Levels, y: np.ndarray) -> str:
    """A mark that (almost) only leavers carry: the column is filled, or blanked, once the customer has left."""
    asked = (NAMED_BOUND, NAMED_ODDS_RATIO) if sounds_like_after(name) else (PURE_BOUND, PURE_ODDS_RATIO)
    for mark in _marks(column, y):
        if surely_left(mark.left + mark.stayed, mark.left, len(y), int(y.sum()), *asked):
            return (f"{AFTER} it is {mark.words} for {mark.left + mark.stayed:,} customers and {mark.left:,} of them "
                    "left.")
    return ""


def _only_stayers(column: Levels, y: np.ndarray) -> str:
    """What hardly any leaver has and hardly any stayer lacks: it is filled, or blanked, of those who have stayed."""
    stayed = 1 - y
    for lacking, words in ((column.missing, "filled"), (~column.missing, "blank")):
        without, left = int(lacking.sum()), int(y[lacking].sum())
        surely = surely_left(int(y.sum()), left, len(y), without, PURE_BOUND, STAYED_ODDS_RATIO)
        if surely and left >= MOSTLY * without:
            return (f"{AFTER} it is {words} for {int(stayed[~lacking].sum()):,} of {int(stayed.sum()):,} customers who "
                    f"stayed and {int(y.sum()) - left:,} of {int(y.sum()):,} who left.")
    return ""


def _mostly_leavers(column: Levels, y: np.ndarray) -> str:
    """A mark of leavers that hardly any stayer carries: most of them have it and their odds of leaving are a hundred
    times those of the others, or a quarter of them, sixty times, and four of five who have it left."""
    gone = int(y.sum())
    for mark in _marks(column, y):
        purely = mark.left >= MOSTLY_PURE * (mark.left + mark.stayed)
        share, odds = (A_QUARTER, PURELY_ODDS_RATIO) if purely else (MOSTLY, MOSTLY_ODDS_RATIO)
        if mark.words != BLANK and mark.left >= share * gone and odds_at_least(mark, y) >= odds:
            return f"{AFTER} it is {mark.words} for {_of_both(mark, y)}, more than can be known beforehand."
    return ""


def suspect(column: Levels, y: np.ndarray) -> str:
    """What far more leavers than others have, in words: enough to ask when it was written down, not to know it."""
    for mark in _marks(column, y):
        if mark.words != BLANK and mark.left >= FEWEST_MARKED and odds_at_least(mark, y) >= SUSPECT_ODDS_RATIO:
            return f"It is {mark.words} for {_of_both(mark, y)}"
    return ""


class Mark(NamedTuple):
    """What some customers have, in words, and how many of those who left and who stayed have it."""

    words: str
    left: int
    stayed: int


def odds_at_least(mark: Mark, y: np.ndarray) -> float:
    """How many times the odds of leaving of the marked are those of the others, at the lower end of a 99 % interval
    (Woolf 1955, with halves added).

    Of 100 marked 90 left and of 900 others 90: 9 over 1/9, some 81 times, and surely more than 30.

    >>> 30 < odds_at_least(Mark("", 90, 10), np.arange(1000) < 180) < 81
    True
    """
    gone = int(y.sum())
    cells = np.array([mark.left, mark.stayed, gone - mark.left, len(y) - gone - mark.stayed]) + 0.5
    return float(np.exp(np.log(cells[0] * cells[3] / (cells[1] * cells[2])) - NINETY_NINE * np.sqrt((1 / cells).sum())))


def _of_both(mark: Mark, y: np.ndarray) -> str:
    gone = int(y.sum())
    left, others = 100 * mark.left / gone, 100 * mark.stayed / (len(y) - gone)
    return f"{left:.0f} % of leavers and {others:.1f} % of others"


def marked(column: Levels) -> np.ndarray:
    """Which rows have more than nothing: filled and, of numbers and flags, not 0.

    >>> marked(levels_of_numbers(np.array([0.0, 2.0, np.nan]))).tolist()
    [False, True, False]
    """
    zero = [place for place, value in enumerate(column.values, 1) if str(value).lower() in ("0", "0.0", "false")]
    return ~column.missing & ~np.isin(column.codes, zero)


def _marks(column: Levels, y: np.ndarray) -> Iterator[Mark]:
    """Each thing that some customers have: filled, blank, other than the usual value, or (categories) each value."""
    left, stayed = (column.counts(y == answer) for answer in (1, 0))
    known = (left + stayed)[1:]
    yield Mark("filled", int(left[1:].sum()), int(stayed[1:].sum()))
    yield Mark(BLANK, int(left[0]), int(stayed[0]))
    usual = int(known.argmax()) + 1 if len(known) else 0
    if (left + stayed)[usual] >= COMMON_VALUE * len(y):
        yield Mark(f"other than {_value(column, usual)}", int(left[1:].sum() - left[usual]),
                   int(stayed[1:].sum() - stayed[usual]))
    if not column.ordered:
        for level in 1 + np.argsort(-known, kind="stable")[:MOST_GROUPS]:
            yield Mark(f"{_value(column, int(level))!r}", int(left[level]), int(stayed[level]))


def surely_left(marked: int, left: int, rows: int, leavers: int, bound: float, ratio: float) -> bool:
    """Whether marked customers (almost) all left, surely so, and the others far less often.

    Surely: the 99 % lower bound of Clopper and Pearson (1934) is at least `bound`. Far: by that ratio of the odds.
    """
    if marked == 0 or left < PURE_SHARE * marked:
        return False
    lowest = betaincinv(left, marked - left + 1, 0.01)
    odds = (left + 0.5) / (marked - left + 0.5)
    rest = (leavers - left + 0.5) / (rows - marked - (leavers - left) + 0.5)
    return bool(lowest >= bound and odds >= ratio * rest)


def sounds_like_after(name: str) -> bool:
    """Whether the name speaks of leaving. It supports evidence and is never enough by itself.

    >>> sounds_like_after("Cancellation Date"), sounds_like_after("tenure_months")
    (True, False)
    """
    plain = name.casefold().replace(" ", "_")
    return any(word in plain for word in AFTERWARDS)


def _ended(name: str, column: Levels, y: np.ndarray) -> str:
    """A day of ending that leavers have far more often than others: it was written down when they left."""
    if not ENDING.search(name.casefold().replace(" ", "_")):
        return ""
    filled = ~column.missing
    of_leavers, of_others = (float(filled[y == answer].mean()) for answer in (1, 0))
    if of_leavers - of_others < ENDED_MORE:
        return ""
    told = f"{of_leavers:.0%} of leavers and {of_others:.0%} of others".replace("%", " %")
    return f"{AFTER} its name speaks of an end, and {told} have it."


def _filled_afterwards(name: str, column: Levels, y: np.ndarray) -> str:
    """A column that speaks of leaving and that leavers have far more often than others, whatever stands in it but 0."""
    if not sounds_like_after(name):
        return ""
    filled = marked(column)
    left, others = (int(filled[y == answer].sum()) for answer in (1, 0))
    gone, stayed = int(y.sum()), int(len(y) - y.sum())
    odds = (left + 0.5) / (gone - left + 0.5), (others + 0.5) / (stayed - others + 0.5)
    if odds[0] < NAMED_ODDS_RATIO * odds[1] or left < FEWEST_MARKED:
        return ""
    return (f"{AFTER} its name speaks of leaving, and {100 * left / gone:.0f} % of leavers and "
            f"{100 * others / stayed:.0f} % of others have it.")


def _named(name: str, auc: float) -> str:
    if auc < NAMED_AUC or not (sounds_like_after(name) or SCORED.search(named(name))):
        return ""
    if not sounds_like_after(name):
        return (f"{AFTER} it is a score of somebody's own, and alone it reaches a ROC-AUC of {auc:.3f}, "
                "more than can be known beforehand.")
    return f"{AFTER} its name speaks of leaving, and alone it reaches a ROC-AUC of {auc:.3f}."


def _restates(column: Levels, auc: float, y: np.ndarray) -> str:
    """An answer in two or three values that nearly all leavers give and hardly anybody else: what is known beforehand
    tells leavers apart by degrees."""
    if auc < RESTATED_AUC or len(column.values) > FEW_ANSWERS:
        return ""
    left, stayed = (column.counts(y == answer) for answer in (1, 0))
    level = int(np.argmax(left))
    value = repr(_value(column, level)) if level else "missing"
    of_leavers, of_others = (100 * counts[level] / counts.sum() for counts in (left, stayed))
    told = f"{of_leavers:.0f} % of leavers and {of_others:.0f} % of others"
    return f"{RESTATED} {told} have {value}."


def together(
    columns: Mapping[str, Levels], aucs: Mapping[str, float], y: np.ndarray, fold: np.ndarray, rng: np.random.Generator
) -> dict[str, str]:
    """Why two columns together know the answer while neither does alone; both are named with the reason, but for one
    beside one that tells much alone, and far more: without it the other knows nothing."""
    least = min(int(y.sum()), len(y) - int(y.sum()))
    found: dict[str, str] = {}
    for (one, other), errors, words in _pair_rules(columns, aucs, y, fold, rng):
        if errors <= PAIR_ERRORS * least and one not in found and other not in found:
            exceptions = f"{plural(errors, 'exception')} in {len(y):,} rows"
            found |= {name: f"A function of the label together with {mate}: {words} ({exceptions})."
                      for name, mate in ((one, other), (other, one))
                      if aucs[mate] < TELLS_MUCH or aucs[name] + FAR_APART > aucs[mate]}
    return found


Pairs = Iterator[tuple[tuple[str, str], int, str]]


def _pair_rules(
    columns: Mapping[str, Levels], aucs: Mapping[str, float], y: np.ndarray, fold: np.ndarray, rng: np.random.Generator
) -> Pairs:
    """Pairs whose rule does well on a sample: their names, the rule's errors on all rows, and the rule in words."""
    names = sorted((name for name, column in columns.items() if not _nearly_known(column, y)), key=lambda n: -aucs[n])
    sample = np.sort(np.concatenate([_some(np.flatnonzero(y == kind), rng) for kind in (1, 0)]))
    numbers = [name for name in names if columns[name].ordered and len(columns[name].values) > 2][:SCREEN_COLUMNS]
    few = [name for name in names if len(columns[name].values) <= CROSSED_LEVELS][:SCREEN_COLUMNS]
    yield from _combined({name: columns[name].numbers for name in numbers}, y, sample)
    yield from _crossed({name: columns[name].codes for name in few}, y, fold, sample)


def _nearly_known(column: Levels, y: np.ndarray) -> bool:
    """Whether an interval of this column alone comes so close that any partner would seem to help."""
    least = min(int(y.sum()), len(y) - int(y.sum()))
    return column.ordered and _by_interval(column, y)[0] <= ALONE_TOO_GOOD * least


def _some(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.permutation(rows)[: SCREEN_ROWS // 2]


def _promising(errors: int, y: np.ndarray) -> bool:
    """Whether a sample's errors leave hope that all rows' errors are few enough."""
    return errors <= 1.5 * PAIR_ERRORS * min(int(y.sum()), len(y) - int(y.sum()))


def _combined(numbers: Mapping[str, np.ndarray], y: np.ndarray, sample: np.ndarray) -> Pairs:
    names, some = list(numbers), y[sample]
    table = np.column_stack([numbers[name][sample] for name in names]) if names else np.empty((len(sample), 0))
    for place, one in enumerate(names[:-1]):
        for combination, errors in pair_errors(table[:, place], table[:, place + 1 :], some).items():
            for offset in np.flatnonzero([_promising(int(e), some) for e in errors]):
                other = names[place + 1 + int(offset)]
                both = levels_of_numbers(COMBINATIONS[combination](numbers[one], numbers[other]))
                errors_of_all, rule = _by_interval(both, y)
                yield (one, other), errors_of_all, rule.replace("where it", f"where the {combination} {one}, {other}")


def _crossed(codes: Mapping[str, np.ndarray], y: np.ndarray, fold: np.ndarray, sample: np.ndarray) -> Pairs:
    some, width = y[sample], CROSSED_LEVELS + 1
    for one, other in combinations(codes, 2):
        both = codes[one] * width + codes[other]
        left = np.bincount(both[sample], weights=some, minlength=width * width)
        stayed = np.bincount(both[sample], minlength=width * width) - left
        if _promising(int(np.minimum(left, stayed).sum()), some):
            yield (one, other), group_errors(both, y, fold), "their values taken together say who left"
