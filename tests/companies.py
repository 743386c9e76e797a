"""Companies made at random, from a seed, with the faults that real files have and the truth beside them.

A company has a sector, a table of customers under names drawn from wide vocabularies in several languages, a label
under one of many spellings, columns that leak it, and dirt: blanks spelled in many ways, words in several spellings,
amounts with signs, rows in the order of the answer, further files to join, sheets that nobody needs. What is honest,
what leaks, which column is the id and which the label is known, and so is the clean table that a careful person would
learn from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

Rng = np.random.Generator


@dataclass(frozen=True)
class Company:
    """Files as they would arrive, and the truth: the clean features and answers by row of the customers' file."""

    seed: int
    sector: str
    files: dict[str, pd.DataFrame]
    id: str
    label: str
    positive: frozenset[str]
    honest: frozenset[str]
    leaks: frozenset[str]
    clean: pd.DataFrame
    left: pd.Series
    signal: bool
    faults: tuple[str, ...]
    sheets: dict[str, list[list[Any]]] = field(default_factory=dict)

    def write(self, folder: Path) -> list[Path]:
        """The files on the disk, in the way that the company happens to write them."""
        rng = np.random.default_rng((self.seed, 99))
        folder.mkdir(parents=True, exist_ok=True)
        return [_write(frame, folder / name, self, rng) for name, frame in self.files.items()]


def _write(frame: pd.DataFrame, path: Path, company: Company, rng: Rng) -> Path:
    if path.suffix == ".xlsx":
        return _workbook(frame, path, company)
    if path.suffix == ".parquet":
        frame.astype(str).to_parquet(path, index=False)
        return path
    comma = "decimal comma" in company.faults
    frame.to_csv(
        path,
        index=False,
        sep=";" if comma else "," if rng.random() < 0.7 else "\t",
        encoding="cp1252" if "cp1252" in company.faults else "utf-8",
        errors="replace",
    )
    return path


def _workbook(frame: pd.DataFrame, path: Path, company: Company) -> Path:
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in company.sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    sheet = book.create_sheet("Export")
    sheet.append(list(frame.columns))
    for cells in frame.itertuples(index=False):
        sheet.append([None if cell == "" else cell.item() if hasattr(cell, "item") else cell for cell in cells])
    book.save(path)
    return path


# --------------------------------------------------------------------------------------------------------- vocabularies

Draw = Callable[[Rng, int], np.ndarray]


def _amounts(middle: float, spread: float = 0.5) -> Draw:
    return lambda rng, n: np.round(middle * np.exp(rng.normal(0, spread, n)), 2)


def _counts(mean: float) -> Draw:
    return lambda rng, n: rng.negative_binomial(2, 2 / (2 + mean), n).astype(float)


def _whole(low: int, high: int) -> Draw:
    return lambda rng, n: rng.integers(low, high + 1, n).astype(float)


def _shares(a: float = 2, b: float = 3) -> Draw:
    return lambda rng, n: np.round(rng.beta(a, b, n), 3)


