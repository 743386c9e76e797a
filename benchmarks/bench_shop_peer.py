"""Shop snapshot beside Customer_Churn_LTV_Engine, in one run: same file, same label, same index, CPU seconds by stage

The peer is not part of this repository. HOLDFAST_PEER names a folder with its checkout; it is copied, given the same
file, and its five scripts run as they are. Without it, its rows are left out. Our way runs as one process of its own.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from benchmarks.common import Row

FOLDER, INPUT, OUTPUT = "ecommerce_user_segmentation", "ecommerce_user_segmentation.csv", "customer_segments.csv"
STAGES = {
    "features": "feature_engineering.py", "churn": "train_churn_model.py", "ltv": "train_ltv_model.py",
    "comparison": "model_comparision.py", "segments": "customer_segmentation.py",
}
PUBLISHED = {"Champion": 2472, "At-Risk VIP": 828, "Promising": 2550, "Vulnerable": 850, "Hibernating": 2474,
             "Losing Customer": 826}
TARGETED = ("At-Risk VIP", "Vulnerable", "Losing Customer")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "PYTHONUTF8": "1", "PYTHONWARNINGS": "ignore"}
CLAIMED_F1, CLAIMED_R2, AGREE, THIRD = 0.877, 0.92, 0.97, 1 / 3
ALONE_HIGH = 0.20


def run(real_data: Path) -> list[Row]:
    """Our figures beside the peer's published ones, and beside its own run where HOLDFAST_PEER is set."""
    folder = real_data / FOLDER
    shop = pd.read_csv(folder / INPUT, index_col="Customer_ID")
    published = pd.read_csv(folder / OUTPUT, index_col="Customer_ID").loc[shop.index]
    with tempfile.TemporaryDirectory() as scratch:
        ours, placed = our_run(folder / INPUT, Path(scratch))
        peer = peer_run(folder / INPUT, Path(scratch))
    peer_rows = [*beside(ours, peer)] if peer else [
        Row("the peer's own run", "left out", note="set HOLDFAST_PEER to a checkout of Customer_Churn_LTV_Engine")]
    return [*figures(ours), *same_segments(shop, published, placed), *what_is_wrong(shop, published), *peer_rows]


def our_run(source: Path, scratch: Path) -> tuple[dict, pd.DataFrame]:
    """Our stages in a fresh process: figures by stage, and every customer's segment."""
    target = scratch / "ours.json"
    seconds, _ = cpu_of([sys.executable, "-m", "benchmarks.shop_stages", str(source), str(target)], Path.cwd())
    told = json.loads(target.read_text(encoding="utf-8"))
    return told | {"seconds": seconds}, pd.read_csv(target.with_suffix(".csv"), index_col=0)


def peer_run(source: Path, scratch: Path) -> dict | None:
    """The peer's five scripts: CPU seconds and what they print, by stage; None where there is no checkout."""
    checkout = os.environ.get("HOLDFAST_PEER")
    if not checkout:
        return None
    home = scratch / "peer"
    shutil.copytree(Path(checkout) / "src", home / "src")
    (home / "data").mkdir()
    (home / "models").mkdir()
    shutil.copy(source, home / "data" / INPUT)
    told = {stage: cpu_of([sys.executable, script], home / "src") for stage, script in STAGES.items()}
    segments = pd.read_csv(home / "data" / OUTPUT, index_col="Customer_ID").Segment
    return {"stages": {stage: seconds for stage, (seconds, _) in told.items()}, "segments": segments.value_counts(),
            "says": {stage: text for stage, (_, text) in told.items()}}


