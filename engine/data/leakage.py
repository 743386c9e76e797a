"""Leakage audit: which columns know the answer instead of predicting it. Runs before any training.

What the data prove is quarantined by name, with the reason: functions of the label (by a threshold or an interval, by
categories, by blanks, by two columns together), columns filled only once the customer has left, those that know far
more than all others together, identifiers, and the order of the rows. What is only too good to be true (one column
above .95, a label measured at the instant of the features) is a severe finding that heads every figure. A column's
name may support evidence; it is never enough.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from engine.data.beyond import STRONG, beyond_all_others, standard_error
from engine.data.doctor.vocabulary import named
from engine.data.features.derived import derived, made_of
from engine.data.identity import counts_rows, identifier, in_order, order_matters, order_signal
from engine.data.own_month import of_the_answer
from engine.data.signal import Levels, folds, levels, single_column_auc
from engine.data.telltales import AFTER, alone, marked, proves, suspect, together
from engine.errors import DataError, EngineError
from engine.schema import Dataset, Finding, Snapshot, plural

TOO_GOOD = STRONG
FEWEST_OF_A_CLASS = 5
FEWEST_ALIKE, ALIKE = 20, 0.995
MORE_OF = re.compile(r"_?(?:date|dt|day|at|on|time|timestamp|reason|rsn|code|desc|description|type|note|notes|by)")
GATHERED = ("_mean", "_sum", "_change", "_first", "_last")
ONLY_DESCRIBE = "the figures describe, they do not predict"

Reasons = dict[str, str]


@dataclass(frozen=True)
class Audit:
    """What the audit found.

    quarantined: (column, reason), never to be used, in the order of the columns. findings: the severe ones first.
    single_column_auc: each column's ROC-AUC alone, out of fold [0..1]; none for a column that is blank throughout.
    """

    quarantined: tuple[tuple[str, str], ...]
    findings: tuple[Finding, ...]
    single_column_auc: Mapping[str, float]


def audit(snapshot: Snapshot, dataset: Dataset, overrule: Sequence[str] = (), seed: int = 0) -> Audit:
    """Measure every column alone, quarantine what knows the answer, and say what is too good to be true.

    Args:
        overrule: columns that the user keeps although they would be quarantined; each becomes a finding.

    Raises:
        DataError: when there are not both leavers and stayers to compare.
        EngineError: when a name to overrule is not a column.
    """
    y = snapshot.y.to_numpy(dtype=np.int64)
    _both_classes(y)
    _all_known(overrule, snapshot.X)
    rng = np.random.default_rng(seed)
    fold = folds(y, snapshot.X.index.get_level_values(-1).to_numpy(), rng)
    columns = _columns(snapshot.X)
    aucs = {name: single_column_auc(column, y, fold) for name, column in columns.items()}
    by_order, order_findings = _row_order(snapshot, dataset, columns, rng)
    of_its_month, doubtful = of_the_answer(dataset.label.asked, aucs, int(y.sum()), int((1 - y).sum()))
    names = by_order | of_its_month | _identifiers(snapshot, dataset, columns)
    reasons = _answers(columns, aucs, y, fold, rng, names)
    reasons |= _beyond(dataset, {name: column for name, column in columns.items() if name not in reasons}, aucs, y,
                       fold, rng)
    reasons |= _made_of_unused(dataset, columns, {*reasons} - {*overrule})
    quarantined = tuple((name, reasons[name]) for name in columns if name in reasons and name not in overrule)
    findings = (*_same_instant(dataset), *_too_good(dataset, aucs, dict(quarantined)), *order_findings,
                *_quarantine(quarantined, len(y)), *_of_its_month(doubtful, reasons, dataset),
                *_suspects({name: column for name, column in columns.items() if name not in reasons}, aucs, y),
                *_kept(overrule, reasons, len(y)))
    return Audit(quarantined, findings, aucs)


def _columns(X: pd.DataFrame) -> dict[str, Levels]:
    """The columns' levels; one without any known value says nothing and is left out."""
    return {str(name): levels(column) for name, column in X.items() if column.notna().any()}


def _both_classes(y: np.ndarray) -> None:
    left = int(y.sum())
    if min(left, len(y) - left) < FEWEST_OF_A_CLASS:
        what = f"Of {plural(len(y), 'customer')} {left:,} left, so there is nothing to compare."
        raise DataError([Finding("error", "label", what, "Check the label's rule and its window.", len(y))])