NUMBERS: dict[str, list[tuple[tuple[str, ...], Draw]]] = {
    "telecom": [
        (("day_minutes", "TotalDayMinutes", "minutos_dia", "mins_used"), _amounts(180, 0.4)),
        (("CustServCalls", "service_calls", "anrufe_hotline", "appels_service"), _counts(1.6)),
        (("data_gb", "GB_Used", "datenvolumen_gb", "consumo_datos"), _amounts(12, 0.8)),
        (("dropped_calls", "verbindungsabbrueche", "n_dropped"), _counts(3)),
        (("intl_minutes", "roaming_mins", "minutes_etranger"), _amounts(9, 0.7)),
    ],
    "bank": [
        (("CreditScore", "credit_score", "bonitaet", "score_credito"), _whole(350, 850)),
        (("Balance", "avg_balance", "saldo_medio", "solde_moyen"), _amounts(8000, 1.1)),
        (("NumOfProducts", "products_held", "anzahl_produkte", "nb_produits"), _whole(1, 5)),
        (("Total_Trans_Ct", "transactions_q", "num_movimientos"), _counts(40)),
        (("Avg_Utilization_Ratio", "utilisation", "credit_usage_ratio"), _shares()),
        (("EstimatedSalary", "annual_income", "jahreseinkommen", "renta_anual"), _amounts(52000, 0.4)),
    ],
    "hr": [
        (("DistanceFromHome", "commute_km", "entfernung_km"), _whole(1, 40)),
        (("YearsSinceLastPromotion", "yrs_no_promotion"), _whole(0, 12)),
        (("JobSatisfaction", "satisfaction_score", "zufriedenheit"), _whole(1, 4)),
        (("NumCompaniesWorked", "prior_employers"), _counts(2)),
        (("OverTimeHours", "overtime_h", "ueberstunden"), _counts(8)),
        (("TrainingTimesLastYear", "trainings"), _whole(0, 6)),
    ],
    "shop": [
        (("OrderCount", "orders_12m", "num_pedidos", "anzahl_bestellungen"), _counts(6)),
        (("HourSpendOnApp", "app_hours", "minutes_on_site"), _amounts(2.5, 0.5)),
        (("CouponUsed", "coupons", "gutscheine", "cupones"), _counts(2)),
        (("WarehouseToHome", "distance_km", "distancia_almacen"), _whole(3, 60)),
        (("SatisfactionScore", "csat", "satisfaccion"), _whole(1, 5)),
        (("return_share", "retourenquote", "share_returned"), _shares(1, 6)),
    ],
    "gym": [
        (("visits_per_week", "Avg_class_frequency", "besuche_woche", "visitas_semana"), _amounts(1.8, 0.6)),
        (("personal_training_sessions", "pt_sessions", "sesiones_entrenador"), _counts(2)),
        (("Near_Location_km", "distance_to_club", "entfernung_studio"), _amounts(4, 0.7)),
        (("group_visits", "friends_joined", "amis_parraines"), _counts(1)),
    ],
    "saas": [
        (("seats", "licenses", "num_users", "lizenzen"), _counts(14)),
        (("logins_30d", "weekly_active_users", "sessions_month"), _counts(22)),
        (("api_calls", "automation_runs"), _amounts(900, 1.2)),
        (("nps", "nps_score"), _whole(0, 10)),
        (("feature_adoption", "adoption_rate", "share_features_used"), _shares(3, 2)),
        (("support_tickets", "tickets_open"), _counts(2)),
    ],
    "insurance": [
        (("claims_count", "Number_of_Claims", "schaeden", "siniestros"), _counts(0.6)),
        (("vehicle_age", "fahrzeugalter", "edad_vehiculo"), _whole(0, 20)),
        (("deductible", "selbstbehalt", "franquicia"), _whole(1, 10)),
        (("bonus_malus", "no_claims_years"), _whole(0, 15)),
        (("price_increase_pct", "renewal_uplift"), _shares(1.5, 8)),
    ],
    "energy": [
        (("kwh_year", "annual_consumption", "verbrauch_kwh", "consumo_kwh"), _amounts(3200, 0.5)),
        (("complaints", "reclamaciones", "beschwerden"), _counts(0.8)),
        (("meter_age", "zaehleralter"), _whole(0, 25)),
        (("price_gap_to_market", "diff_precio_mercado"), _amounts(4, 0.6)),
    ],
}
WORDS: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "telecom": [
        (("Contract", "vertragsart", "tipo_contrato"), ("Month-to-month", "One year", "Two year")),
        (("InternetService", "access_type"), ("DSL", "Fiber optic", "No")),
        (("PaymentMethod", "zahlungsart"), ("Electronic check", "Mailed check", "Bank transfer", "Credit card")),
    ],
    "bank": [
        (("Geography", "country", "pais"), ("France", "Spain", "Germany")),
        (("Card_Category", "card_type"), ("Blue", "Silver", "Gold", "Platinum")),
        (("Education_Level", "bildung"), ("Graduate", "High School", "College", "Doctorate", "Uneducated")),
    ],
    "hr": [
        (("Department", "abteilung"), ("Sales", "Research", "Human Resources", "Finance", "Support")),
        (("BusinessTravel", "travel"), ("Travel_Rarely", "Travel_Frequently", "Non-Travel")),
        (("MaritalStatus", "familienstand"), ("Single", "Married", "Divorced")),
    ],
    "shop": [
        (("PreferredLoginDevice", "device"), ("Mobile Phone", "Computer", "Tablet")),
        (("PreferedOrderCat", "favourite_category"), ("Laptop", "Fashion", "Grocery", "Home", "Others")),
        (("CityTier", "region"), ("Tier 1", "Tier 2", "Tier 3")),
    ],
    "gym": [
        (("membership_type", "Contract_period", "tarif"), ("monthly", "half-year", "yearly")),
        (("club", "studio"), ("Centre", "North", "Riverside", "Airport", "Old Town")),
    ],
    "saas": [
        (("plan", "tier", "subscription_plan"), ("Basic", "Pro", "Enterprise", "Team")),
        (("industry", "branche"), ("FinTech", "EdTech", "Health", "Retail", "Cyber")),
        (("referral_source", "canal"), ("organic", "ads", "partner", "event")),
    ],
    "insurance": [
        (("Coverage", "deckung", "cobertura"), ("Basic", "Extended", "Premium")),
        (("Sales_Channel", "vertriebsweg", "canal_venta"), ("Agent", "Branch", "Call Center", "Web")),
        (("Vehicle_Class", "clase_vehiculo"), ("Two-Door Car", "Four-Door Car", "SUV", "Sports Car")),
    ],
    "energy": [
        (("tariff", "tarifa", "stromtarif"), ("fixed 12", "fixed 24", "variable")),
        (("channel_sales", "canal"), ("door", "web", "telesales", "broker")),
    ],
}
FLAGS: dict[str, tuple[str, ...]] = {
    "telecom": ("PaperlessBilling", "SeniorCitizen", "has_roaming"),
    "bank": ("HasCrCard", "IsActiveMember", "has_mortgage"),
    "hr": ("OverTime", "remote_ok"),
    "shop": ("Complain", "app_user"),
    "gym": ("Partner", "Promo_friends", "locker"),
    "saas": ("is_trial", "auto_renew_flag", "sso_enabled"),
    "insurance": ("multi_policy", "has_agent"),
    "energy": ("has_gas", "e_bill"),
}
MONEY: dict[str, tuple[str, ...]] = {
    "telecom": ("MonthlyCharges", "monthly_bill", "Monatsbeitrag", "cuota_mensual", "facture_mensuelle", "ARPU"),
    "bank": ("monthly_fee", "annual_fee_paid", "yearly_revenue"),
    "hr": (),
    "energy": ("monthly_bill", "annual_bill"),
    "shop": ("total_spend", "amount_spent", "gasto_total", "Revenue"),
    "gym": ("monthly_fee", "cuota", "Beitrag"),
    "saas": ("MRR", "arr", "monthly_revenue"),
    "insurance": ("Annual_Premium", "prima_anual", "monthly_premium"),
}
TENURES: dict[str, tuple[str, float]] = {
    "tenure": ("months", 1),
    "months_on_book": ("months", 1),
    "Tenure_Months": ("months", 1),
    "antiguedad_meses": ("months", 1),
    "YearsAtCompany": ("years", 12),
    "account_length": ("months", 1),
    "Vertragsdauer_Monate": ("months", 1),
    "customer_age_days": ("days", 1 / 30.4),
    "membership_months": ("months", 1),
}
IDS = (
    "customerID",
    "client_no",
    "Kundennummer",
    "id_cliente",
    "msno",
    "Account Number",
    "CLIENTNUM",
    "EmployeeNumber",
    "user",
    "member_key",
    "policy_no",
    "subscriber_id",
    "codigo_cliente",
    "Customer Ref",
    "phone number",
    "",
    "Unnamed: 0",
    "id",
)
LABELS: tuple[tuple[str, tuple[Any, ...], tuple[Any, ...]], ...] = (
    ("Churn", ("Yes",), ("No",)),
    ("Exited", (1,), (0,)),
    ("churned", ("True",), ("False",)),
    ("Churn?", (" True.",), (" False.",)),
    ("Attrition_Flag", ("Attrited Customer",), ("Existing Customer",)),
    ("Attrition", ("Yes",), ("No",)),
    ("status", ("Cancelled",), ("Active",)),
    ("Customer Status", ("Churned",), ("Stayed", "Joined")),
    ("subscription_status", ("cancelled", "expired"), ("active", "paused")),
    ("is_active", (0,), (1,)),
    ("Kündigung", ("ja",), ("nein",)),
    ("baja", ("Sí",), ("No",)),
    ("resilie", ("oui",), ("non",)),
    ("evasao", ("S",), ("N",)),
    ("retained", (0,), (1,)),
    ("renewed", ("No",), ("Yes",)),
    ("target", (1,), (0,)),
    ("label", ("churn",), ("no churn",)),
    ("left", (1,), (0,)),
    ("churn_flag", ("Y",), ("N",)),
    ("LeaveOrNot", (1,), (0,)),
    ("Class", ("churner",), ("non-churner",)),
    ("account_status", ("closed",), ("open",)),
    ("abandono", (1,), (0,)),
    ("cancel_date", ("<date>",), ("",)),
    ("churn_next_month", (1,), (0,)),
    ("CHURN", ("T",), ("F",)),
    ("has_left", ("true",), ("false",)),
    ("Churned_90d", (1,), (0,)),
    ("stav", ("nieaktywny",), ("aktywny",)),
    ("opgezegd", ("ja",), ("nee",)),
    ("exit_status", ("Left",), ("Stayed",)),
)
BLANKS = (
    "",
    "N/A",
    "null",
    "unknown",
    "?",
    "-",
    "None",
    "n.a.",
    "NaN",
    "missing",
    "#N/A",
    "keine Angabe",
    "s/d",
    ".",
)


