"""The only list of metric names, labels and headers; every other place is checked against it.

Counters are labelled by `service` and `version`, so that evidence adds up over
replicas and restarts. `version` is the model's version number as the
environment's commit names it; `package` is the model's digest.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

REQUEST_ID_HEADER: Final = "x-request-id"
RECEIPT_HEADER: Final = "x-canario-receipt"
VERSION_HEADER: Final = "x-canario-version"
#: Marks feedback that another replica passed on; it is not passed on again.
FORWARDED_HEADER: Final = "x-canario-forwarded"
#: Marks the copy of a request that another version has answered: nobody waits for it, and it is not copied again.
#: Only a server that was started as a candidate (`CANARIO_SHADOW_CANDIDATE`) takes notice of it.
SHADOW_HEADER: Final = "x-canario-shadow"

#: Labels of every metric of the model server.
VERSION_LABELS: Final = ("service", "version")

#: Counter: predict requests that were answered with 2xx or 5xx, one a request (wrong input is no evidence).
REQUESTS: Final = "canario_requests_total"
#: Counter: of those, answered with 5xx.
ERRORS: Final = "canario_errors_total"
#: Counter: of those, slower than the objective's `latency_p99_ms`.
SLOW: Final = "canario_slow_total"
#: Counter: rows answered with a score; by requests it tells how large batches are.
ROWS: Final = "canario_rows_total"
#: Counter by `bin` (index into `components.spec.contract.SCORE_EDGES`): requests by the bins of their scores. A row
#: counts 1 / the rows of its request, for a request's rows are seldom independent, and the judge weighs
#: independent answers.
SCORES: Final = "canario_scores_total"
#: Counter by `bin` (of the score that was answered) and `label` (`positive`, `negative`): requests whose labels came
#: back; a row counts as it does in the scores.
LABELS: Final = "canario_labels_total"
#: Counter: copies of other versions' requests that were answered; they are no requests, errors or scores.
SHADOW_ANSWERED: Final = "canario_shadow_answered_total"
#: Counter by `candidate` (its version): requests that both versions answered, and of those, answered differently.
SHADOW_COMPARED: Final = "canario_shadow_compared_total"
SHADOW_DIFFERENT: Final = "canario_shadow_different_total"
#: The same by `candidate`, `feature` and `value`: requests with such a row, by the share of those rows that differ.
SHADOW_SLICE_COMPARED: Final = "canario_shadow_slice_compared_total"
SHADOW_SLICE_DIFFERENT: Final = "canario_shadow_slice_different_total"
#: Counter by `candidate` and `reason`: requests that the candidate was to answer and did not as it should.
SHADOW_FAILED: Final = "canario_shadow_failed_total"
#: Counter by `candidate`: requests that were not copied because the queue was full.
SHADOW_DROPPED: Final = "canario_shadow_dropped_total"
#: Counter by `reason`: requests refused with 4xx.
REFUSED: Final = "canario_refused_total"
#: What may become of feedback: its answer is known, it is not, or it is and the labels contradict what is known of it.
Matched = Literal["true", "false", "conflict"]
FEEDBACK_MATCHED: Final[tuple[Matched, ...]] = get_args(Matched)
#: Counter by `matched`: feedback rows received.
FEEDBACK: Final = "canario_feedback_total"
#: Counter: rows of the prediction log that were dropped because the disk was full or slow.
LOG_DROPPED: Final = "canario_log_dropped_total"
#: Histogram in seconds: time from a predict request's last byte read to its answer.
LATENCY: Final = "canario_request_duration_seconds"
#: Gauge by `bin`: share of hold-out scores at or below the bin's edge, this version minus its champion then.
HOLDOUT_SHIFT: Final = "canario_holdout_shift"
#: Gauge by `bin`: the standard error of that difference (rows are paired).
HOLDOUT_SHIFT_ERROR: Final = "canario_holdout_shift_error"
#: Gauge, always 1, labelled also by `package`, `champion` (the package that the hold-out was compared with, or empty).
MODEL_INFO: Final = "canario_model_info"
#: Gauge by `service`: percent of traffic that the canary gets; the twin exports Flagger's own name.
CANARY_WEIGHT: Final = "flagger_canary_weight"

#: Gauge of the judge by `service`, `namespace` and `verdict` (`pass`, `fail`, `wait`): 1 for what it says now, else 0.
JUDGE_VERDICT: Final = "canario_judge_verdict"
#: Gauge of the judge by `service`, `namespace`, `signal` and `of` (`harm`, `safe`): natural logarithm of the evidence.
JUDGE_LOG_EVIDENCE: Final = "canario_judge_log_evidence"
#: Counter of the judge by `service`, `namespace`, `question` and `answer` (`yes`, `no`): Flagger's questions.
JUDGE_ANSWERS: Final = "canario_judge_answers_total"
