"""Finds the part of a side's answers that its replicas still remember, so that labels can come back for them.

A replica that is gone, or was started anew, has forgotten its answers. The other side's labels of that time are of
older answers than those that this side has left, and if labels of one class come later, the two are not alike.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np

from services.judge.evidence.counts import REQUESTS_AT
from services.judge.evidence.series import Replica, Rows


def remembered_parts(replicas: Sequence[Replica], at: float, gone_before: float, starts: Rows, ends: Rows) -> Rows:
    """The part of a side's requests in each span that is remembered at a time; 1 where there were none.

    A replica is gone that was last read before `gone_before`.
    """
    asked, remembered = np.zeros(len(starts)), np.zeros(len(starts))
    for replica in replicas:
        last = bisect_right(replica.times, at)
        times, counted, restarts = np.array(replica.times[:last]), replica.table[:last, REQUESTS_AT], replica.restarts
        steps = np.where(restarts[1:last], counted[1:], counted[1:] - counted[:-1])
        answered = _within(times, steps, starts, ends)
        asked += answered
        if replica.times[-1] >= gone_before:
            anew = np.flatnonzero(restarts[:last])
            since = int(anew[-1]) - 1 if len(anew) else 0
            remembered += _within(times[since:], steps[since:], starts, ends) if len(anew) else answered
    return np.divide(remembered, asked, out=np.ones(len(starts)), where=asked > 0)


def _within(times: Rows, steps: Rows, starts: Rows, ends: Rows) -> Rows:
    """The requests in each span, of those counted in the steps between the times."""
    if len(times) < 2:
        return np.zeros(len(starts))
    sums = np.concatenate([[0.0], np.cumsum(np.nan_to_num(steps))])
    within: Rows = np.interp(ends, times, sums) - np.interp(starts, times, sums)
    return within