# ------------------------------------------------------------------------------------------------------------ a company


def company(
    seed: int,
    *,
    sector: str = "",
    rows: int | None = None,
    signal: bool | None = None,
    faults: Sequence[str] | None = None,
    label: str = "",
) -> Company:
    """The company of that seed; what is not given is drawn."""
    rng = np.random.default_rng((seed, 7))
    sector = sector or str(rng.choice(list(NUMBERS)))
    n = rows or int(rng.integers(1_000, 4_000))
    clean, names = _features(rng, sector, n)
    signal = bool(rng.random() < 0.85) if signal is None else signal
    left = leavers(rng, clean, signal)
    chosen = tuple(faults) if faults is not None else _faults(rng)
    frame = _as_file(rng, clean, names, chosen)
    clean = clean.where(~_blanked(rng, frame, clean, chosen))
    frame = frame.mask(clean.isna(), None)
    _spell_blanks(rng, frame, chosen)
    frame, spelled = _with_label(rng, frame, left, label)
    frame, leaks = _with_leaks(rng, frame, left)
    frame, ids = _with_id(rng, frame, sector)
    frame = _with_nothing(rng, frame)
    frame, clean, left = _ordered(rng, frame, clean, left, chosen)
    files, sheets = _files(rng, frame, ids, chosen, seed)
    honest = frozenset(str(name) for name in clean.columns)
    return Company(
        seed,
        sector,
        files,
        ids if ids not in ("", "Unnamed: 0") else "",
        *spelled,
        honest,
        leaks,
        clean,
        left,
        signal,
        chosen,
        sheets,
    )


