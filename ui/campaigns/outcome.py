"""What leaves a launched campaign and what comes back: files for the tools, outcomes, and the measured result."""

from __future__ import annotations

import io
import math
import tempfile
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from engine import campaigning, settling, uploads
from engine.campaign.contact_rules import WORDS
from engine.campaign.ledger import Campaign
from engine.campaign.outcome_files import rejected_rows
from engine.campaign.sendlist import Exported
from engine.campaign.vendors import CALL_LIST, VENDORS, Settings
from engine.evidence.results import Part, Result, in_words
from engine.schema import Estimate, money, money_range, plural, share
from ui.action_parts import worded
from ui.charts import plans as charts
from ui.components import card, empty, escaped, show, told
from ui.state import Here, now
from ui.tables import table

MADE, SETTLED, FORM, REFUSED = "_campaign_export", "_campaign_settled", "_campaign_form", "_campaign_refused"
MOST_REASONS, MOST_IDS = 3, 10
SAYS_NOTHING = 10.0  # ten times the cost lost and ten times gained are both possible
HEADS = {"by": "By", "part": "Part", "verdict": "Verdict", "saved": "Saved", "promised": "Promised",
         "margin": "Incremental margin", "roi": "ROI", "roi_promised": "ROI promised",
         "treated": "Treated", "held": "Held out"}


# ---- what leaves


def export(here: Here, there: Campaign, channels: Mapping[str, int]) -> None:
    """Choose the tool, make its files once, take them away; whoever is to be called has a list of their own."""
    with card("Send it out", "The list comes from the ledger: never the holdout, nobody suppressed since, nobody at "
              "night. The audit log keeps who took what."):
        tools = [name for name, tool in VENDORS.items() if tool.sends]
        kind = st.selectbox("Tool", tools, key="campaign_tool", format_func=lambda name: VENDORS[name].words)
        settings = _settings(there, kind)
        _files(here, there, kind, settings, "Prepare the files")
        others = {channel: count for channel, count in channels.items() if VENDORS[kind].layout_of(channel) is None}
        if others:
            st.caption(escaped(f"Not for this tool: {_by_channel(others)}. {_where(others)}"))
        if "phone" in others and kind != CALL_LIST:
            _files(here, there, CALL_LIST, settings, "Prepare the call list", CALL_LIST)


def _by_channel(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{plural(count, 'customer')} by {WORDS.get(channel, channel)}"
                     for channel, count in counts.items())


def _where(others: Mapping[str, int]) -> str:
    """Where those are found whom a tool does not reach."""
    found = ["Whoever is to be called is on the save desk already; the call list is the same as a file."
             if "phone" in others else ""]
    found += ["Take a table, such as CSV or Excel, for the others."] if others.keys() - {"phone"} else []
    return " ".join(found).strip()


def _settings(there: Campaign, kind: str) -> Settings:
    """What the tool must be told."""
    country = st.text_input("Country of telephone numbers without a country code", key="campaign_country", max_chars=2,
                            help="Two letters, such as US; empty: only numbers with their country code.")
    theirs = st.text_input("The campaign's id in Salesforce", key="campaign_salesforce") if kind == "salesforce" else ""
    return Settings(there.name, country=country.strip().upper(), salesforce_campaign=theirs.strip(),
                    synthetic=there.synthetic)


def _files(here: Here, there: Campaign, kind: str, settings: Settings, words: str, slot: str = "tool") -> None:
    """The tool's files: prepared once for these settings, then taken away."""
    made, asked = st.session_state.setdefault(MADE, {}), (kind, there.id, settings)
    if slot in made and made[slot][0] == asked:
        _take(there, kind, *made[slot][1])
        return
    if st.button(words, key=f"campaign_prepare_{slot}", type="primary" if slot == "tool" else "secondary",
                 icon=":material/inventory_2:" if slot == "tool" else ":material/call:"):
        with told():
            made[slot] = asked, campaigning.export(there.id, kind, settings=settings, actor=here.actor, now=now())
            st.rerun()


