"""A model's card: what it is, what it was learned from, and what a reader of any of its figures must know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.data.leakage import Audit
from engine.files import short_hash
from engine.prediction.boosting import SMALLEST
from engine.prediction.churn import ChurnModel
from engine.prediction.money import LtvSettings
from engine.prediction.settings import Settings
from engine.schema import SEVERITIES, Dataset, Estimate, Finding, ModelCard, Snapshot, jsonable, to_json

LEARNING = 6  # one more whenever the same data and settings would give another model


def write_card(dataset: Dataset, settings: Settings, known: Snapshot, audited: Audit, findings: Sequence[Finding],
               metrics: Mapping[str, Mapping[str, Estimate]], who: ChurnModel) -> ModelCard:
    """The card without its detail. Its id depends on the data and the settings alone."""
    last = known.windows[-1]
    return ModelCard(
        model_id=short_hash(dataset.name, dataset.version, to_json(settings), LEARNING, *dataset.erased),
        dataset=dataset.name, version=dataset.version, algorithm=settings.algorithm,
        ltv_algorithm=settings.ltv_algorithm, seed=settings.seed, as_of=last.as_of, horizon_days=last.horizon_days,
        label=dataset.label.words, synthetic=dataset.synthetic, rows=len(known.y), leavers=int(known.y.sum()),
        features=who.columns, quarantined=audited.quarantined,
        findings=worst_first(findings), metrics=metrics, threshold=who.threshold, usable=not who.knows_nothing,
        notes=tuple(_notes(dataset, settings, who, len(known.windows))), settings=jsonable(settings),
    )


def worst_first(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Each finding once, severe ones at the head."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: -SEVERITIES.index(finding.severity)))


def _counted(money: LtvSettings, dataset: Dataset) -> str:
    over = f"over {money.horizon_days} days, discounted at {money.annual_discount:.0%} a year"
    if not dataset.worth_in_money:
        why = "the audit keeps their money out" if dataset.money_withheld else "the data hold no money"
        return f"LTV is months as a customer {over}: {why}."
    return f"LTV is margin {over}; {money.margin_rate:.0%} of revenue counts as margin (a setting)."


def _notes(dataset: Dataset, settings: Settings, who: ChurnModel, moments: int) -> list[str]:
    """What a reader of any figure must know: the window, the explanations' scale, the money's assumptions."""
    money, label = settings.money, dataset.label
    notes = ["The model knows nothing about who leaves: do not act on its scores."] if who.knows_nothing else []
    if settings.quick:
        notes.append("Judged quickly: few folds and replicates, so threshold and intervals are rough.")
    notes += [
        f"A probability is the chance to leave within {label.horizon_days} days: {label.words}"
        + ("; the window is assumed." if label.assumed else "."),
        _counted(money, dataset).replace("%", " %"),
        "Drivers add up to the model's raw log-odds before calibration.",
    ]
    if who.leaves > SMALLEST:
        notes.append(f"Trees of {who.leaves} leaves: of the sizes tried they did best on customers held out.")
    if settings.segments == "peer":
        notes.append("Segments follow the older definitions of Customer_Churn_LTV_Engine, for comparison only.")
    if moments > 1:
        notes.append(f"Learned at {moments} moments; the rates beside drivers count cases: a customer at one of them.")
    if dataset.money.assumed:
        notes.append(f"The data do not say over which time the money was spent; {dataset.money.period_days:g} days "
                     "are assumed.")
    return notes
