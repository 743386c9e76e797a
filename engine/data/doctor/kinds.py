"""What kind of files they are: one that an adapter knows by its columns, a history of orders or events, customers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from engine.data import adapters
from engine.data.adapters import orders, shop, telco
from engine.data.adapters.common import ID_FIELD, SOME, match, without_currency
from engine.data.adapters.telco import CHURNED
from engine.data.chunks import beginning, is_big
from engine.data.doctor import leavers, recognise
from engine.data.doctor import vocabulary as words
from engine.data.doctor.looks import Look, looks
from engine.data.doctor.recognise import Part
from engine.data.doctor.vocabulary import says
from engine.data.readers import column_names, is_too_big, read_raw
from engine.errors import EngineError
from engine.limits import setting

SEVERAL = 1.3
WHEN = (r"date|datetime|time|timestamp|at|day|when|month|ts|fecha|hora|datum|zeit|zeitpunkt|horodatage|data|giorno|dia|"
        r"dato|tarih|created|ordered|purchased|event_time")
TIME = r"(?:datum|date|datetime|dt|timestamp|time|zeit|zeitpunkt|uhrzeit|tag|day|fecha|data|dato|tarihi?|hora|at|on)"
BOUGHT = (r"(?:orders?|ordered|invoiced?|purchased?|transactions?|receipt|sales?|sold|bought|checkout|paid|payment|"
          r"booking|bestell(?:ung)?|rechnung|kauf|einkauf|auftrag|buchung|beleg|verkauf|pedido|compra|factura|venta|"
          r"commande|achat|facture|vente|ordine|acquisto|fattura|vendita|encomenda|bestel|aankoop|faktuur|"
          r"zamowienia|siparis|ordre)s?")
ORDERED_AT = rf"\w*?{BOUGHT}_?{TIME}|{TIME}_?(?:of_|de_|da_|do_|di_|d_|der_)?{BOUGHT}"
DATED = r"\w*(?:datum|date|datetime|timestamp|zeitpunkt|uhrzeit|fecha|data|tarihi)"
LATER = (r"\w*(?:deliver|liefer|entrega|livraison|consegna|ship|versand|due|fallig|faellig|updat|modif|geander|signup|"
         r"sign_up|regist|join|eintritt|anmelde|expir|ablauf)\w*")
BORN = r"\w*(?:birth|geburt|nacimiento|naissance|nascita|nasciment|geboorte|dob)\w*"
DAY = r".*"
PIECES = r"quantity|qty|units|pieces|count|items|menge|anzahl|cantidad|quantite|quantita|quantidade|aantal|ilosc|adet"
PRICE = (r"(?:unit_?|item_?)?price|(?:einzel|stuck|stueck|artikel|verkaufs)?_?preis|precio|prix|prezzo|preco|prijs|"
         r"cena|fiyat")
AMOUNT = (r"(?:total_?|line_?|order_?|net_?|gross_?)?(?:amount|total|value|sales|revenue|spend|paid)|"
          r"(?:gesamt|bestell|rechnungs|auftrags|brutto|netto|waren|positions|zeilen)?_?(?:betrag|umsatz|summe)|"
          r"(?:gesamt|brutto|netto)_?preis|(?:bestell|rechnungs|auftrags|waren)_?wert|importe|monto|montant|importo|valor|bedrag|kwota|tutar")
ORDER = (r"(?:order|invoice|transaction|receipt|basket|ticket|bill|bestell|rechnungs?|pedido|factura|commande|ordine|"
         r"bestelling|zamowieni[ea]|siparis)_?(?:id|no|nr|number|num|nummer|code|ref)?|belegnr")
ITEM = (r"(?:product|item|sku|article|stock|artikel|producto|articulo|produit|prodotto|produto)_?"
        r"(?:id|no|nr|code|name|nummer)?")
EXTRAS: Mapping[str, Sequence[Any]] = {"telco": telco.FIELDS, "shop_snapshot": shop.FIELDS}


@dataclass(frozen=True)
class Kind:
    """An adapter for the files, what it is told, and the evidence; adapter "" for customers that no adapter knows."""

    adapter: str = ""
    part: Part = field(default_factory=lambda: Part("kind"))
    options: Mapping[str, Any] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()


def said(adapter: str, paths: Sequence[Path]) -> Kind:
    """The kind of files that a person says they are; of order lines under other names, which column is which.

    Raises:
        EngineError: when no column of such lines names customers, or none is a time.
    """
    part = Part("kind", "", 1.0, "a person said so", adapter)
    if adapter != "orders" or len(paths) > 1 or not orders.missing(column_names(paths[0])):
        return Kind("" if adapter == "table" else adapter, part)
    seen = looks(beginning(paths[0]) if is_big(paths[0]) else read_raw(paths[0]).frame)
    who, when = _customer(seen), _when(seen, DAY)
    if who is None or when is None:
        parts = (("names a customer on several rows", who), ("is a time", when))
        lacks = [what for what, look in parts if look is None]
        raise EngineError(f"{paths[0].name} cannot be read as order lines: no column {' and none '.join(lacks)}. Its "
                          f"columns are: {', '.join(list(seen)[:30])}.")
    return replace(_of(seen, who, when), part=part)


def kind_of(paths: Sequence[Path]) -> Kind:
    """The kind of the files, by the registry of adapters first, then by what one file's rows look like."""
    known = _known(paths)
    if known is not None and not _merely_resembles(known, paths):
        why = f"the columns are those of {known.describes}"
        return Kind(known.name, Part("kind", "", 0.95, why, known.name))
    if known is None and len(paths) == 1:
        return _read_as_history(paths[0])
    return Kind()


