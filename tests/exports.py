"""Exports as real systems make them, at random by a seed: whole sectors' columns, odd files, old models' scores.

Where tests/companies.py draws single columns, this draws whole files: a bank's with row numbers and surnames, a
telephone company's with two columns for one answer, two hundred nameless columns mostly blank, workbooks whose sheets
belong together, title lines, totals, repeated names, answers in a file of their own. The truth lies beside each.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.companies import Company, leavers

Rng = np.random.Generator
DRAWN = pd.Timestamp("2024-05-31")
NUMBER = r"-?(?:0|[1-9]\d{0,9})(?:\.\d+)?"


@dataclass(frozen=True)
class Export(Company):
    """A company whose files are written as they stand in `bodies`; `files` holds the same as tables."""

    bodies: Mapping[str, bytes] = field(default_factory=dict)

    def write(self, folder: Path) -> list[Path]:
        """The files on the disk."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, body in self.bodies.items():
            (folder / name).write_bytes(body)
        return [folder / name for name in self.bodies]


# -------------------------------------------------------------------------------------------------------------- columns

@dataclass(frozen=True)
class Spec:
    """A column: its name, how its values are drawn, and what the drawing is told."""

    name: str
    kind: str
    told: tuple[Any, ...] = ()

    @property
    def learned(self) -> bool:
        """Whether a careful person learns from it: not from names, nor from what never differs."""
        return self.kind not in ("name", "same")

    def draw(self, rng: Rng, n: int) -> Any:
        """Its clean values."""
        return DRAW[self.kind](rng, n, *self.told)


def specs(text: str) -> tuple[Spec, ...]:
    """The columns of a sector, written as "name: kind told; name: kind told"."""
    found = []
    for part in " ".join(text.split()).split(" ; "):
        name, _, rest = part.partition(": ")
        kind, _, told = rest.partition(" ")
        words = kind in ("words", "same")
        found.append(Spec(name, kind, tuple(told.split("|")) if words else tuple(map(float, told.split()))))
    return tuple(found)


def _drawn(rng: Rng, n: int, middle: float, spread: float = 0.5) -> np.ndarray:
    return np.round(middle * np.exp(rng.normal(0, spread, n)), 2)


def _zeros(rng: Rng, n: int, middle: float, share: float) -> np.ndarray:
    return np.where(rng.random(n) < share, 0, _drawn(rng, n, middle, 0.4))


def _words(rng: Rng, n: int, *values: str) -> np.ndarray:
    return rng.choice(values, n, p=rng.dirichlet(np.full(len(values), 3.0)))


def _names(rng: Rng, n: int) -> np.ndarray:
    starts, ends = ["Bar", "Cor", "Del", "Fen", "Gor", "Hal", "Kel", "Lin", "Mar", "Nor"], ["son", "ez", "berg", "ini"]
    middles = ["a", "e", "i", "o", "u", "ar", "en", "il", "ov", "us", "am", "eg", "ir", "ol", "ut"]
    parts = [rng.choice(part, n) for part in (starts, middles, middles, ends)]
    return np.array(["".join(some) for some in zip(*parts, strict=True)])


DRAW: dict[str, Callable[..., Any]] = {
    "amount": _drawn, "money": _drawn, "zeros": _zeros, "words": _words, "name": _names,
    "whole": lambda rng, n, low, high: rng.integers(low, high + 1, n).astype(float),
    "count": lambda rng, n, mean: rng.negative_binomial(2, 2 / (2 + mean), n).astype(float),
    "share": lambda rng, n, a=2.0, b=3.0: np.round(rng.beta(a, b, n), 3),
    "percent": lambda rng, n, a=2.0, b=3.0: np.round(100 * rng.beta(a, b, n), 1),
    "signed": lambda rng, n, spread: np.round(rng.normal(0, spread, n), 3),
    "flag": lambda rng, n, share=0.4: (rng.random(n) < share).astype(float),
    "day": lambda rng, n, middle: np.round(rng.gamma(2, middle / 2, n)),
    "hashed": lambda rng, n, levels: _words(rng, n, *(f"{rng.integers(16**12):012x}" for _ in range(int(levels)))),
    "same": lambda _rng, n, value: np.full(n, value, dtype=object),
}

