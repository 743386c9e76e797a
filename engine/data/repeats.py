"""Which rows of a big file repeat an earlier one: hashes are written aside, so that memory does not grow with rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from engine.files import writing

MEMORY = "500MB"


class Repeats:
    """Rows as 64-bit hashes in a folder of its own; some 2e-5 that two of 30 million are taken for one."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.parts = folder, 0
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)

    def add(self, frame: pd.DataFrame) -> None:
        """Remember a chunk's rows, each by its number, which is the frame's index."""
        hashes = pd.util.hash_pandas_object(frame, index=False).to_numpy()
        rows = pa.table({"hash": hashes, "row": frame.index.to_numpy(np.int64)})
        path = self.folder / f"{self.parts:07d}.parquet"
        with writing(path):
            pq.write_table(rows, path, compression="zstd")
        self.parts += 1

    def rows(self) -> np.ndarray:
        """The numbers of the rows that equal an earlier one in every column, in order."""
        import duckdb

        if not self.parts:
            return np.zeros(0, dtype=np.int64)
        every = f"read_parquet('{str(self.folder).replace(chr(39), chr(39) * 2)}/*.parquet')"
        often = f"SELECT hash, min(row) AS first FROM {every} GROUP BY hash HAVING count(*) > 1"
        again = f"SELECT row FROM {every} JOIN ({often}) USING (hash) WHERE row > first ORDER BY row"
        limits: dict[str, Any] = {"memory_limit": MEMORY, "threads": "1",
                                  "temp_directory": str(self.folder / "counting")}
        with writing(self.folder), duckdb.connect(config=limits) as connection:
            return np.asarray(connection.execute(again).fetchnumpy()["row"], dtype=np.int64)