def _read_as_history(path: Path) -> Kind:
    """What one file's rows look like: those it begins with and, of a file that is read as a whole, all of them where
    that beginning shows no history."""
    if is_big(path):
        begun = _history(looks(beginning(path)))
        if begun.adapter or is_too_big(path):
            return begun
    return _history(looks(read_raw(path).frame))


def _known(paths: Sequence[Path]) -> adapters.Adapter | None:
    try:
        return adapters.guess(paths)
    except EngineError:
        return None


def _merely_resembles(adapter: adapters.Adapter, paths: Sequence[Path]) -> bool:
    """Whether a table of customers only happens to have an adapter's columns: it holds more than the adapter learns
    from, or one row per customer where a history has many."""
    if adapter.name in EXTRAS:
        names = [name for path in paths for name in column_names(path)]
        used = set(match((*EXTRAS[adapter.name], ID_FIELD), names).values())
        further = [name for name in names
                   if name not in used and not re.fullmatch(words.ROW_COUNTER, words.named(name))]
        answered = adapter.name == "shop_snapshot" and match([_answer()], names)
        return len(paths) == 1 and (len(further) > 1 or bool(answered) or _contradicts(paths[0]))
    if adapter.name == "subscriptions":
        return any(_answered(path) for path in paths)
    if adapter.name != "orders" or len(paths) > 1:
        return False
    if is_big(paths[0]):
        if not _one_row_each(beginning(paths[0])):
            return False  # a table of customers has each of them once from the start
        _refuse_doubtful(paths[0])
    return _one_row_each(read_raw(paths[0]).frame)


def _refuse_doubtful(path: Path) -> None:
    """EngineError for what is too big to be looked through and begins as a table of customers, though it has the
    columns of orders."""
    if is_too_big(path):
        raise EngineError(f"{path.name} begins with one row per customer, as a table of customers does, and has the "
                          "columns of orders. If it holds orders, say so: --adapter orders of `run`, or the kind on "
                          f"the screen Data. Tables of customers are read up to {setting('HOLDFAST_WHOLE_MB'):,} MB: "
                          "bring the rows of some, or set HOLDFAST_WHOLE_MB where memory holds ten times the file.")


def _one_row_each(frame: pd.DataFrame) -> bool:
    """Whether a customer's key stands on about one row."""
    ids = match([ID_FIELD], map(str, frame.columns)).get(ID_FIELD.name, "")
    return bool(ids) and looks(frame[[ids]])[ids].distinct * SEVERAL > len(frame)