FAULTS = (
    "missing words",
    "dirty words",
    "currency signs",
    "decimal comma",
    "units",
    "percent signs",
    "sentinel",
    "sorted by answer",
    "repeats",
    "spare sheets",
    "second file",
    "uses file",
    "stacked",
    "cp1252",
)


def _faults(rng: Rng) -> tuple[str, ...]:
    chosen = {str(fault) for fault in rng.choice(FAULTS, rng.integers(2, 6), replace=False)}
    if "decimal comma" in chosen:
        chosen -= {"currency signs", "units", "spare sheets", "percent signs"}
    if "spare sheets" in chosen:
        chosen -= {"stacked", "second file", "uses file", "cp1252"}
    return tuple(sorted(chosen))


def _features(rng: Rng, sector: str, n: int) -> tuple[pd.DataFrame, dict[str, str]]:
    """The clean table, and by column its kind: "number", "money", "tenure", "word", "flag", "date" or "share"."""
    columns: dict[str, Any] = {}
    kinds: dict[str, str] = {}
    for names, draw in NUMBERS[sector]:
        name = str(rng.choice(names))
        columns[name], kinds[name] = draw(rng, n), "share" if draw(rng, 50).max() <= 1 else "number"
    for names, values in WORDS[sector]:
        name, weights = str(rng.choice(names)), rng.dirichlet(np.full(len(values), 2.0))
        columns[name], kinds[name] = rng.choice(values, n, p=weights), "word"
    for name in FLAGS[sector]:
        columns[name], kinds[name] = (rng.random(n) < rng.uniform(0.2, 0.8)).astype(float), "flag"
    if MONEY[sector]:
        name = str(rng.choice(MONEY[sector]))
        columns[name], kinds[name] = _amounts(60, 0.5)(rng, n), "money"
    tenure = str(rng.choice([name for name in TENURES if (sector == "hr") == (name == "YearsAtCompany")]))
    columns[tenure], kinds[tenure] = np.ceil(rng.gamma(1.5, 16, n) / TENURES[tenure][1]), "tenure"
    if rng.random() < 0.5:
        since = str(rng.choice(["signup_date", "joined", "Eintrittsdatum", "fecha_alta", "member_since"]))
        columns[since], kinds[since] = np.round(rng.gamma(2, 300, n)), "date"
    (columns["gender" if rng.random() < 0.5 else "age_group"],) = (rng.choice(["F", "M"], n),)
    frame = pd.DataFrame(columns)
    return frame, {str(name): kinds.get(str(name), "word") for name in frame.columns}