SECTORS = {
    "card": """
        Customer_Age: whole 22 73 ; Gender: words M|F ; Dependent_count: whole 0 5 ; Education_Level: words
        Graduate|High School|Unknown|College|Post-Graduate|Uneducated ; Income_Category: words $60K - $80K|Less than
        $40K|$80K - $120K|$40K - $60K|$120K +|Unknown ; Card_Category: words Blue|Gold|Silver ; Months_on_book:
        whole 12 56 ; Months_Inactive_12_mon: whole 0 6 ; Contacts_Count_12_mon: whole 0 6 ; Credit_Limit: amount
        6000 0.8 ; Total_Revolving_Bal: zeros 1300 0.25 ; Total_Amt_Chng_Q4_Q1: amount 0.7 0.3 ; Total_Trans_Amt:
        amount 4000 0.6 ; Total_Trans_Ct: whole 10 139 ; Avg_Utilization_Ratio: share""",
    "bank": """
        Surname: name ; CreditScore: whole 350 850 ; Geography: words France|Spain|Germany ; Gender: words
        Male|Female ; Age: whole 18 85 ; Tenure: whole 0 10 ; Balance: zeros 90000 0.36 ; NumOfProducts: whole 1 4 ;
        HasCrCard: flag 0.7 ; IsActiveMember: flag 0.5 ; EstimatedSalary: amount 90000 0.6 ; Point Earned: whole 119
        1000""",
    "telco": """
        Count: same 1 ; Country: same United States ; Latitude: signed 5 ; Longitude: signed 8 ; Senior Citizen:
        flag 0.2 ; Partner: flag 0.5 ; Tenure Months: whole 0 72 ; Phone Service: flag 0.9 ; Multiple Lines: words
        No|Yes|No phone service ; Internet Service: words DSL|Fiber optic|No ; Contract: words Month-to-month|Two
        year|One year ; Payment Method: words Mailed check|Electronic check|Bank transfer (automatic) ; Monthly
        Charges: money 65 ; CLTV: whole 2000 6500""",
    "minutes": """
        State: words KS|OH|NJ|OK|AL|MA|MO|WV|TX|UT ; Account length: whole 1 240 ; Area code: words 408|415|510 ;
        International plan: flag 0.1 ; Voice mail plan: flag 0.3 ; Number vmail messages: count 8 ; Total day
        minutes: amount 180 0.3 ; Total day calls: whole 30 160 ; Total eve minutes: amount 200 0.3 ; Total intl
        minutes: amount 10 0.4 ; Customer service calls: count 1.5""",
    "staff": """
        Age: whole 18 60 ; BusinessTravel: words Travel_Rarely|Travel_Frequently|Non-Travel ; DailyRate: whole 100
        1500 ; Department: words Sales|Research & Development|Human Resources ; DistanceFromHome: whole 1 29 ;
        EmployeeCount: same 1 ; JobSatisfaction: whole 1 4 ; MonthlyIncome: amount 6000 0.5 ; NumCompaniesWorked:
        whole 0 9 ; Over18: same Y ; OverTime: flag 0.3 ; PercentSalaryHike: whole 11 25 ; StandardHours: same 80 ;
        TotalWorkingYears: whole 0 40 ; YearsAtCompany: whole 0 30""",
    "staff_survey": """
        satisfaction_level: share 4 3 ; last_evaluation: share 5 3 ; number_project: whole 2 7 ;
        average_montly_hours: whole 96 310 ; time_spend_company: whole 2 10 ; Work_accident: flag 0.15 ;
        promotion_last_5years: flag 0.05 ; sales: words sales|technical|support|IT|hr ; salary: words
        low|medium|high""",
    "gym": """
        gender: flag 0.5 ; Near_Location: flag 0.8 ; Partner: flag 0.5 ; Phone: flag 0.9 ; Contract_period: words
        1|6|12 ; Group_visits: flag 0.4 ; Age: whole 18 41 ; Avg_additional_charges_total: amount 140 0.6 ;
        Month_to_end_contract: whole 1 12 ; Lifetime: count 4 ; Avg_class_frequency_total: amount 1.8 0.4""",
    "insurance": """
        State: words Washington|Arizona|Nevada|California|Oregon ; Coverage: words Basic|Extended|Premium ;
        EmploymentStatus: words Employed|Unemployed|Medical Leave|Disabled|Retired ; Income: zeros 50000 0.25 ;
        Monthly Premium Auto: money 90 0.3 ; Months Since Last Claim: whole 0 35 ; Months Since Policy Inception:
        whole 0 99 ; Number of Open Complaints: count 0.4 ; Number of Policies: whole 1 9 ; Sales Channel: words
        Agent|Branch|Call Center|Web ; Total Claim Amount: amount 400 0.7 ; Vehicle Class: words Two-Door
        Car|Four-Door Car|SUV|Sports Car""",
    "travel": """
        Age: whole 27 38 ; FrequentFlyer: words Yes|No|No Record ; AnnualIncomeClass: words Low Income|Middle
        Income|High Income ; ServicesOpted: whole 1 6 ; AccountSyncedToSocialMedia: flag 0.4 ; BookedHotelOrNot:
        flag 0.4 ; nights_12m: count 9 ; avg_daily_rate: money 110 0.4 ; booking_lead_days: count 40""",
    "energy": """
        activity_new: hashed 12 ; channel_sales: hashed 6 ; cons_12m: amount 15000 1.2 ; cons_last_month: zeros 1300
        0.3 ; date_activ: day 1800 ; forecast_discount_energy: whole 0 30 ; has_gas: flag 0.2 ; imp_cons: zeros 150
        0.4 ; margin_net_pow_ele: amount 20 0.6 ; nb_prod_act: whole 1 6 ; num_years_antig: whole 1 13 ; pow_max:
        amount 18 0.5""",
    "music": """
        city: whole 1 22 ; bd: whole 0 60 ; gender: words male|female ; registered_via: words 3|4|7|9|13 ;
        registration_init_time: day 1500 ; plan_list_price: words 99|129|149|180 ; is_auto_renew: flag 0.8 ;
        num_unq: count 30 ; total_secs: amount 8000 0.8 ; num_25: count 6 ; skips: count 11""",
    "games": """
        level: count 30 ; sessions_per_week: count 5 ; avg_session_min: amount 22 0.6 ; platform: words
        iOS|Android|PC ; in_app_spend_usd: zeros 12 0.7 ; friends: count 7 ; ads_watched: count 9 ; difficulty:
        words Easy|Medium|Hard ; achievements: count 14 ; country_code: words US|BR|IN|DE|JP|NO""",
    "shop": """
        Tenure: whole 0 61 ; PreferredLoginDevice: words Mobile Phone|Phone|Computer ; CityTier: whole 1 3 ;
        WarehouseToHome: whole 5 36 ; PreferredPaymentMode: words Debit Card|UPI|COD|E wallet ; HourSpendOnApp:
        whole 0 5 ; NumberOfDeviceRegistered: whole 1 6 ; SatisfactionScore: whole 1 5 ; MaritalStatus: words
        Single|Married|Divorced ; NumberOfAddress: whole 1 20 ; Complain: flag 0.28 ; OrderAmountHikeFromlastYear:
        whole 11 26 ; CouponUsed: count 1.7 ; DaySinceLastOrder: whole 0 30 ; CashbackAmount: amount 170 0.3""",
    "saas": """
        account_name: name ; industry: words FinTech|EdTech|DevTools|HealthTech|Cybersecurity ; country: words
        US|UK|IN|DE ; signup_date: day 500 ; referral_source: words organic|ads|partner|event|other ; plan_tier:
        words Basic|Pro|Enterprise ; seats: count 20 ; mrr: money 240 0.8 ; is_trial: flag 0.2 ; nps: whole 0 10 ;
        adoption_pct: percent""",
    "b2b": """
        Company: name ; Region: words EMEA|APAC|Americas ; ACV: money 24000 0.7 ; Contract Term (months): words
        12|24|36 ; Support Tickets (90d): count 4 ; Exec Sponsor: flag 0.6 ; Usage % of licensed: percent 3 2 ; Days
        Since Last QBR: count 60 ; CSM Change: flag 0.2 ; Payment Delay (days): count 6 ; Health: words
        Green|Amber|Red""",
    "web": """
        Name: name ; age: whole 10 64 ; gender: words F|M ; region_category: words Town|City|Village ;
        membership_category: words No Membership|Basic Membership|Silver Membership|Premium Membership ;
        joining_date: day 900 ; joined_through_referral: flag 0.5 ; preferred_offer_types: words Gift
        Vouchers/Coupons|Credit/Debit Card Offers|Without Offers ; medium_of_operation: words
        Desktop|Smartphone|Both ; days_since_last_login: whole 1 26 ; avg_time_spent: amount 200 0.8 ;
        avg_transaction_value: amount 28000 0.5 ; points_in_wallet: amount 680 0.3 ; past_complaint: flag 0.5""",
    "german": """
        Vertragsart: words Monatlich|Jährlich|Zwei Jahre ; Monatsbeitrag: money 39 0.4 ; Vertragsdauer_Monate: whole
        1 80 ; Verbrauch_kWh: amount 3200 0.5 ; Beschwerden: count 0.8 ; Bundesland: words
        Bayern|Hessen|Sachsen|Berlin|NRW ; Eintrittsdatum: day 1500 ; Newsletter_Empfänger: flag 0.5 ; Rabattquote:
        share 1.5 6""",}


