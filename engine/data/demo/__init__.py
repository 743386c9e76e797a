"""Invented companies with known truth: raw files that pass through the same door as any company's.

Everything here is synthetic. Names, addresses and numbers belong to nobody, and no figure measured on these companies
says anything about a real one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from engine.data.demo import shop, streaming, telecom, telecom_past, telecom_truth


@dataclass(frozen=True)
class DemoFiles:
    """What a demo company wrote: raw files for the adapter, and apart from them the truth that no model may see."""

    sources: tuple[Path, ...]
    adapter: str
    truth: Path
    observed_until: datetime


Earlier = Iterator[tuple[datetime, tuple[Path, ...]]]


@dataclass(frozen=True)
class Demo:
    """An invented company. `customers` is how many it has unless asked otherwise; its answers about who left, and its
    truth, cover `horizon_days` from `observed_until` on. as_it_was: its files at earlier moments, where a file holds
    what is known on one day.
    """

    name: str
    sector: str
    adapter: str
    currency: str
    words: str
    customers: int
    observed_until: datetime
    horizon_days: int
    make: Callable[[Path, int, int], tuple[tuple[Path, ...], Path]]
    as_it_was: Callable[[Path, int, int], Earlier] | None = None
    synthetic: bool = True

    def write(self, folder: Path, seed: int, customers: int | None = None) -> DemoFiles:
        """The company's raw files and truth in `folder`; the same seed and size give the same bytes."""
        folder.mkdir(parents=True, exist_ok=True)
        sources, truth = self.make(folder, seed, customers or self.customers)
        return DemoFiles(sources, self.adapter, truth, self.observed_until)

    def earlier(self, folder: Path, seed: int, customers: int | None = None) -> Earlier:
        """Earlier moments, the earliest first, and the company's raw files of then; none of most companies."""
        if self.as_it_was is not None:
            yield from self.as_it_was(folder, seed, customers or self.customers)


DEMOS = {demo.name: demo for demo in (
    Demo("demo-telecom", "telecom", "telco", "USD",
         "An invented telecom: contracts, two years of use, payments and tickets, past randomised offers.",
         7_000, telecom.OBSERVED_UNTIL, telecom_truth.WINDOW_DAYS, telecom.make, telecom_past.as_it_was),
    Demo("demo-shop", "retail", "orders", "GBP",
         "An invented shop: four years of orders, returns, visits, carts and wishlists.",
         10_000, shop.OBSERVED_UNTIL, shop.WINDOW_DAYS, shop.make),
)}
"""The companies that `make run` makes."""

MORE_DEMOS = {demo.name: demo for demo in (
    Demo("demo-streaming", "streaming", "kkbox", "TWD",
         "An invented streaming service: subscriptions that run out, payments and daily listening over 27 months.",
         2_500, streaming.OBSERVED_UNTIL, streaming.WINDOW_DAYS, streaming.make),
)}
"""Companies that are made when asked for by name."""

EVERY_DEMO = {**DEMOS, **MORE_DEMOS}