def _take(there: Campaign, kind: str, made: Exported, waiting: Any) -> None:
    """The files as one archive, and who is not in them."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in made.files.items():
            archive.writestr(name, content)
    st.download_button(f"Download {plural(len(made.files), 'file')}", packed.getvalue(),
                       f"{there.dataset}-{there.id}-{kind}-{now():%Y%m%dT%H%M%S%f}.zip", "application/zip",
                       key=f"campaign_download_{kind}", on_click="ignore", type="primary", icon=":material/download:")
    for name in made.files:
        st.markdown(f":material/description: {escaped(name)}")
    for rows, said in ((made.rejected, "left out or emptied, each with its reason in the rejected file"),
                       (waiting, "must wait")):
        if len(rows):
            st.caption(escaped(f"{plural(len(rows), 'row')} {said}: {_commonest(rows['reason'].tolist())}."))


def _commonest(reasons: Sequence[str]) -> str:
    """The most frequent reasons, each with how often, and how many more there are.

    >>> _commonest(["late", "late", "empty", "odd", "far", "wide"])
    'late (2); empty (1); odd (1); other reasons (2)'
    """
    told = Counter(reasons).most_common(MOST_REASONS)
    rest = len(reasons) - sum(number for _, number in told)
    told += [("other reasons", rest)] if rest else []
    return "; ".join(f"{reason} ({number:,})" for reason, number in told)


# ---- what comes back


def news() -> None:
    """What was taken in last."""
    if told_last := st.session_state.pop(SETTLED, None):
        _settled(*told_last)


def outcomes(here: Here, there: Campaign) -> None:
    """Bring what became of the customers: a file, or the data's next version."""
    ends = there.ends
    with card("What became of them", f"Bring both those treated and those held out. Who stayed shows on "
              f"{ends:%d %b %Y}, {there.horizon_days} days after the launch; what is told earlier shows so far "
              "only, and no later plan learns from it." if ends else ""):
        _form(here, there)
        given = st.file_uploader("A file with customer_id (or email), stayed (or churned), perhaps revenue",
                                 type=["csv", "xlsx"], max_upload_size=uploads.most_megabytes(),
                                 key="campaign_outcomes")
        correct = st.toggle("It corrects what is known already", key="campaign_correct")
        _refused(there)
        read, look = st.columns(2)
        if read.button("Take the outcomes in", key="campaign_settle", icon=":material/upload_file:", width="stretch",
                       type="primary" if given else "secondary", disabled=given is None) and given is not None:
            with told():
                _read(here, there, given.name, given.getvalue(), correct)
        if look.button("Read them from newer data", key="campaign_from_data", icon=":material/database:",
                       width="stretch"):
            with told():
                done = settling.settle_from_data(there.id, correct=correct, actor=here.actor, now=now())
                _again(there, done, None)


def _form(here: Here, there: Campaign) -> None:
    """A file to be filled in, for those whom no tool knows: the held out."""
    if made := st.session_state.get(FORM, {}).get(there.id):
        st.download_button("Download the form", made[1], made[0], "text/csv", key="campaign_form_take",
                           on_click="ignore", icon=":material/download:")
        return
    if st.button("Prepare a form to fill in", key="campaign_form", icon=":material/assignment:",
                 help="A CSV with every customer_id, treated or held out, and empty columns for what became of them."):
        with told():
            made = settling.outcome_form(there.id, actor=here.actor, now=now())
            st.session_state.setdefault(FORM, {})[there.id] = made
            st.rerun()


