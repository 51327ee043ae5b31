"""A default update of the MLDA on the same counts, sparse and dense, by how many are not zero; on one core."""

import argparse

import numpy as np
from cores import restart_on_one_core
from scipy.sparse import csr_array, random_array
from sweeps import mlda_sweeps
from timing import bundled, ratio, take_turns

from mmcli.modules.mlda.spec import MldaOptions

SHARES = 0.01, 0.02, 0.05, 0.1, 0.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=3000, help="rows [3000]")
    parser.add_argument("--words", type=int, default=2400, help="columns [2400]")
    parser.add_argument("--topics", type=int, default=10, help="topics [10]")
    parser.add_argument("--turns", type=int, default=3, help="turns of each [3]")
    arguments = parser.parse_args()
    restart_on_one_core()
    options = MldaOptions(num_classes=arguments.topics)
    counts = {"bundled speech": bundled("speech")}
    for share in SHARES:
        drawn = random_array((arguments.items, arguments.words), density=share, rng=np.random.default_rng(0))
        counts[f"{arguments.items} x {arguments.words}"] = drawn.toarray().astype(np.float32)
        for name, dense in counts.items():
            print(f"{name}, {100 * (dense != 0).mean():.1f} % not zero, {arguments.topics} topics")
            jobs = {
                form: mlda_sweeps(form, rows, options)
                for form, rows in (("sparse", csr_array(dense)), ("dense", dense))
            }
            seconds = take_turns(jobs, arguments.turns)
            print(f"sparse against dense: {ratio(seconds['sparse'], seconds['dense'])}")
        counts.clear()


if __name__ == "__main__":
    main()