def cpu_of(command: list[str], folder: Path) -> tuple[float, str]:
    """CPU seconds of the command and all its children, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=folder, env=os.environ | ONE_THREAD, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def figures(ours: dict) -> Iterator[Row]:
    """F1 and R2 as the peer measures them: one split of 20 % (F1 at threshold .30), and five folds."""
    one_split = "one 20 % split with the peer's seed, as it is published; five folds are quoted beside it"
    yield Row("churn F1 at .30", f"{ours['f1']:.4f}", f">= {CLAIMED_F1}", ours["f1"] >= CLAIMED_F1 - 5e-5,
              f"{one_split}: {ours['cv_f1']:.4f}")
    yield Row("spend index R2", f"{ours['r2']:.4f}", f">= {CLAIMED_R2}", ours["r2"] >= CLAIMED_R2,
              f"{one_split}: {ours['cv_r2']:.4f}")


def same_segments(shop: pd.DataFrame, published: pd.DataFrame, placed: pd.DataFrame) -> Iterator[Row]:
    """Our segments by the peer's definitions: from its own published scores, and from our models' scores."""
    from engine.prediction.segments import SegmentCuts, segments

    columns = published.Churn_Probability, published.Predicted_LTV, shop.Recency, shop.Cart_Abandon_Rate
    by_peer = segments(*columns, cuts=SegmentCuts.learn(*columns, definitions="peer")).segment.astype(str)
    by_ours = segments(*columns, cuts=SegmentCuts.learn(*columns)).segment.astype(str)
    counts = by_peer.value_counts().to_dict()
    yield Row("six segments by the peer's definitions", ", ".join(f"{name} {counts[name]:,}" for name in PUBLISHED),
              "as published", counts == PUBLISHED, "from its published probabilities and values")
    for name, segment, goal, note in (
        ("its published scores", by_peer, True, ""),
        ("our run, models as deep as its own", placed.by_heart, True,
         "the peer scores the rows it learned from: only models that know them by heart agree"),
        ("our run, our models", placed.peer, False, "models that do not learn rows by heart"),
        ("its published scores, our definitions", by_ours, False, "percentiles instead of least-to-greatest"),
    ):
        share = float((segment.loc[shop.index] == published.Segment).mean())
        yield Row(f"same segment as {OUTPUT}: {name}", f"{share:.1%}", f">= {AGREE:.0%}" if goal else "",
                  share >= AGREE if goal else None, note)


def what_is_wrong(shop: pd.DataFrame, published: pd.DataFrame) -> Iterator[Row]:
    """Beside its figures: what they hide."""
    left = shop.Recency > 90
    leavers = left.groupby(published.Segment).sum()
    yield Row("leavers in the three targeted segments", ", ".join(f"{name} {leavers[name]}" for name in TARGETED),
              note=f"of {left.sum():,}: two of the three segments to win back hold nobody who left")
    numbers = shop.drop(columns=["Recency", "Segment_Label"])
    alone = {name: one_sided_auc(numbers[name], left) for name in numbers}
    best, above = max(alone, key=lambda name: alone[name]), sum(auc > 0.95 for auc in alone.values())
    yield Row("ROC-AUC of one column alone", f"{best} {alone[best]:.3f}",
              note=f"{above} columns exceed .95; label and features share an instant")
    lowest = shop[shop.Segment_Label == "Iron"]
    inside = {name: one_sided_auc(lowest[name], lowest.Recency > 90) for name in numbers}
    yield Row("the same among Segment_Label Iron, where all leavers are", f"{max(inside.values()):.3f}",
              note="best of all columns; .500 is chance: the figures say who is Iron, not who will leave")
    is_iron = shop.Segment_Label == "Iron"
    f1 = 2 * (is_iron & left).sum() / (is_iron.sum() + left.sum())
    yield Row("F1 of the rule 'is Iron' on all customers", f"{f1:.4f}", note="no model at all")
    yield Row("placed otherwise by the peer when asked alone", f"{asked_alone(shop, published):.1%}",
              note="one customer: risk from .20; batch: from each tier's 75th percentile. Ours agree always")


def one_sided_auc(values: pd.Series, left: pd.Series) -> float:
    """ROC-AUC of one column, in whichever direction it points."""
    rank = values.rank()
    n = int(left.sum())
    auc = (rank[left].sum() - n * (n + 1) / 2) / (n * (len(left) - n))
    return float(max(auc, 1 - auc))


def asked_alone(shop: pd.DataFrame, published: pd.DataFrame) -> float:
    """Share of customers whom the peer's rule for one customer (risk from .20 is high) puts elsewhere."""
    def spread(values: pd.Series) -> pd.Series:
        return (values - values.min()) / (values.max() - values.min())

    risk = 0.4 * published.Churn_Probability + 0.3 * spread(shop.Recency) + 0.3 * spread(shop.Cart_Abandon_Rate)
    return float(((risk.round(4) >= ALONE_HIGH) != published.Segment.isin(TARGETED)).mean())


def beside(ours: dict, peer: dict) -> Iterator[Row]:
    """Both runs, stage by stage."""
    theirs = sum(peer["stages"].values())
    share = ours["seconds"] / theirs
    yield Row("whole way, CPU seconds", f"{ours['seconds']:.1f}", f"<= a third of the peer's {theirs:.1f}",
              share <= THIRD, f"{share:.2f} of the peer's; imports and children counted, one thread each")
    for stage, seconds in peer["stages"].items():
        spent = ours["stages"][stage]
        why = "; the peer's loads pandas and computes nothing, ours needs NumPy alone" if stage == "features" else ""
        yield Row(f"stage {stage}, CPU seconds", f"{spent:.2f}", f"<= a third of the peer's {seconds:.2f}",
                  spent <= THIRD * seconds, f"{spent / seconds:.2f} of the peer's{why}")
    beyond = sum(ours["stages"].values()) - sum(ours["stages"][stage] for stage in peer["stages"])
    yield Row("beyond the peer's stages, CPU seconds", f"{beyond:.2f}",
              note="models as deep as the peer's, fitted for the agreement of segments alone; part of the whole way")
    says = peer["says"]
    f1, r2 = numbers_after("F1 Score", says["churn"]), numbers_after("R²", says["ltv"])
    for name, mine, yours in (("F1, five folds", ours["cv_f1"], f1[0]), ("F1, its split", ours["f1"], f1[1]),
                              ("R2, five folds", ours["cv_r2"], r2[0]), ("R2, its split", ours["r2"], r2[1])):
        yield Row(f"{name}, same run", f"{mine:.4f}", f">= the peer's {yours:.4f}", mine >= yours - 5e-5)
    yield from algorithms(ours, says["comparison"])
    yield Row("the peer's segments in this run", ", ".join(f"{k} {peer['segments'][k]:,}" for k in PUBLISHED),
              note="its published file came from other library versions")


def algorithms(ours: dict, said: str) -> Iterator[Row]:
    """The six algorithms of the comparison: three for churn (F1), three for the index (R2)."""
    for task, figure, column in (("churn", "F1", 1), ("ltv", "R²", 0)):
        ranking = said[said.index("CHURN RANKING" if task == "churn" else "LTV RANKING"):]
        for name, mine in ours["comparison"][task].items():
            found = re.search(rf"^\d\s+{name}\s+(.*)$", ranking, re.MULTILINE)
            assert found, f"The peer's comparison does not name {name}."
            yours = float(found[1].split()[column])
            yield Row(f"comparison: {task}, {name}, {figure.replace('²', '2')}", f"{mine:.4f}",
                      f">= the peer's {yours:.4f}", mine >= yours - 5e-5)


def numbers_after(label: str, said: str) -> list[float]:
    """The numbers that follow the label in what was printed, in order."""
    return [float(found) for found in re.findall(rf"{label}\s*:\s*(\d+\.\d+)", said)]