def _read(here: Here, there: Campaign, name: str, content: bytes, correct: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"outcomes{Path(name).suffix.lower()}"
        path.write_bytes(content)
        done, read = settling.settle_file(there.id, path, observed_at=now(), correct=correct, actor=here.actor,
                                          now=now())
    _again(there, done, read.rejected)


def _again(there: Campaign, done: Any, rejected: Any) -> None:
    """Draw the screen anew with what is known now, and tell then what was taken in; who was not can be taken away."""
    refused = rejected is not None and len(rejected) > 0
    st.session_state[SETTLED] = done, rejected["reason"].tolist() if refused else ()
    st.session_state[REFUSED] = {there.id: rejected_rows(rejected)} if refused else {}
    st.rerun()


def _refused(there: Campaign) -> None:
    """The rows of the last file that could not be taken in."""
    if content := st.session_state.get(REFUSED, {}).get(there.id):
        st.download_button("Download the rows that were not taken in", content,
                           f"{there.dataset}-{there.id}-outcomes-rejected.csv", "text/csv", key="campaign_refused",
                           on_click="ignore", icon=":material/rule:", help="Each with its reason; values are masked.")


def _settled(done: Any, rejected: Any) -> None:
    """What was new, and what could not be placed."""
    st.success(f"{plural(done.new, 'outcome')} new ({done.held_out:,} of customers held out), {done.known:,} known "
               f"already{f', {done.renewed:,} renewed at the end of the window' if done.renewed else ''}.",
               icon=":material/check_circle:")
    strangers = plural(len(done.unknown), "customer is", "customers are")
    wanted = (plural(len(done.contradicting), "outcome was", "outcomes were") + " corrected" if done.corrected else
              plural(len(done.contradicting), "outcome contradicts", "outcomes contradict")
              + " what is known, and nothing was changed")
    for ids, said in ((done.unknown, f"{strangers} not in this campaign"), (done.contradicting, wanted)):
        if ids:
            rest = f" and {len(ids) - MOST_IDS:,} more" if len(ids) > MOST_IDS else ""
            st.warning(escaped(f"{said}: {', '.join(ids[:MOST_IDS])}{rest}."), icon=":material/help:")
    if rejected:
        st.warning(escaped(f"{plural(len(rejected), 'row')} could not be taken in: {_commonest(rejected)}."),
                   icon=":material/rule:")


# ---- what it brought


def result(here: Here, there: Campaign, top: Any) -> None:
    """What the campaign saved beside its holdout: at the top as soon as anything is known."""
    found = settling.result(there.id, actor=here.actor)
    if found.whole.saves is None:
        empty("Nothing is measured yet.", in_words(found.whole, there.currency))
        return
    with top:
        _measured(here, there, found)


def _measured(here: Here, there: Campaign, found: Result) -> None:
    whole = found.whole
    st.header(in_words(whole, there.currency), anchor=False)
    if found.caution:
        st.warning(escaped(found.caution), icon=":material/hourglass_top:")
    left, right = st.columns(2)
    saves, margin = (_point(value, whole.treated.known) for value in (whole.promised.saves, whole.promised.margin))
    sides = ((left, "customers saved", saves, whole.saves, ""),
             (right, "incremental margin", whole.promised.within or margin, whole.margin, there.currency))
    for place, what, promised, measured, unit in sides:
        if measured is not None:
            pair = [(what.capitalize(), promised, measured)]
            with place:
                show(charts.promised(pair, what, unit, here.look), f"campaign_{what.split()[1]}")
    with card("Treatment by treatment, segment by segment", "Differences from the holdout with 95 % intervals."):
        rows = [{"by": by, **_row(part, there.currency)} for by, parts in
                (("Treatment", found.treatments), ("Segment", found.segments)) for part in parts]
        table(rows, HEADS, "campaign_parts", "What each part of the campaign saved", words=2)
    _notes(there, found)


def _point(value: float, n: int) -> Estimate:
    """A promise without an interval: what the plan expected of those whose outcome is known."""
    return Estimate(value, value, value, n, "the plan's expectation")


def _row(part: Part, currency: str) -> dict[str, str]:
    return {"part": worded(part.name) if "_" in part.name or part.name.islower() else part.name,
            "verdict": part.verdict.capitalize(), "saved": between(part.saves),
            "promised": f"{part.promised.saves:,.1f}", "margin": in_money(part.margin, currency),
            "roi": _ratio(part.roi), "roi_promised": _percent(part.promised.roi),
            "treated": f"{part.treated.known:,} of {part.treated.customers:,} known, {_left(part.treated)} left",
            "held": f"{part.held.known:,} of {part.held.customers:,} known, {_left(part.held)} left"}


def _left(side: Any) -> str:
    return share(side.left / side.known) if side.known else "–"


def between(found: Estimate | None) -> str:
    """A number with its interval; a dash where it is not known."""
    return "–" if found is None else f"{found.value:,.1f} ({found.low:,.1f} to {found.high:,.1f})"


def in_money(found: Estimate | None, currency: str) -> str:
    """Money with its interval; a dash where it is not known."""
    if found is None or math.isnan(found.value):
        return "–"
    return f"{money(found.value, currency)} ({money_range(found.low, found.high, currency)})"


def _ratio(found: Estimate | None) -> str:
    """A ratio in per cent with its interval; no figures where that says nothing.

    >>> _ratio(Estimate(0.5, -0.2, 1.3, 10, "")), _ratio(Estimate(21.5, -242.88, 285.80, 10, ""))
    ('50 % (-20 % to 130 %)', 'Cannot be told')
    """
    if found is None:
        return "–"
    if found.low < -SAYS_NOTHING and found.high > SAYS_NOTHING:
        return "Cannot be told"
    return f"{_percent(found.value)} ({_percent(found.low)} to {_percent(found.high)})"


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:,.0f} %"


def _notes(there: Campaign, found: Result) -> None:
    for note in found.notes:
        st.caption(escaped(note))
    if there.erased:
        st.caption(f"{plural(there.erased, 'customer has', 'customers have')} been erased since: nothing here counts "
                   "them any more, but the expected cost of the campaign, which is what was booked at the launch.")