def leavers(rng: Rng, clean: pd.DataFrame, signal: bool, share: float = 0.0, together: bool = False) -> pd.Series:
    """Who leaves (0 or 1): a logistic of some of the columns, or of none; so many of all, drawn where not given.

    together: not of each column alone but of several at once, in products and in rules such as "dear and many calls".
    """
    score = np.zeros(len(clean))
    for name in clean.columns:
        column = clean[name]
        if column.dtype == object:
            levels = dict(zip(sorted(set(column.dropna())), rng.normal(0, 0.7, column.nunique()), strict=True))
            score += column.map(levels).fillna(0.0).to_numpy(dtype=float)
        else:
            order = column.rank(pct=True).fillna(0.5).to_numpy() - 0.5
            score += rng.normal(0, 1.6) * order + rng.normal(0, 1.0) * (order**2 - 1 / 12)
    score = 0.4 * score + _at_once(rng, clean) if together else score
    score = score if signal else np.zeros(len(clean))
    target = share or rng.uniform(0.12, 0.35)
    low, high = -12.0, 12.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if (1 / (1 + np.exp(-(score + middle)))).mean() < target else (low, middle)
    return pd.Series((rng.random(len(clean)) < 1 / (1 + np.exp(-(score + low)))).astype(int))


def _at_once(rng: Rng, clean: pd.DataFrame) -> np.ndarray:
    """Log-odds that hang on two or three columns at once: three products and three rules."""
    places = {name: (column.rank(pct=True) if column.dtype != object else column.map(dict(zip(
        sorted(set(column.dropna())), rng.random(column.nunique()), strict=True))).astype(float)).fillna(0.5).to_numpy()
        for name, column in clean.items()}
    drawn = [rng.choice(len(places), 3, replace=False) for _ in range(6)]
    columns = [[list(places.values())[place] for place in some] for some in drawn]
    products = sum(rng.choice([-1, 1]) * 7 * (a - 0.5) * (b - 0.5) for a, b, _ in columns[:3])
    rules = sum(2.5 * ((a > 0.55) & (b < 0.5) & (c > 0.3)) for a, b, c in columns[3:])
    return np.asarray(products + rules)


