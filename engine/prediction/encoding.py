"""Feature frames as matrices of numbers for linear models: levels learned once, new data aligned to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.errors import EngineError

Floats = NDArray[np.float64]
RARE = 20
EXTREME = 6.0


@dataclass(frozen=True)
class Encoder:
    """A column of ones, numbers centred and scaled (missing = centre), categories as one 0/1 column per other level.

    >>> X = pd.DataFrame({"x": [1.0, 3.0], "c": pd.Categorical(["a", "b"])})
    >>> Encoder.learn(X, rare=1).encode(X)
    array([[ 1., -1.,  0.],
           [ 1.,  1.,  1.]])
    """

    centres: Mapping[str, float]
    scales: Mapping[str, float]
    levels: Mapping[str, tuple[object, ...]]

    @classmethod
    def learn(cls, X: pd.DataFrame, rare: int = RARE) -> Encoder:
        """Centres, scales and levels of these columns; the commonest level is the reference, rare ones join it."""
        numeric = [str(name) for name in X if pd.api.types.is_numeric_dtype(X[name])]
        scales = {name: float(X[name].std(ddof=0)) for name in numeric}
        kept = [str(name) for name in numeric if np.isfinite(scales[name]) and scales[name] > 0]
        counts = {str(name): X[name].value_counts() for name in X if name not in numeric}
        levels = {name: tuple(c.index[1:][c.to_numpy()[1:] >= rare]) for name, c in counts.items()}
        return cls({name: float(X[name].mean()) for name in kept}, {name: scales[name] for name in kept}, levels)

    def encode(self, X: pd.DataFrame) -> Floats:
        """The matrix, one row per row of X; values beyond six scales are drawn in."""
        missing = [name for name in (*self.scales, *self.levels) if name not in X]
        if missing:
            raise EngineError(f"Columns are missing that the model was trained on: {', '.join(missing)}. Bring them.")
        columns = [np.ones(len(X))]
        for name, scale in self.scales.items():
            scaled = (X[name].to_numpy(float, na_value=np.nan) - self.centres[name]) / scale
            columns.append(np.clip(np.nan_to_num(scaled, nan=0.0), -EXTREME, EXTREME))
        for name, levels in self.levels.items():
            values = X[name].astype(object).to_numpy()
            columns.extend((values == level).astype(float) for level in levels)
        return np.column_stack(columns)
