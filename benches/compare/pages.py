"""What all peers agree on: which URLs are read, with how many requests in flight, and where the tables go."""

import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

IN_FLIGHT = 8


def arguments():
    """The base URL, the number of pages, their size, and the folder for the tables, from the command line."""
    base_url, pages, per_page, out = sys.argv[1:5]
    folder = Path(out)
    folder.mkdir(parents=True)
    return base_url, int(pages), int(per_page), folder


def urls(base_url, pages, per_page):
    """The URLs of all pages in the order of the list."""
    return [f"{base_url}/v1/meeting-sessions?page={page}&perPage={per_page}" for page in range(1, pages + 1)]


def fetched(get, addresses):
    """What `get` returns for each address, in order, with several requests in flight and few answers in memory."""
    waiting = iter(addresses)
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        answers = [pool.submit(get, address) for address in islice(waiting, IN_FLIGHT)]
        while answers:
            yield answers.pop(0).result()
            answers.extend(pool.submit(get, address) for address in islice(waiting, 1))