# ----------------------------------------------------------------------------------------------------------------- dirt


def _as_file(rng: Rng, clean: pd.DataFrame, kinds: dict[str, str], faults: Sequence[str]) -> pd.DataFrame:
    """The clean table as text in the way the company writes it."""
    columns = {}
    sign = str(rng.choice(["$", "€", "£", "₹", "R$ ", "CHF "]))
    unit = str(rng.choice([" months", " mo", " Monate"]))
    yes_no = [("Yes", "No"), ("1", "0"), ("Y", "N"), ("true", "false"), ("ja", "nein"), ("TRUE", "FALSE")][
        rng.integers(6)
    ]
    for name, kind in kinds.items():
        values = clean[name]
        if kind == "word":
            columns[name] = _dirty(rng, values, faults)
        elif kind == "flag":
            texts = np.where(values == 1, *yes_no)
            columns[name] = _mixed_answers(rng, texts, yes_no) if "dirty words" in faults else pd.Series(texts)
        elif kind == "date":
            day = pd.Timestamp("2024-05-31") - pd.to_timedelta(values.to_numpy(), unit="D")
            columns[name] = pd.Series(day.strftime(str(rng.choice(["%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y"]))))
        elif kind == "share" and "percent signs" in faults:
            columns[name] = values.map(lambda share: f"{100 * share:.1f}%")
        elif kind == "money" and "currency signs" in faults:
            columns[name] = values.map(lambda amount: f"{sign}{amount:,.2f}")
        elif kind == "tenure" and "units" in faults:
            columns[name] = values.map(lambda number: f"{number:.0f}{unit}")
        else:
            columns[name] = values.map(
                lambda number: f"{number:.10g}".replace(".", "," if "decimal comma" in faults else ".")
            )
    return pd.DataFrame(columns)


def _dirty(rng: Rng, values: pd.Series, faults: Sequence[str]) -> pd.Series:
    if "dirty words" not in faults:
        return values.astype(object)
    ways: list[Callable[[str], str]] = [
        str,
        str,
        str,
        str.upper,
        str.lower,
        lambda text: f" {text} ",
        lambda text: text.replace(" ", "  "),
    ]
    way = rng.integers(0, len(ways), len(values))
    return pd.Series([ways[number](text) for number, text in zip(way, values, strict=True)], dtype=object)


def _mixed_answers(rng: Rng, texts: np.ndarray, yes_no: tuple[str, str]) -> pd.Series:
    other = {yes_no[0]: ["yes", "YES", " Yes"], yes_no[1]: ["no", "NO", "No "]}
    return pd.Series([str(rng.choice(other[text])) if rng.random() < 0.15 else text for text in texts], dtype=object)


def _blanked(rng: Rng, frame: pd.DataFrame, clean: pd.DataFrame, faults: Sequence[str]) -> pd.DataFrame:
    share = rng.uniform(0.02, 0.12) if "missing words" in faults else 0.0
    holes = pd.DataFrame(False, index=frame.index, columns=clean.columns)
    for name in rng.choice(clean.columns, min(4, len(clean.columns)), replace=False):
        holes[name] = rng.random(len(frame)) < share
    return holes


