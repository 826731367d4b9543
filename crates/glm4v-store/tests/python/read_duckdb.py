"""DuckDB reads the Parquet shards."""

from common import check_rows, jobs, need

duckdb = need("duckdb")

for dtype, pool, path in jobs():
    result = duckdb.sql(f"SELECT * FROM read_parquet('{path}/*.parquet') ORDER BY CAST(substr(id, 4) AS INTEGER)")
    names = [column[0] for column in result.description]
    check_rows([dict(zip(names, row)) for row in result.fetchall()], dtype, pool)
    counts = duckdb.sql(f"SELECT count(*) FROM read_parquet('{path}/*.parquet') WHERE error IS NULL").fetchall()
    assert counts == [(24,)], counts
print("duckdb", duckdb.__version__)
