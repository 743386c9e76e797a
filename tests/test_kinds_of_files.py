"""Which kind of files they are: order lines under names of any language, and what a person says they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.data.doctor import kinds
from engine.errors import EngineError


def lines(folder: Path, when: str, **more: object) -> Path:
    """Six hundred order lines of a hundred customers, with their time under that name."""
    days = pd.Timestamp("2025-01-01") + pd.to_timedelta(np.arange(600) // 2, "D")
    frame = pd.DataFrame({"Kundennummer": np.arange(600) % 100 + 10_000, **more, when: days.strftime("%d.%m.%Y"),
                          "Menge": np.arange(600) % 3 + 1})
    frame["Einzelpreis"] = [f"{price},50 €" for price in np.arange(600) % 50 + 1]
    frame.to_csv(folder / "zeilen.csv", sep=";", index=False)
    return folder / "zeilen.csv"


@pytest.mark.parametrize("when", ["Datum", "Bestelldatum", "Rechnungsdatum", "Kaufdatum", "Auftragsdatum",
                                  "Buchungs-Datum", "purchasedate", "Fecha de compra", "fechapedido", "DataOrdine",
                                  "date_commande", "Belegzeitpunkt", "order_dt", "sold_on"])
def test_the_time_of_an_order_is_known_in_compounds(when: str, tmp_path: Path) -> None:
    found = kinds.kind_of([lines(tmp_path, when)])
    assert (found.adapter, found.part.value) == ("orders", "order lines")
    assert found.options["names"] == {"customer_id": "Kundennummer", "at": when, "quantity": "Menge",
                                      "price": "Einzelpreis"}


def test_a_day_of_birth_or_delivery_is_not_the_time_of_an_order(tmp_path: Path) -> None:
    born = (pd.Timestamp("1980-01-01") + pd.to_timedelta(np.arange(600) % 100, "D")).strftime("%d.%m.%Y")
    sent = (pd.Timestamp("2025-01-03") + pd.to_timedelta(np.arange(600) // 2, "D")).strftime("%d.%m.%Y")
    found = kinds.kind_of([lines(tmp_path, "Bestelldatum", Geburtsdatum=born, Lieferdatum=sent)])
    assert found.options["names"]["at"] == "Bestelldatum"


def test_what_a_person_calls_order_lines_is_read_so_or_told_what_it_lacks(tmp_path: Path) -> None:
    path = lines(tmp_path, "wann")
    assert kinds.kind_of([path]).adapter == ""
    assert kinds.said("orders", [path]).options["names"]["at"] == "wann"
    pd.read_csv(path, sep=";").drop(columns="wann").to_csv(path, sep=";", index=False)
    with pytest.raises(EngineError, match=r"zeilen\.csv cannot be read as order lines: no column is a time\. .*Menge"):
        kinds.said("orders", [path])
    pd.read_csv(path, sep=";").drop(columns="Kundennummer").to_csv(path, sep=";", index=False)
    with pytest.raises(EngineError, match="no column names a customer on several rows and none is a time"):
        kinds.said("orders", [path])