def _all_known(names: Sequence[str], X: pd.DataFrame) -> None:
    unknown = [name for name in names if name not in X]
    if unknown:
        raise EngineError(f"There is no column {unknown[0]!r} to keep. Choose among: {', '.join(map(str, X))}.")


def _answers(
    columns: Mapping[str, Levels], aucs: Mapping[str, float], y: np.ndarray, fold: np.ndarray,
    rng: np.random.Generator, names: Reasons,
) -> Reasons:
    """Every reason to quarantine: what names customers or rows, what knows the answer alone, then what two know."""
    known = {name: reason for name, column in columns.items() if (reason := alone(name, column, aucs[name], y, fold))}
    reasons = (names | _filled_for_the_same(known, columns) | known | _made_of_the_same(known, columns)
               | _said_of_it(known, columns, aucs, y))
    return reasons | together({n: column for n, column in columns.items() if n not in reasons}, aucs, y, fold, rng)


def _beyond(dataset: Dataset, columns: Mapping[str, Levels], aucs: Mapping[str, float], y: np.ndarray,
            fold: np.ndarray, rng: np.random.Generator) -> Reasons:
    """Of a company's own columns those that know far more than all others together; where features and label share an
    instant, all do."""
    own = dataset.kind == "snapshot" and not dataset.label.same_instant
    return beyond_all_others(columns, aucs, y, fold, rng) if own else {}


def _made_of_unused(dataset: Dataset, columns: Mapping[str, Levels], unused: Collection[str]) -> Reasons:
    """What is made of several columns of which one is not used."""
    made = made_of(columns, unused, derived(dataset))
    return {name: f"Made of {part}, which is not used." for name, part in made}


def _made_of_the_same(known: Reasons, columns: Mapping[str, Levels]) -> Reasons:
    """What else was gathered of a joined file's column of which one thing is known only afterwards."""
    stems = {name.removesuffix(end): name for name, reason in known.items() for end in GATHERED
             if name.endswith(end) and proves(reason)}
    return {f"{stem}{end}": f"{AFTER} made of the same column as {name}." for stem, name in stems.items()
            for end in GATHERED if f"{stem}{end}" in columns and f"{stem}{end}" not in known}


def _filled_for_the_same(known: Reasons, columns: Mapping[str, Levels]) -> Reasons:
    """What is filled for the very customers whom a column known only afterwards marks: it was written down with it."""
    marks = {name: marked(columns[name]) for name, reason in known.items() if proves(reason)}
    found = {}
    for name, column in columns.items():
        filled = ~column.missing
        if name not in known and min(filled.sum(), column.missing.sum()) >= FEWEST_ALIKE:
            same = next((other for other, mark in marks.items() if (mark == filled).mean() >= ALIKE), "")
            if same:
                found[name] = f"{AFTER} it is filled for the same customers as {same} is, which is known only then."
    return found


def _said_of_it(known: Reasons, columns: Mapping[str, Levels], aucs: Mapping[str, float], y: np.ndarray) -> Reasons:
    """What says by its name when or why something was so that is known only afterwards, and tells who left."""
    least = 0.5 + 3 * standard_error(0.5, y)
    proven = [name for name, reason in known.items() if proves(reason)]
    return {name: f"{AFTER} by its name it says more of {about}, which is known only then."
            for name in columns if name not in known and aucs[name] >= least
            for about in proven if MORE_OF.fullmatch(named(name).removeprefix(named(about)))
            and named(name).startswith(named(about))}


def _positions(snapshot: Snapshot, dataset: Dataset) -> np.ndarray:
    """Each row's place in the company's file."""
    ids = pd.read_parquet(dataset.customers, columns=["customer_id"])["customer_id"]
    place = pd.Series(np.arange(len(ids)), index=ids.to_numpy())
    who = snapshot.X.index.get_level_values(-1)
    return place[~place.index.duplicated()].reindex(who).to_numpy(dtype=float)


def _identifiers(snapshot: Snapshot, dataset: Dataset, columns: Mapping[str, Levels]) -> Reasons:
    """Columns that name customers, judged at the last moment, where each customer has one row."""
    last = np.asarray(snapshot.as_of == snapshot.as_of.max())
    position = _positions(snapshot, dataset)[last]
    at_last = columns if last.all() else _columns(snapshot.X[last])
    return {name: reason for name, column in at_last.items() if (reason := identifier(name, column, position))}