def _wide(rng: Rng) -> tuple[Spec, ...]:
    """Nameless columns."""
    kinds: list[tuple[str, tuple[float, ...]]] = [("amount", (500, 1.2)), ("count", (3,)), ("zeros", (40, 0.6)),
                                                  ("hashed", (8,)), ("signed", (20,))]
    return tuple(Spec(f"Var{n}", *kinds[rng.integers(len(kinds))]) for n in range(1, int(rng.integers(60, 180))))


Answer = tuple[str, str, str]
OWN_LABELS: dict[str, tuple[Answer, ...]] = {
    "card": (("Attrition_Flag", "Attrited Customer", "Existing Customer"),), "bank": (("Exited", "1", "0"),),
    "telco": (("Churn Label", "Yes", "No"), ("Customer Status", "Churned", "Stayed")),
    "minutes": (("Churn?", "True.", "False."), ("churn", "yes", "no")), "staff": (("Attrition", "Yes", "No"),),
    "staff_survey": (("left", "1", "0"),), "gym": (("Churn", "1", "0"),), "travel": (("Target", "1", "0"),),
    "energy": (("churn", "1", "0"),), "music": (("is_churn", "1", "0"),), "shop": (("Churn", "1", "0"),),
    "saas": (("churn_flag", "True", "False"), ("account_status", "cancelled", "active")),
    "web": (("churn_risk_score", "1", "0"), ("Churn", "1", "0")),
    "german": (("Gekündigt", "ja", "nein"), ("Status", "gekündigt", "aktiv"))}
