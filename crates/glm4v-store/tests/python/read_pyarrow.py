"""pyarrow reads the Parquet shards, with the types that docs/job-format.md lists."""

import json

from common import check_rows, jobs, need

pa = need("pyarrow")
pq = need("pyarrow.parquet")
ds = need("pyarrow.dataset")

for dtype, pool, path in jobs():
    value = pa.float32() if dtype == "f32" else pa.float16()
    token = pa.list_(pa.field("element", value, nullable=False), 6)
    shards = sorted(path.glob("*.parquet"))
    schema = pq.read_schema(shards[0])
    wanted = token if pool == "mean" else pa.list_(pa.field("element", token, nullable=False))
    assert schema.field("embeddings").type == wanted, schema.field("embeddings").type
    assert schema.field("grid_thw").type == pa.list_(pa.field("element", pa.int32(), nullable=False), 3)
    assert json.loads(schema.metadata[b"glm4v"])["output_dtype"] == dtype
    table = pa.concat_tables([pq.read_table(shard) for shard in shards])
    table.validate(full=True)
    check_rows(table.to_pylist(), dtype, pool)
    dataset = ds.dataset(shards, format="parquet").to_table()
    check_rows(dataset.to_pylist(), dtype, pool)
print("pyarrow", pa.__version__)
