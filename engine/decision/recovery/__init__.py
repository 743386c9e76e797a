"""What a retention campaign would return: investment, saves, net return and ROI, before anybody is contacted.

A campaign contacts customers at a cost each, with an offer that costs something to whoever takes it. Of a customer who
leaves with probability p and is worth L if they stay, it expects

    saves       = r p               r: recovery rate, the share of would-be leavers whom the campaign keeps
    gain        = r p L             = r x margin at risk
    investment  = contact cost + offer cost x (r p + q (1 - p))
                                    q: share of those who would have stayed anyway who take the offer too
    net         = gain - investment
    roi         = net / investment

Those who leave all the same take no offer. Source: Neslin, Gupta, Kamakura, Lu and Mason (2006), Defection Detection,
Journal of Marketing Research 43(2), 204-211, who set q = 1. How sure all this is: `band`.
"""

from engine.decision.recovery.band import Outcome, Simulation, simulate
from engine.decision.recovery.plan import CELLS
from engine.decision.recovery.terms import AT_RISK, Scenario, Terms, first_paying
from engine.decision.recovery.words import break_even_words, percent, rate_words, roi_words, sentence

__all__ = [
    "AT_RISK", "CELLS", "Outcome", "Scenario", "Simulation", "Terms", "break_even_words", "first_paying", "percent",
    "rate_words", "roi_words", "sentence", "simulate",
]