def _spell_blanks(rng: Rng, frame: pd.DataFrame, faults: Sequence[str]) -> None:
    """Fill the holes with the words that stand for nothing."""
    ways = list(rng.choice(BLANKS, 4, replace=False)) if "missing words" in faults else [""]
    for name in frame.columns:
        holes = frame[name].isna()
        if holes.any():
            words = ["-999"] if "sentinel" in faults and rng.random() < 0.5 and _numeric(frame[name]) else ways
            frame.loc[holes, name] = rng.choice(words, int(holes.sum()))


def _numeric(values: pd.Series) -> bool:
    return bool(pd.to_numeric(values.dropna(), errors="coerce").notna().all())


def _with_label(
    rng: Rng, frame: pd.DataFrame, left: pd.Series, wanted: str
) -> tuple[pd.DataFrame, tuple[str, frozenset[str]]]:
    name, yes, no = next((one for one in LABELS if one[0] == wanted), LABELS[rng.integers(len(LABELS))])
    values = pd.Series(
        np.where(
            left == 1,
            rng.choice([str(value) for value in yes], len(left)),
            rng.choice([str(value) for value in no], len(left)),
        ),
        dtype=object,
    )
    if yes == ("<date>",):
        day = pd.Timestamp("2024-06-01") + pd.to_timedelta(rng.integers(0, 60, len(left)), unit="D")
        values = pd.Series(np.where(left == 1, day.strftime("%Y-%m-%d"), ""), dtype=object)
    place = int(rng.integers(0, len(frame.columns))) if rng.random() < 0.4 else len(frame.columns)
    frame.insert(place, name, values)
    return frame, (name, frozenset(str(value).strip() for value in yes))


LEAKS = (
    "Cancellation Reason",
    "Churn Score",
    "date_closed",
    "final_invoice",
    "churn_category",
    "winback_offer_sent",
    "Kündigungsgrund",
    "motivo_baja",
    "exit_survey_done",
    "flag_7",
    "account_closed_flag",
)


def _with_leaks(rng: Rng, frame: pd.DataFrame, left: pd.Series) -> tuple[pd.DataFrame, frozenset[str]]:
    chosen = [str(name) for name in rng.choice(LEAKS, rng.integers(0, 4), replace=False)]
    for name in chosen:
        frame.insert(int(rng.integers(0, len(frame.columns) + 1)), name, _leak(rng, name, left))
    return frame, frozenset(chosen)


def _leak(rng: Rng, name: str, left: pd.Series) -> pd.Series:
    n, gone = len(left), left == 1
    if name in ("Churn Score",):
        return pd.Series(np.where(gone, rng.integers(66, 100, n), rng.integers(5, 66, n)))
    if name in ("flag_7", "account_closed_flag"):
        wrong = rng.random(n) < (0.0 if name == "flag_7" else 0.004)
        return (left ^ wrong).astype(int)
    if name == "date_closed":
        day = pd.Timestamp("2024-06-01") + pd.to_timedelta(rng.integers(0, 60, n), unit="D")
        return pd.Series(np.where(gone, day.strftime("%Y-%m-%d"), ""), dtype=object)
    if name == "final_invoice":
        return pd.Series(np.where(gone, np.round(rng.gamma(2, 30, n) + 1, 2), 0.0))
    if name in ("winback_offer_sent", "exit_survey_done"):
        return pd.Series(np.where(gone & (rng.random(n) < 0.7), "Yes", "No"), dtype=object)
    reasons = rng.choice(["price", "moved", "competitor", "service", "other"], n)
    return pd.Series(np.where(gone & (rng.random(n) < 0.93), reasons, ""), dtype=object)


