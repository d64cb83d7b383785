"""How often the cause of a planted fault is told rightly: kinds of faults times kinds of networks.

Ends with status 1 where population and kind are right for less than 90 %.

python benchmarks/causes.py [--many 10] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter

from nirdeploy.proof.causes.search import cause
from tests.planted import KINDS, devices, stimulus
from tests.unit.proof.coverage import small

LEAST = 0.9  # of the causes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--many", type=int, default=10, help="faults of each kind in each network")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--wrong", action="store_true", help="say on stderr what was not told rightly")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    asked = parser.parse_args()
    began, cells = time.monotonic(), {}
    for of_network in small.KINDS:
        network = small.network(of_network)
        x = stimulus(network)
        for kind in KINDS:
            told: Counter[str] = Counter()
            for device in devices(network, x, kind, asked.many, asked.seed):
                found = cause(network, x, device.record)
                first = found.faults[0] if found.known else None
                told["planted"] += 1
                told["population"] += (first.population if first else found.population) == device.population
                right = [(f.kind, f.population) == (kind, device.population) for f in found.faults if found.known]
                told["right"] += bool(right) and right[0]
                told["among"] += any(right)
                if asked.wrong and not (right and right[0]):
                    print(of_network, device.population, kind, device.text, *found.lines(), sep="\n  ", file=sys.stderr)
            cells[of_network, kind] = told
    totals = sum(cells.values(), Counter())
    status = int(totals["right"] < LEAST * totals["planted"])
    if asked.json:
        rows = [{"network": n, "kind": k, **dict(told)} for (n, k), told in cells.items()]
        print(json.dumps({"rows": rows, "total": dict(totals), "seconds": round(time.monotonic() - began, 1)}))
        return status
    print(f"| planted | {' | '.join(small.KINDS)} |")
    print("| --- |" + " --- |" * len(small.KINDS))
    for kind in KINDS:
        of_kind = [cells[n, kind] for n in small.KINDS]
        print(f"| {kind} | " + " | ".join(f"{t['right']} ({t['among']}) of {t['planted']}" for t in of_kind) + " |")
    print(f"\n{totals['planted']} planted; population right: {totals['population']}; population and kind right: "
          f"{totals['right']}, among those that explain the same: {totals['among']}")  # fmt: skip
    return status


if __name__ == "__main__":
    raise SystemExit(main())