ANY_LABEL: tuple[Answer, ...] = (
    ("status", "Churned", "Active"), ("churned", "T", "F"), ("target", "1", "-1"), ("churn", "1", "-1"),
    ("Renewed", "No", "Yes"), ("customer_status", "lost", "current"), ("Churn", "Churn", "No Churn"),
    ("is_active", "0", "1"), ("LABEL", "1", "0"), ("Churn Flag", "Y", "N"), ("lapsed", "true", "false"),
    ("retention_status", "Lost", "Retained"))
IDS = {"card": "CLIENTNUM", "bank": "CustomerId", "telco": "CustomerID", "minutes": "Phone", "staff": "EmployeeNumber",
       "staff_survey": "", "gym": "", "travel": "", "insurance": "Customer", "energy": "id", "music": "msno",
       "games": "PlayerID", "shop": "CustomerID", "saas": "account_id", "b2b": "Account ID", "web": "customer_id",
       "german": "Kundennummer"}
DIRT = ("missing words", "numbers for nothing", "spellings", "signs", "decimal comma", "percent", "units",
        "mixed answers", "blanks around", "percent clash", "several date forms", "thousands")


# ------------------------------------------------------------------------------------------------------------ an export

def company(seed: int, *, sector: str = "", layout: str = "", signal: bool | None = None, rows: int = 0,
            together: bool = False) -> Export:
    """The export of that seed; what is not given is drawn. together: answers hang on several columns at once."""
    rng = np.random.default_rng((seed, 31))
    sector = sector or str(rng.choice([*SECTORS, "wide"]))
    layout = layout or str(rng.choice(list(LAID)))
    n = rows or int(rng.integers(1_200, 4_500))
    dirt = frozenset(str(one) for one in rng.choice(DIRT, rng.integers(0, 5), replace=False))
    columns = _wide(rng) if sector == "wide" else specs(SECTORS[sector])
    drawn = pd.DataFrame({spec.name: spec.draw(rng, n) for spec in columns})
    if sector == "wide":
        drawn = drawn.mask(rng.random(drawn.shape) < np.where(rng.random(drawn.shape[1]) < 0.75, 0.9, 0.05))
    beside, known = _beside(rng, n, BESIDE.get(layout, ()))
    clean = pd.concat([drawn[[spec.name for spec in columns if spec.learned]], known], axis=1)
    signal = bool(rng.random() < 0.88) if signal is None else signal
    share = float(rng.choice([0.03, 0.08, 0.15, 0.27, 0.5], p=[0.1, 0.2, 0.3, 0.3, 0.1]))
    left = leavers(rng, clean, signal, max(share, 90 / n), together)
    frame, holes = _written(rng, drawn, columns, dirt)
    clean = clean.mask(holes.reindex(columns=clean.columns, fill_value=False))
    return _export(rng, seed, sector, layout, dirt, frame, clean, left, beside, signal)


BESIDE = {"events apart": ("usage",), "two event files": ("support_tickets", "payments"), "sheets": ("Usage",)}