def _contradicts(path: Path) -> bool:
    """Whether some customers stand on several rows that differ: the doctor mends that, an adapter refuses it."""
    frame = read_raw(path).frame.drop_duplicates()
    ids = match([ID_FIELD], map(str, frame.columns)).get(ID_FIELD.name)
    return ids is not None and 0 < frame[ids].duplicated(keep=False).mean() <= SOME


def _answered(path: Path) -> bool:
    """Whether a file has one row per customer and says itself, beyond doubt, who left."""
    seen = looks(read_raw(path).frame)
    ids, label = recognise.identity(seen), leavers.label(seen)[0]
    return bool(ids.column) and seen[ids.column].unique and label.confidence >= recognise.SURE


def _answer() -> Any:
    return next(field for field in telco.FIELDS if field.name == CHURNED.name)


# ------------------------------------------------------------------------------------------------------------ histories

def _history(seen: Mapping[str, Look]) -> Kind:
    """Order lines or events under names of the company's own: a customer's key on several rows, each with its day."""
    who = _customer(seen)
    when = _when(seen)
    if who is None or when is None or leavers.label(seen)[0].confidence >= recognise.LIKELY:
        return Kind()
    return _of(seen, who, when)


def _of(seen: Mapping[str, Look], who: Look, when: Look) -> Kind:
    """The history of that customer's key and that time, with the columns of an order that are there."""
    found = {"customer_id": who.name, "at": when.name}
    taken = {who.name, when.name}
    for name, pattern, numeric in (("order_id", ORDER, False), ("quantity", PIECES, True), ("price", PRICE, True),
                                   ("amount", AMOUNT, True), ("item_id", ITEM, False)):
        look = next((look for look in seen.values() if look.name not in taken and re.fullmatch(pattern, _named(look))
                     and (look.kind == "number") >= numeric and look.blank < 0.2), None)
        if look is not None:
            found[name] = look.name
            taken.add(look.name)
    if not {"price", "amount"} & set(found):
        found.pop("quantity", None)
    return _as_kind(found, who, when)


def _named(look: Look) -> str:
    """The plain name, without the currency that a number may say besides."""
    bare, currency = without_currency(look.plain)
    return bare if look.kind == "number" and currency else look.plain


def _when(seen: Mapping[str, Look], named: str = rf"{DATED}|{ORDERED_AT}") -> Look | None:
    """The time of what a row tells: a date by whose name something was bought, else one `named` as a time at all; one
    that speaks of what came later or before comes last, and a day of birth is none."""
    dates = [look for look in seen.values() if look.kind == "date" and look.blank < 0.1 and look.distinct > 10
             and (says(look.plain, WHEN) or re.fullmatch(named, look.plain)) and not re.fullmatch(BORN, look.plain)]
    return min(dates, default=None, key=lambda look: (
        re.fullmatch(ORDERED_AT, look.plain) is None, re.fullmatch(LATER, look.plain) is not None,
        not says(look.plain, WHEN)))


def _customer(seen: Mapping[str, Look]) -> Look | None:
    """The key that stands on several rows: by name, and with the fewest different values of those so named."""
    keys = [look for look in seen.values() if look.blank < 0.3 and look.distinct > 20 and look.kind in
            ("number", "text", "category") and (re.fullmatch(words.ID, look.plain) or look.plain in (
                "customer", "client", "user", "member", "cliente", "kunde", "klant", "musteri"))
            and look.distinct * SEVERAL <= look.rows * (1 - look.blank)]
    strong = [look for look in keys if re.fullmatch(words.STRONG_ID, look.plain)]
    return next(iter(strong or keys), None)


def _as_kind(found: Mapping[str, str], who: Look, when: Look) -> Kind:
    money = next((found[name] for name in ("amount", "price") if name in found), "")
    what = "order lines" if money else "an event log"
    rows = f"{who.name} stands on {who.rows / who.distinct:.1f} rows on average, each with its time in {when.name}"
    parts = (Part("id", who.name, 0.85, rows), Part("date", when.name, 0.85, "its values are times"),
             *(Part(name.removesuffix("_id"), column, 0.75, "its name says so") for name, column in found.items()
               if name not in ("customer_id", "at")))
    counted = {} if money else {"counted": True}
    return Kind("orders", Part("kind", "", 0.8, rows, what), {"names": dict(found), **counted}, parts)
