"""Write N synthetic orders to Parquet: make_orders.py FILE ROWS dense|random."""

import sys

import duckdb

path, rows, keys = sys.argv[1], int(sys.argv[2]), sys.argv[3]
key = "i" if keys == "dense" else "(hash(i) >> 1)::BIGINT"
connection = duckdb.connect()
connection.execute("SET threads = 1")  # one order of the random numbers
connection.execute("SELECT setseed(0.42)")
connection.execute(
    f"""
    COPY (
        SELECT {key} AS order_id,
               (random() * 1000000)::BIGINT AS customer_id,
               ['new', 'paid', 'shipped', 'returned', 'cancelled'][1 + (random() * 4)::INT] AS status,
               CASE WHEN random() >= 0.01 THEN round(random() * 500, 2) END AS price,
               1 + (random() * 99)::INT AS quantity,
               'C' || lpad((random() * 19)::INT::VARCHAR, 2, '0') AS country,
               TIMESTAMP '2024-01-01' + to_seconds((random() * 31536000)::BIGINT) AS created_at,
               CASE WHEN random() >= 0.02 THEN 'u' || (random() * 1000000)::INT || '@example.com' END AS email
        FROM range(1, {rows} + 1) t(i)
    ) TO '{path}' (COMPRESSION zstd)
    """
)