def _beside(rng: Rng, n: int, stems: tuple[str, ...]) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Files of many rows per customer (who: the customer's row), and what a careful person learns of them."""
    files, known = {}, {}
    for stem in stems:
        count, level = rng.poisson(rng.gamma(2, 2.5, n)), rng.gamma(3, 6, n)
        who = rng.permutation(np.repeat(np.arange(n), count))
        spent = np.round(level[who] * rng.gamma(4, 0.25, len(who)), 2)
        day = (DRAWN - pd.to_timedelta(rng.integers(0, 200, len(who)), "D")).strftime("%Y-%m-%d")
        files[stem] = pd.DataFrame({f"{stem.lower()}_no": np.arange(len(who)) + 5000, "who": who, "date": day,
                                    "paid" if stem == "payments" else "duration": spent,
                                    "kind": rng.choice(["a", "b", "c"], len(who))})
        known[f"{stem}: how many"] = count.astype(float)
        known[f"{stem}: mean"] = pd.Series(spent).groupby(who).mean().reindex(range(n)).to_numpy()
    return files, pd.DataFrame(known, index=range(n))


def _export(rng: Rng, seed: int, sector: str, layout: str, dirt: frozenset[str], frame: pd.DataFrame,
            clean: pd.DataFrame, left: pd.Series, beside: Mapping[str, pd.DataFrame], signal: bool) -> Export:
    own = OWN_LABELS.get(sector, ())
    answers = own if own and rng.random() < 0.6 else ANY_LABEL
    label, yes, no = answers[rng.integers(len(answers))]
    ids = _keys(rng, frame, IDS.get(sector, "ID") or ("customer_id" if layout in NEED_IDS else ""))
    leaks = {str(name) for name in rng.choice(list(LEAKS), rng.integers(0, 4), replace=False)}
    for name in sorted(leaks):
        frame.insert(int(rng.integers(1, frame.shape[1] + 1)), name, pd.Series(LEAKS[name](rng, left), dtype=object))
    said = pd.Series(np.where(left == 1, yes, no), dtype=object)
    if sector == "telco" and label in ("Churn Label", "Customer Status"):
        frame["Churn Value"] = left.astype(str)
        leaks.add("Churn Value")
    frame.insert(int(rng.integers(1, frame.shape[1])) if rng.random() < 0.3 else frame.shape[1], label, said)
    order = np.argsort(left.to_numpy(), kind="stable") if rng.random() < 0.25 else np.arange(len(left))
    keyed = {stem: _keyed(rng, part, frame[ids], ids) for stem, part in beside.items()}
    frame, clean, left = (part.iloc[order].reset_index(drop=True) for part in (frame, clean, left))
    if sector == "bank":
        frame.insert(0, "RowNumber", np.arange(1, len(frame) + 1))
    files, bodies = LAID[layout](rng, Told(frame, ids, label, yes, keyed, dirt))
    leaks |= {"churn_date", "reason_code"} if layout == "file of leavers" else set()
    return Export(seed, sector, files, ids, label, frozenset({yes}), frozenset(n for n in clean if ":" not in n),
                  frozenset(leaks), clean, left, signal, (layout, *sorted(dirt)), {}, bodies)


# ---------------------------------------------------------------------------------------------------------------- cells

def _written(rng: Rng, drawn: pd.DataFrame, columns: tuple[Spec, ...], dirt: frozenset[str]
             ) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The table as the company writes it, and where it does not know."""
    answers = [("Yes", "No"), ("1", "0"), ("Y", "N"), ("t", "f"), ("TRUE", "FALSE"), ("yes", "no")][rng.integers(6)]
    written, holes = {}, {}
    for spec in columns:
        values = drawn[spec.name]
        often = bool(dirt & {"missing words", "numbers for nothing"}) and spec.learned and rng.random() < 0.4
        holes[spec.name] = (rng.random(len(values)) < rng.uniform(0.01, 0.1) * often) | values.isna()
        texts = WAYS.get(spec.kind, _number)(rng, values, spec, dirt, answers)
        written[spec.name] = texts.astype(object).mask(holes[spec.name], _nothing(rng, values, spec, dirt))
    return pd.DataFrame(written), pd.DataFrame(holes)


def _as_it_is(_rng: Rng, values: pd.Series, *_: Any) -> pd.Series:
    return values.astype(object)


def _answer(rng: Rng, values: pd.Series, _spec: Spec, dirt: frozenset[str], answers: tuple[str, str]) -> pd.Series:
    texts = pd.Series(np.where(values == 1, *answers), dtype=object)
    yes, no = rng.choice(["yes", "YES", " Yes"], len(values)), rng.choice(["no", "NO"], len(values))
    other = np.where(values == 1, yes, no)
    return texts.where(rng.random(len(values)) > 0.1, pd.Series(other)) if "mixed answers" in dirt else texts


def _day(rng: Rng, values: pd.Series, _spec: Spec, dirt: frozenset[str], _answers: object) -> pd.Series:
    day = DRAWN - pd.to_timedelta(values.to_numpy(), "D")
    way = str(rng.choice(["%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%Y%m%d", "%d-%b-%Y", "%m/%d/%Y", "%Y-%m-%d %H:%M:%S"]))
    texts = pd.Series(day.strftime(way), dtype=object)
    if "several date forms" not in dirt or way not in ("%Y-%m-%d", "%d.%m.%Y"):
        return texts
    return texts.where(rng.random(len(values)) > 0.2, pd.Series(day.strftime("%d-%b-%Y"), dtype=object))


def _word(rng: Rng, values: pd.Series, _spec: Spec, dirt: frozenset[str], _answers: object) -> pd.Series:
    ways: list[Callable[[str], str]] = [str, str, str]
    ways += [str.upper, str.lower] if "spellings" in dirt else []
    ways += [lambda text: f" {text} "] if "blanks around" in dirt else []
    way = rng.integers(0, len(ways), len(values))
    return pd.Series([ways[n](str(text)) for n, text in zip(way, values, strict=True)], dtype=object)


def _number(rng: Rng, values: pd.Series, spec: Spec, dirt: frozenset[str], _answers: object) -> pd.Series:
    comma, plain = "decimal comma" in dirt, values.map(lambda number: f"{number:.10g}")
    if spec.kind == "share" and "percent clash" in dirt:
        plain = plain.mask(rng.random(len(values)) < 0.04, values.map(lambda number: f"{100 * number:.10g}"))
    elif spec.kind in ("share", "percent") and "percent" in dirt:
        whole = 100 if spec.kind == "share" else 1
        plain = values.map(lambda number: f"{number * whole:.1f}{rng.choice(['%', ' %'])}")
    elif not comma and spec.kind == "money" and "signs" in dirt:
        sign = str(rng.choice(["$", "€", "£", "₹", "R$ ", "CHF "]))
        plain = values.map(lambda number: f"{sign}{number:,.2f}")
    elif not comma and spec.kind in ("money", "amount") and "thousands" in dirt:
        plain = values.map(lambda number: f"{number:,.2f}")
    elif not comma and spec.kind == "amount" and "units" in dirt:
        plain = plain + str(rng.choice([" min", " km", "GB", " kWh", " hrs"]))
    return plain.str.replace(".", ",") if comma else plain


WAYS: dict[str, Callable[..., pd.Series]] = {"flag": _answer, "day": _day, "words": _word, "hashed": _as_it_is,
                                             "name": _as_it_is, "same": _as_it_is}


def _nothing(rng: Rng, values: pd.Series, spec: Spec, dirt: frozenset[str]) -> Any:
    """What stands where nothing is known."""
    if "numbers for nothing" in dirt and spec.kind in ("amount", "count", "whole") and values.max() < 5000:
        return str(rng.choice(["-999", "-99", "-1"] if values.min() > 0 else ["-999", "-99"]))
    if "missing words" not in dirt:
        return ""
    words = ["", "NA", "?", "unknown", "null"]
    words += [] if spec.kind in ("words", "hashed", "flag") else ["Error", "-", "xxx"]
    return pd.Series(rng.choice(rng.choice(words, 3, replace=False), len(values)), dtype=object)


# ------------------------------------------------------------------------------------------------------- keys and leaks

def _keys(rng: Rng, frame: pd.DataFrame, name: str) -> str:
    """Put the customers' keys before the rest; returns the name."""
    if name:
        drawn = rng.permutation(len(frame)) + int(rng.integers(1_000, 9_000_000))
        ways: list[Callable[[int], str]] = [str, "{:09d}".format, lambda k: f"{k * 2_654_435_761 % 2**32:08x}{k:07d}",
                                            "CUST-{}".format, lambda k: f"{k % 9000 + 1000}-{chr(65 + k % 26)}{k:07d}"]
        ways = [lambda k: f"{200 + k // 10_000:03d}-{k % 10_000:04d}"] if name == "Phone" else ways
        way = ways[rng.integers(len(ways))]
        frame.insert(0, name, pd.Series([way(int(key)) for key in drawn], dtype=object))
    return name


def _keyed(rng: Rng, part: pd.DataFrame, keys: pd.Series, ids: str) -> pd.DataFrame:
    """A file of many rows with the customers' keys as that system writes and names them: now and then 123.0 for 123,
    or without the zeros before it."""
    who = pd.Series(keys.to_numpy()[part["who"].to_numpy()], dtype=object)
    if rng.random() < 0.4 and who.str.fullmatch(r"\d+").all():
        who = who.str.lstrip("0") + ".0" if rng.random() < 0.5 else who.str.lstrip("0")
    name = str(rng.choice([ids, "customer", "cust_ref", "AccountID", "client_id"]))
    return part.assign(who=who.to_numpy()).rename(columns={"who": name})


def _near(rng: Rng, left: pd.Series, sure: float) -> np.ndarray:
    return np.round(1 / (1 + np.exp(-(sure * (2 * left - 1) + rng.normal(0, 1, len(left))))), 5)


def _where(yes: Callable[[Rng, int], Any], no: Any) -> Callable[[Rng, pd.Series], Any]:
    return lambda rng, left: np.where(left == 1, yes(rng, len(left)), no)


def _one_of(*words: str) -> Callable[[Rng, int], Any]:
    return lambda rng, n: rng.choice(words, n)


def _after(rng: Rng, n: int) -> Any:
    return (DRAWN + pd.to_timedelta(rng.integers(1, 60, n), "D")).strftime("%Y-%m-%d")


LEAKS: dict[str, Callable[[Rng, pd.Series], Any]] = {
    "Naive_Bayes_Classifier_Attrition_Flag_1": lambda rng, left: np.where(
        left == 1, 1 - 0.02 * rng.random(len(left)), 0.0001 * rng.random(len(left))).round(6),
    "churn_probability": lambda rng, left: _near(rng, left, 3.5),
    "predicted_churn": lambda rng, left: (left ^ (rng.random(len(left)) < 0.01)).astype(int),
    "Churn Score": lambda rng, left: np.where(
        left == 1, rng.integers(66, 101, len(left)), rng.integers(5, 67, len(left))),
    "Churn Reason": _where(_one_of("Price", "Moved", "Competitor made better offer"), ""),
    "Churn Category": _where(_one_of("Price", "Other", "Competitor"), "Not Applicable"),
    "exit_date": _where(_after, ""), "inactive_since": _where(_after, ""),
    "refund_after_cancel": lambda rng, left: np.where(
        (left == 1) & (rng.random(len(left)) < 0.8), _drawn(rng, len(left), 20), 0),
    "account_state_code": _where(_one_of("X9"), "A1"),
    "months_billed_after_today": lambda rng, left: np.where(left == 1, 0, rng.integers(1, 13, len(left))),
    "retention_call_outcome": _where(_one_of("refused", "unreachable"), "")}


# -------------------------------------------------------------------------------------------------------------- layouts

@dataclass(frozen=True)
class Told:
    """What a layout writes: the customers' table, its key and label, files of many rows, and how cells are spoilt."""

    frame: pd.DataFrame
    ids: str
    label: str
    yes: str
    beside: Mapping[str, pd.DataFrame]
    dirt: frozenset[str]

    def others(self, names: Any) -> list[str]:
        """Those of the names that are neither key nor label."""
        return [name for name in names if name not in (self.ids, self.label)]


Laid = tuple[dict[str, pd.DataFrame], dict[str, bytes]]


def _csv(rng: Rng, frame: pd.DataFrame, dirt: frozenset[str] = frozenset(), above: str = "", below: str = "") -> bytes:
    sep = ";" if "decimal comma" in dirt else str(rng.choice([",", ",", ";", "\t", "|"]))
    line = str(rng.choice(["\n", "\r\n"]))
    text = above + frame.to_csv(index=False, sep=sep, quoting=int(rng.choice([0, 0, 1])), lineterminator=line) + below
    latin = ["cp1252"] if text.encode("cp1252", "replace").decode("cp1252") == text else []
    return text.encode(str(rng.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16", *latin])))


def _files(rng: Rng, told: Told, **parts: pd.DataFrame) -> Laid:
    """Each part as a file of that name, the keyed ones without spoilt cells."""
    files = {f"{name}.csv": part for name, part in {**parts, **told.beside}.items()}
    dirt = {name: told.dirt if name[:-4] in parts else frozenset[str]() for name in files}
    return files, {name: _csv(rng, part, dirt[name]) for name, part in files.items()}


def _one(name: str, frame: pd.DataFrame, body: bytes) -> Laid:
    return {name: frame}, {name: body}


def _plain(rng: Rng, told: Told) -> Laid:
    return _files(rng, told, customers=told.frame)


def _index_column(rng: Rng, told: Told) -> Laid:
    frame = told.frame.copy()
    frame.insert(0, "", np.arange(len(frame)))
    return _one("export.csv", told.frame, _csv(rng, frame, told.dirt))


def _title_lines(rng: Rng, told: Told) -> Laid:
    above = str(rng.choice(["Customer export\n", "Customer export\nGenerated 2024-05-31 by CRM\n\n",
                            "# all customers\n# confidential\n", "Report: churn;;;\n\n"]))
    return _one("report.csv", told.frame, _csv(rng, told.frame, told.dirt, above=above))


def _totals(rng: Rng, told: Told) -> Laid:
    rows = len(told.frame)
    below = str(rng.choice([f"Total,{rows}\n", f"Total;{rows}\n", "\nEnd of report\n", f"Grand total: {rows}\n"]))
    return _one("list.csv", told.frame, _csv(rng, told.frame, told.dirt, below=below))


def _repeated_names(rng: Rng, told: Told) -> Laid:
    again = told.frame[[str(rng.choice(told.others(told.frame)))]]
    return _one("joined.csv", told.frame, _csv(rng, pd.concat([told.frame, again], axis=1), told.dirt))


def _blank_columns(rng: Rng, told: Told) -> Laid:
    blank = pd.DataFrame("", index=told.frame.index, columns=["", " ", "  "])
    return _one("list.csv", told.frame, _csv(rng, pd.concat([told.frame, blank], axis=1), told.dirt))


def _some_unanswered(rng: Rng, told: Told) -> Laid:
    """Train and test in two files, the test's answers withheld."""
    test = told.frame.sample(frac=0.1, random_state=5).drop(columns=told.label)
    if told.ids:
        test[told.ids] = "new-" + test[told.ids].astype(str)
    files = {"train.csv": told.frame, "test.csv": test}
    return files, {name: _csv(rng, part, told.dirt) for name, part in files.items()}


def _train_and_test(rng: Rng, told: Told) -> Laid:
    cut = int(len(told.frame) * 0.75)
    return _files(rng, told, train=told.frame[:cut], test=told.frame[cut:])


def _answers_apart(rng: Rng, told: Told) -> Laid:
    answers = told.frame[[told.ids, told.label]].sample(frac=1, random_state=2)
    return _files(rng, told, features=told.frame.drop(columns=told.label), labels=answers)


def _profile_apart(rng: Rng, told: Told) -> Laid:
    moved = told.others(told.frame.columns[1:6])
    name = str(rng.choice([told.ids, "cust_no", "Client ID", "ref"]))
    other = told.frame[[told.ids, *moved]].sample(frac=1, random_state=3).rename(columns={told.ids: name})
    return _files(rng, told, crm=told.frame.drop(columns=moved), billing=other)


def _file_of_leavers(rng: Rng, told: Told) -> Laid:
    gone = told.frame.loc[told.frame[told.label] == told.yes, [told.ids]]
    events = gone.assign(churn_date="2024-06-15", reason_code=rng.choice(["pricing", "support", "budget"], len(gone)))
    return _files(rng, told, accounts=told.frame, churn_events=events)


def _zipped(rng: Rng, told: Told) -> Laid:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data/customers.csv", _csv(rng, told.frame, told.dirt))
        archive.writestr("data/README.txt", "How to read these files\nAsk the data team.\n")
    return {"customers.csv": told.frame}, {"export.zip": body.getvalue()}


def _parquet(_rng: Rng, told: Told) -> Laid:
    typed = told.frame.astype(str)
    for name in told.others(typed):
        typed[name] = pd.to_numeric(typed[name]) if typed[name].str.fullmatch(NUMBER).all() else typed[name]
    body = io.BytesIO()
    typed.to_parquet(body, index=False)
    return _one("customers.parquet", told.frame, body.getvalue())


def _book(sheets: Mapping[str, list[list[Any]]]) -> bytes:
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append([None if cell == "" else cell for cell in row])
    body = io.BytesIO()
    book.save(body)
    return body.getvalue()


def _cells(frame: pd.DataFrame) -> list[list[Any]]:
    """The table as a sheet's rows: numbers as such where a whole column is written so."""
    columns = [[float(text) for text in frame[name].map(str)] if frame[name].map(str).str.fullmatch(NUMBER).all()
               else frame[name].tolist() for name in frame]
    return [list(frame.columns), *map(list, zip(*columns, strict=True))]


def _readme_sheet(_rng: Rng, told: Told) -> Laid:
    legend = [["Data", "Variable", "Meaning"], *[["E Comm", name, f"what {name} means"] for name in told.frame]]
    return _one("book.xlsx", told.frame, _book({"Data Dict": legend, "E Comm": _cells(told.frame)}))


def _title_in_sheet(_rng: Rng, told: Told) -> Laid:
    rows = [["Customer base, May 2024"], [], *_cells(told.frame), ["Total", len(told.frame)]]
    return _one("book.xlsx", told.frame, _book({"Sheet1": rows, "Sheet2": []}))


def _sheets(_rng: Rng, told: Told) -> Laid:
    half = told.others(told.frame.columns[told.frame.shape[1] // 2:])
    made = {"Customers": told.frame.drop(columns=half),
            "Profile": told.frame[[told.ids, *half]].sample(frac=1, random_state=1), **told.beside}
    return made, {"company.xlsx": _book({"About": [["Our base"], ["ask Jo"]],
                                         **{title: _cells(part) for title, part in made.items()}})}


LAID: dict[str, Callable[[Rng, Told], Laid]] = {
    "plain": _plain, "index column": _index_column, "title lines": _title_lines, "totals": _totals,
    "repeated names": _repeated_names, "blank columns": _blank_columns, "train and test": _train_and_test,
    "some unanswered": _some_unanswered, "answers apart": _answers_apart, "profile apart": _profile_apart,
    "file of leavers": _file_of_leavers, "events apart": _plain, "two event files": _plain, "zipped": _zipped,
    "parquet": _parquet, "readme sheet": _readme_sheet, "title in sheet": _title_in_sheet, "sheets": _sheets}
NEED_IDS = ("answers apart", "profile apart", "file of leavers", "events apart", "two event files", "sheets")
