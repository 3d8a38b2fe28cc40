# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a benchmark measured: columns of figures, one of each column per round.

A ratio is the median of the ratios within each round, not the ratio of the medians: the two
runs of a round are neighbours in time, so a machine that drifts from round to round falls out.
"""

import statistics
from dataclasses import dataclass, field

PLAIN, OURS = "plain", "shadowmm"


def quartiles(values):
    if len(values) < 2:
        return {"median": values[0], "q1": values[0], "q3": values[0]}
    q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": median, "q1": q1, "q3": q3}


@dataclass
class Row:
    section: str
    name: str
    unit: str
    columns: dict  # name: figures, in the order of rounds
    extra: dict = field(default_factory=dict)  # for the JSON

    def median(self, column):
        return statistics.median(self.columns[column])

    def ratio(self, over=OURS, under=PLAIN):
        return statistics.median(a / b for a, b in zip(self.columns[over], self.columns[under]))

    def more(self, over=OURS, under=PLAIN):
        return statistics.median(a - b for a, b in zip(self.columns[over], self.columns[under]))

    def json(self):
        ratios = {name: self.ratio(under=name) for name in self.columns
                  if name != OURS and OURS in self.columns and all(self.columns[name])}
        return {"section": self.section, "name": self.name, "unit": self.unit,
                "columns": {name: dict(quartiles(values), values=values)
                            for name, values in self.columns.items()},
                "shadowmm_divided_by": ratios, **self.extra}
