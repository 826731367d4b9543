"""Polars reads the Parquet shards."""

from common import check_rows, jobs, need

polars = need("polars")

for dtype, pool, path in jobs():
    frame = polars.concat([polars.read_parquet(shard) for shard in sorted(path.glob("*.parquet"))])
    check_rows(frame.to_dicts(), dtype, pool)
print("polars", polars.__version__)
