"""Scrape an address by several threads at once, and print how long each scrape took, in seconds.

python scraper.py HOST PORT ENCODING SCRAPERS TOTAL
"""

import http.client
import sys
import threading
import time

host, port, encoding, scrapers, total = (
    sys.argv[1],
    int(sys.argv[2]),
    sys.argv[3],
    int(sys.argv[4]),
    int(sys.argv[5]),
)
times: list[float] = []
barrier = threading.Barrier(scrapers)


def scrape(connection: http.client.HTTPConnection, buffer: bytearray) -> None:
    connection.request("GET", "/metrics", headers={"Accept-Encoding": encoding})
    response = connection.getresponse()
    assert response.status == 200
    while response.readinto(buffer):
        pass


def work() -> None:
    connection = http.client.HTTPConnection(host, port, timeout=60)
    buffer = bytearray(2**20)
    for _ in range(max(1, total // scrapers)):
        barrier.wait()
        started = time.perf_counter()
        scrape(connection, buffer)
        times.append(time.perf_counter() - started)


threads = [threading.Thread(target=work) for _ in range(scrapers)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(times) == scrapers * max(1, total // scrapers)
print(*times)
