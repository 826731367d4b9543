"""Makes the Parquet files that tests/parquet.rs reads, with pyarrow 26: python make.py"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent


def write(name, columns, **options):
    pq.write_table(pa.table(columns), HERE / f"{name}.parquet", **options)


paths = ["img/a.jpg", "https://images.example/b?c", "img/é.png", "img/a.jpg", "d.gif"]

# As pandas and datasets write tables: snappy, dictionaries, several row groups, nested columns beside.
write(
    "snappy",
    {
        "label": pa.array([[1], [], None, [2, 3], [4]]),
        "file_name": pa.array(paths),
        "id": pa.array([10, 20, -30, 40, 2**40]),
        "image": pa.array([{"bytes": b"x", "path": path} for path in paths]),
    },
    row_group_size=2,
)
# As Polars and Lance export them.
write(
    "zstd",
    {"path": pa.array(paths, pa.large_string()), "key": pa.array(list("abcde"), pa.large_string())},
    compression="zstd",
    use_dictionary=False,
    data_page_version="2.0",
)
write(
    "gzip",
    {"path": pa.array([b"caf\xe9.gif"], pa.binary()), "uuid": pa.array([2**64 - 1], pa.uint64())},
    compression="gzip",
)
write("lz4", {"url": pa.array(paths[:2]).dictionary_encode(), "id": pa.array([1, 2], pa.int8())}, compression="lz4")
write("plain", {"path": pa.array(paths, pa.string_view())}, compression="none")
write("brotli", {"path": pa.array(paths)}, compression="brotli")
write("nulls", {"path": pa.array(["a", None, "c"]), "id": pa.array(["1", "2", None])})
write("types", {"path": pa.array([1.5]), "id": pa.array([True]), "image": pa.array([{"bytes": b"x"}])})
