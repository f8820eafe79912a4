"""The flights of the demo checked by one hand-written query, its numbers kept in SQLite: FILE STORE."""

import sqlite3
import sys

import duckdb

path, store = sys.argv[1:]
row = (
    duckdb.connect()
    .execute(
        f"""
        SELECT count(*) > 0, (count(*) - count(dep_time)) / count(*) < 0.05,
               (count(*) - count(tailnum)) / count(*) < 0.02,
               count(*) - count(DISTINCT (time_hour, carrier, flight, origin)) = 0,
               count(CASE WHEN origin NOT IN ('EWR', 'JFK', 'LGA') THEN 1 END) = 0,
               max(length(carrier)) = 2, min(distance) >= 50, max(dep_delay) <= 1440, avg(dep_delay) < 30,
               quantile_cont(dep_delay, 0.95) < 120, count(DISTINCT carrier) <= 16, count(DISTINCT dest) < 120,
               stddev(arr_delay) < 60, min(air_time) > 0, sum(distance) > 0
        FROM '{path}'
        """
    )
    .fetchone()
)
with sqlite3.connect(store) as connection:
    connection.execute("CREATE TABLE IF NOT EXISTS results (name TEXT, value REAL, passed INTEGER)")
    connection.executemany("INSERT INTO results VALUES ('', 0, ?)", [(int(ok),) for ok in row])
connection.close()