def _row_order(
    snapshot: Snapshot, dataset: Dataset, columns: Mapping[str, Levels], rng: np.random.Generator
) -> tuple[Reasons, list[Finding]]:
    """Columns that count the rows, and a finding, where a row's place in the company's file says who left.

    Only a snapshot's rows are in the company's own order; customers gathered from orders are in ours.
    """
    if dataset.kind != "snapshot" or len(snapshot.windows) > 1:
        return {}, []
    y, position = snapshot.y.to_numpy(dtype=np.int64), _positions(snapshot, dataset)
    auc, z = order_signal(y, position, rng)
    if not order_matters(auc, z, int(y.sum()), int((1 - y).sum())):
        return {}, []
    sentence = f"Encodes the order of the rows, which says who left (ROC-AUC {auc:.3f})."
    counting = {name: sentence for name, column in columns.items() if counts_rows(column, position)}
    sorted_by = [name for name, column in columns.items() if name not in counting and in_order(column, position)]
    return counting, [_order_finding(auc, z, sorted_by, len(y))]


def _order_finding(auc: float, z: float, sorted_by: Sequence[str], rows: int) -> Finding:
    how = "stand together" if z < 0 else "alternate with stayers"
    what = (f"The place of a row in the file says who left: ROC-AUC {auc:.3f} from the place alone; leavers {how} "
            f"({abs(z):.0f} standard deviations from chance).")
    why = f" The file is sorted by {', '.join(sorted_by)}." if sorted_by else ""
    fix = "Find out how the file was put together; columns that count its rows are quarantined."
    return Finding("warning" if sorted_by and auc < TOO_GOOD else "severe", "row order", what + why, fix, rows)


def _same_instant(dataset: Dataset) -> Iterator[Finding]:
    if dataset.label.same_instant:
        what = (f"Features and label ({dataset.label.words}) share one instant: {ONLY_DESCRIBE}.")
        yield Finding("severe", "label", what, "Give features as of a moment before the label's window begins.")


def _too_good(dataset: Dataset, aucs: Mapping[str, float], quarantined: Reasons) -> Iterator[Finding]:
    """One severe finding that names every column left in that alone exceeds .95."""
    left_in = ((auc, name) for name, auc in aucs.items() if name not in quarantined)
    best = sorted(((auc, name) for auc, name in left_in if auc > TOO_GOOD), reverse=True)
    if best:
        named = ", ".join(f"{name} {auc:.3f}" for auc, name in best)
        what = f"{plural(len(best), 'column alone exceeds', 'columns alone exceed')} a ROC-AUC of {TOO_GOOD}: {named}"
        ending = f"; {ONLY_DESCRIBE}." if dataset.label.same_instant else ": too good to be a forecast."
        fix = "Make sure that each was known before the label's window began, or leave it out."
        where = best[0][1] + (f" and {len(best) - 1} more" if len(best) > 1 else "")
        yield Finding("severe", where, what + ending, fix)


def _quarantine(quarantined: Sequence[tuple[str, str]], rows: int) -> Iterator[Finding]:
    for name, reason in quarantined:
        fix = "It is quarantined and never used; a person may overrule that from a shell, by its name (--overrule)."
        yield Finding("warning", name, reason, fix, rows)


def _of_its_month(doubtful: Sequence[str], quarantined: Reasons, dataset: Dataset) -> Iterator[Finding]:
    for name in doubtful:
        if name not in quarantined:
            what = (f"It is of the time about which {dataset.label.asked} asks: customers may have left before it was "
                    "measured.")
            yield Finding("warning", name, what, "Make sure that it was known in time, or leave it out.")


def _suspects(columns: Mapping[str, Levels], aucs: Mapping[str, float], y: np.ndarray) -> Iterator[Finding]:
    for name, column in columns.items():
        if aucs[name] <= TOO_GOOD and (told := suspect(column, y)):
            yield Finding("warning", name, f"{told}: it may have been written down when they left.",
                          "Make sure that it was known in time, or leave it out.")


def without_advice_on(quarantined: Sequence[tuple[str, str]], found: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings but for those that advise how to mend a column which is never used."""
    never_used = {name for name, _ in quarantined}
    return tuple(finding for finding in found if finding.where not in never_used or finding.severity == "error")


def _kept(overrule: Sequence[str], reasons: Reasons, rows: int) -> Iterator[Finding]:
    for name in overrule:
        if name in reasons:
            yield Finding("severe", name, f"Kept because a person overruled the audit. {reasons[name]}",
                          "Figures that rest on it hold only if it is known in time.", rows)
        else:
            yield Finding("note", name, "There was nothing to overrule: the audit does not quarantine it.")
