"""The only list of metric names, labels and headers; every other place is checked against it.

Counters are labelled by `service` and `version`, so that evidence adds up across
replicas and restarts. `version` is the model's version number in the environment's
commit; `package` is the model's digest.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

REQUEST_ID_HEADER: Final = "x-request-id"
RECEIPT_HEADER: Final = "x-canario-receipt"
VERSION_HEADER: Final = "x-canario-version"
#: Marks feedback that another replica forwarded; it is not forwarded again.
FORWARDED_HEADER: Final = "x-canario-forwarded"
#: Marks a copy of a request that another version has answered: no caller waits for it, and it is not copied again.
#: Only a server started as a shadow candidate (`CANARIO_SHADOW_CANDIDATE`) honours this header.
SHADOW_HEADER: Final = "x-canario-shadow"
#: The path at which a version takes copies until it answers callers (`CANARIO_SHADOW_FIRST`); no gateway routes to it.
SHADOW_PATH: Final = "/shadow"

#: Labels of every metric of the model server.
VERSION_LABELS: Final = ("service", "version")

#: Counter: predict requests answered with 2xx or 5xx; wrong input (4xx) is not evidence.
REQUESTS: Final = "canario_requests_total"
#: Counter: of these requests, those answered with 5xx.
ERRORS: Final = "canario_errors_total"
#: Counter: of these requests, those slower than the objective's `latency_p99_ms`.
SLOW: Final = "canario_slow_total"
#: Counter by `times`: of these requests, those slower than `times` x the objective; `times` is one of `SLOWER_TIMES`.
SLOWER: Final = "canario_slower_total"
SLOWER_TIMES: Final = ("0.25", "0.5", "2", "4")
#: Gauge by `slot`: requests of any route answered with any status, by the slot in which they arrived: a gateway that
#: takes turns gives each side its share of all of them, and not of each route. Probes, scrapes, copies for a shadow,
#: feedback that a peer forwards and callers that went away are left out. Every slot is always there. A slot is a place
#: in a ring: int(unix seconds // length of a slot) % slots; it starts anew when time comes round to it again.
ARRIVED: Final = "canario_arrived"
#: The length of its slots in seconds, and the number of slots in the ring.
ARRIVED_SECONDS: Final = 2
ARRIVED_SLOTS: Final = 32
#: Counter: rows answered with a score; divided by the requests it is the mean batch size.
ROWS: Final = "canario_rows_total"
#: Counter by `bin` (see `components.package.bins`: for two words an index into `SCORE_EDGES`): requests by the bins of
#: their answers. Each row counts 1 / (rows of its request), because rows of one request are seldom independent and the
#: judge weighs independent answers.
SCORES: Final = "canario_scores_total"
#: Gauge by `bin`: its upper edge, where answers are numbers.
SCORE_EDGE: Final = "canario_score_edge"
#: Gauge, always 1, by `bin` and `class`: the class that a bin counts, where answers have classes.
SCORE_CLASS: Final = "canario_score_class"
#: Counter by `bin` (of the answered score) and `label` (`positive`, `negative`): requests whose labels came back.
#: Of other tasks `label` is `loss`, and `bin` an index into `LABEL_LOSSES`: requests by the loss that the contract
#: names; a loss between two of them counts in part for each. Each row counts as in `SCORES`.
LABELS: Final = "canario_labels_total"
#: Gauge, always 1, by `loss`: the loss of answers that are no probability of one of two words, in words.
LABEL_LOSS: Final = "canario_label_loss_info"
#: Counter, where answers are numbers: labelled rows that were so far off that their loss was cut to 1.
LABELS_CAPPED: Final = "canario_labels_capped_total"
#: Gauge by `slot` and `loss` (index into `LABEL_LOSSES`): requests whose labels came back, by the slot in which they
#: were answered and by their Brier loss, as `components.spec.contract.BRIER_LOSSES` has it for score bin and label.
#: Each row counts as in `SCORES`. A loss between two of `LABEL_LOSSES` counts in part for each, so the mean is exact.
#: Only cells that are not 0 are there, and those of a slot only while it is in the ring.
LABELLED: Final = "canario_labelled"
LABEL_LOSSES: Final = tuple((step / 6) ** 2 for step in range(7))
#: Gauge by `slot`: answers by the slot in which they were given, of those that feedback can be matched with; only slots
#: that are not 0. Like `LABELLED` it is there only once feedback has been matched.
REMEMBERED: Final = "canario_remembered"
#: Gauge: the length in seconds of the slots of `LABELLED` and `REMEMBERED`.
LABEL_SLOT_SECONDS: Final = "canario_label_slot_seconds"
#: The number of slots in their ring.
LABEL_SLOTS: Final = 128
#: Counter: answered copies of other versions' requests; they do not count as requests, errors or scores.
SHADOW_ANSWERED: Final = "canario_shadow_answered_total"
#: Counters by `candidate` (its version): requests that both versions answered, and those they answered differently.
SHADOW_COMPARED: Final = "canario_shadow_compared_total"
SHADOW_DIFFERENT: Final = "canario_shadow_different_total"
#: The same by `candidate`, `feature` and `value`: requests with a row in that slice; a request counts as different by
#: the share of those rows that differ.
SHADOW_SLICE_COMPARED: Final = "canario_shadow_slice_compared_total"
SHADOW_SLICE_DIFFERENT: Final = "canario_shadow_slice_different_total"
#: Counter by `candidate`, `bin` and `below`: requests that both versions answered, with scores on two sides of the
#: bin's edge; `below` (`candidate`, `champion`) is the version at or below it. Each row counts 1 / (compared rows of
#: its request).
SHADOW_CROSSED: Final = "canario_shadow_crossed_total"
Below = Literal["candidate", "champion"]
BELOW: Final[tuple[Below, ...]] = get_args(Below)
#: Counter by `candidate` and `difference` (index into `SHADOW_DIFFERENCES`): requests that both versions answered and
#: whose labels came back, by the candidate's Brier loss minus the champion's, from `BRIER_LOSSES`. A difference between
#: two of `SHADOW_DIFFERENCES` counts in part for each, so the mean is exact. Rows count as in `SHADOW_CROSSED`.
SHADOW_LABELLED: Final = "canario_shadow_labelled_total"
SHADOW_DIFFERENCES: Final = (
    *(-1.0, -0.6, -0.35, -0.22, -0.15, -0.1, -0.05, -0.02, 0.0),
    *(0.02, 0.05, 0.1, 0.15, 0.22, 0.35, 0.6, 1.0),
)
#: Counter by `candidate` and `reason`: copied requests that the candidate did not answer as it should.
SHADOW_FAILED: Final = "canario_shadow_failed_total"
#: Counter by `candidate`: requests that were not copied because the queue was full.
SHADOW_DROPPED: Final = "canario_shadow_dropped_total"
#: Counter by `reason`: requests refused with 4xx.
REFUSED: Final = "canario_refused_total"
#: Counter by `feature` and `rule` (`other`, `clip`): rows whose value the spec does not list, or that is beyond its
#: bounds, and that were answered as the spec's rule says. Only features with such a rule are there.
ADAPTED: Final = "canario_adapted_rows_total"
#: The outcome of feedback: its answer is known, is unknown, or is known and contradicts the labels.
Matched = Literal["true", "false", "conflict"]
FEEDBACK_MATCHED: Final[tuple[Matched, ...]] = get_args(Matched)
#: Counter by `matched`: feedback rows received.
FEEDBACK: Final = "canario_feedback_total"
#: Counter: rows of the prediction log that were dropped because the disk was full or slow.
LOG_DROPPED: Final = "canario_log_dropped_total"
#: Histogram in seconds: time from reading a predict request's last byte to its answer.
LATENCY: Final = "canario_request_duration_seconds"
#: Gauge by `bin`: share of hold-out scores at or below the bin's edge, this version minus the champion at its training.
HOLDOUT_SHIFT: Final = "canario_holdout_shift"
#: Gauge by `bin`: the standard error of that difference (rows are paired).
HOLDOUT_SHIFT_ERROR: Final = "canario_holdout_shift_error"
#: Gauges of a sample of the answered requests (also of copies for a shadow), each with one of its rows: the requests
#: that they stand for, and the sum of the squares of how many each of them stands for. Over the process's life.
INPUTS_COUNTED: Final = "canario_inputs_counted"
INPUTS_SQUARES: Final = "canario_inputs_squares"
#: Gauge by `feature` and `wave` (one of `WAVES`): the sum of a wave of each of them, so that the inputs of two versions
#: can be compared whatever their packages are (`services.model_server.waves`).
INPUTS_WAVES: Final = "canario_inputs_waves"
WAVES: Final = ("cos", "sin", "cos4", "sin4")
#: Counters of a version whose package has a population: of these requests, those with all values in bins of the
#: hold-out, and those with a value unlike any of the hold-out's.
INPUTS: Final = "canario_inputs_total"
INPUTS_UNLIKE: Final = "canario_inputs_unlike_total"
#: Gauge by `feature`: how far the counted inputs are from the hold-out (chi-square over their number, beyond chance).
INPUTS_DISTANCE: Final = "canario_inputs_distance"
#: Gauges by `bin`, once there are inputs: the difference of `HOLDOUT_SHIFT` as the hold-out lets expect it of these
#: inputs, and its standard errors, for want of rows in the hold-out and for want of inputs. Over the process's life.
EXPECTED_SHIFT: Final = "canario_expected_shift"
EXPECTED_SHIFT_ERROR: Final = "canario_expected_shift_error"
EXPECTED_SHIFT_SAMPLED: Final = "canario_expected_shift_sampled_error"
#: Gauge, always 1, also labelled by `package` and `champion` (the package compared with on the hold-out, or empty).
MODEL_INFO: Final = "canario_model_info"
#: Gauge by `service`: percent of traffic that the canary gets; the twin exports it under Flagger's own name.
CANARY_WEIGHT: Final = "flagger_canary_weight"

#: Traefik's counter by `service` (a backend), `code` and `method`: requests that it passed on, with their status.
GATEWAY_REQUESTS: Final = "traefik_service_requests_total"
#: Traefik's counter by `service` (all backends of a route together), `router`, `code` and `method`: requests that took
#: a route, also those that it could pass on to no backend. Only with `metrics.prometheus.addRoutersLabels`.
GATEWAY_ROUTED: Final = "traefik_router_requests_total"
#: The status of a failed request that a backend may have answered, or the gateway where a connection that was used
#: before is closed; and those that it answers where a connection is refused or cut off, where it has nobody to pass a
#: request on to, and where time is up. No version answers these to what is posted.
GATEWAY_UNCERTAIN: Final = "500"
GATEWAY_OWN: Final = ("502", "503", "504")

#: Gauge of the judge by `service`, `namespace` and `verdict`, a word of the judge: 1 for the current one, else 0.
JUDGE_VERDICT: Final = "canario_judge_verdict"
#: Gauge of the judge by `service`, `namespace`, `signal` and `of` (`harm`, `safe`): natural logarithm of the evidence.
JUDGE_LOG_EVIDENCE: Final = "canario_judge_log_evidence"
#: Counter of the judge by `service`, `namespace`, `question` and `answer` (`yes`, `no`): Flagger's questions.
JUDGE_ANSWERS: Final = "canario_judge_answers_total"