def _with_id(rng: Rng, frame: pd.DataFrame, sector: str) -> tuple[pd.DataFrame, str]:
    name = str(rng.choice([name for name in IDS if name != "EmployeeNumber" or sector == "hr"]))
    n = len(frame)
    if name:
        drawn = rng.permutation(n) + int(rng.integers(10_000, 900_000))
        way = int(rng.integers(4))
        keys: list[Any] = [str(number) for number in drawn]
        if name == "Unnamed: 0":
            keys = list(range(n))
        elif name == "phone number":
            keys = [f"{number // 10_000 + 200}-{number % 10_000:04d}" for number in drawn]
        elif way == 1 or name in ("msno", "user", "member_key"):
            keys = [f"{number * 2_654_435_761 % 2**32:08x}{number:06d}" for number in drawn]
        elif way == 2:
            keys = [f"C{number:08d}" for number in drawn]
        frame.insert(0 if rng.random() < 0.8 else len(frame.columns), name, pd.Series(keys, dtype=object))
    return frame, name


def _with_nothing(rng: Rng, frame: pd.DataFrame) -> pd.DataFrame:
    """A column that never differs, one that is empty, one of free text."""
    for name, cell in (("currency_code", "EUR"), ("remarks_internal", "")):
        if rng.random() < 0.4:
            frame[name] = cell
    if rng.random() < 0.3:
        frame["agent_comment"] = [f"call {a} about case {b}" for a, b in rng.integers(0, 10**6, (len(frame), 2))]
    return frame


def _ordered(
    rng: Rng, frame: pd.DataFrame, clean: pd.DataFrame, left: pd.Series, faults: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series]:
    if "sorted by answer" in faults:
        order = np.argsort(left.to_numpy() + rng.normal(0, 0.2, len(left)), kind="stable")
        if "Unnamed: 0" in frame:
            frame = frame.assign(**{"Unnamed: 0": pd.Series(np.argsort(order)).to_numpy()})
        frame, clean, left = (part.iloc[order].reset_index(drop=True) for part in (frame, clean, left))
    return frame, clean, left


def _files(
    rng: Rng, frame: pd.DataFrame, ids: str, faults: Sequence[str], seed: int
) -> tuple[dict[str, pd.DataFrame], dict[str, list[list[Any]]]]:
    stem = ["customers", "export_2024", "churn data", "kunden", "base"][seed % 5]
    own = ids not in ("", "Unnamed: 0")
    files: dict[str, pd.DataFrame] = {}
    if "second file" in faults and own:
        moved = [name for name in frame.columns[-6:] if name != ids][:4]
        key = ids if rng.random() < 0.6 else f"{ids}_ref".replace(" ", "_")
        files["profile.csv"] = frame[[ids, *moved]].rename(columns={ids: key}).sample(frac=1, random_state=seed)
        frame = frame.drop(columns=moved)
    if "uses file" in faults and own:
        who = rng.integers(0, len(frame), 4 * len(frame))
        files["tickets.csv"] = pd.DataFrame(
            {
                "ticket_id": np.arange(len(who)),
                ids: frame[ids].to_numpy()[who],
                "opened": (
                    pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 150, len(who)), "D")
                ).strftime("%Y-%m-%d"),
                "minutes": rng.gamma(2, 10, len(who)).round(1),
                "topic": rng.choice(["billing", "fault", "other"], len(who)),
            }
        )
    if "repeats" in faults and own:
        frame = pd.concat([frame, frame.sample(frac=0.03, random_state=seed)], ignore_index=True)
    sheets: dict[str, list[list[Any]]] = {}
    if "spare sheets" in faults:
        sheets = {
            "Read me": [["Export of customers"], ["made by", "CRM"], ["", ""]],
            "Legend": [["column", "meaning"], *[[str(name), "see handbook"] for name in frame.columns]],
        }
        return {f"{stem}.xlsx": frame}, sheets
    if "stacked" in faults:
        half = int(len(frame) * 0.7)
        return {f"{stem}_train.csv": frame[:half], f"{stem}_test.csv": frame[half:], **files}, sheets
    return {f"{stem}.csv": frame, **files}, sheets
