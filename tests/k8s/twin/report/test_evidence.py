import pytest

from k8s.twin.report.evidence import trials
from k8s.twin.report.record import EventLine, Judged, Look, MissingPartError, SignalLine

EVENTS = [EventLine(at=10, kind="weight", version="3", weight=10)]


def finding(state: str, lower: float | None, upper: float | None, name: str = "error_ratio") -> SignalLine:
    return SignalLine(
        name=name, state=state, margin=0.005, allowed=0.025, canary=0.011, champion=0.001, excess=0.01,
        lower=lower, upper=upper, canary_observations=212, champion_observations=1903,
    )  # fmt: skip


def plots_of(*findings: SignalLine) -> list[tuple[str, str]]:
    look = Look(at=14, version="3", weight=10, verdict=Judged(verdict="wait", signals=findings))
    (trial,) = trials([look], EVENTS)
    assert trial.seconds == 4
    return [(plot.title.replace("\N{NO-BREAK SPACE}", " "), plot.counts) for plot in trial.plots]


@pytest.mark.parametrize(
    ("state", "lower", "upper", "title"),
    [
        ("harm", 0.006, 0.05, "Harm is shown: worse by at least 0.6 points, and 0.5 points is the margin"),
        ("safe", None, 0.004, "Safe: worse by at most 0.4 points, inside the margin of 0.5 points"),
        ("safe", None, 0.02, "Safe for the next step: worse by at most 2 points; the margin for all traffic is 0.5"),
        ("open", None, 0.03, "Left open: it might have been worse by 3 points; the margin is 0.5 points"),
        ("open", None, None, "Left open: nothing was ruled out; the margin is 0.5 points"),
        ("no data", None, None, "No evidence came in, so this signal could not speak for the canary"),
    ],
)  # fmt: skip
def test_each_state_has_its_sentence(state, lower, upper, title):
    assert plots_of(finding(state, lower, upper))[0][0].startswith(title)


def test_what_showed_harm_stands_first_and_counts_are_told():
    told = plots_of(finding("open", None, 0.1, "slow_ratio"), finding("harm", 0.006, 0.1))
    assert told[0][0].startswith("Harm is shown")
    assert "seen: 212 of the canary, 1,903 of the champion" in told[0][1]


def test_a_threshold_of_latency_is_named_and_drawn_alone():
    at = {"times": "4"}
    early, late = (finding("harm", 0.006, 0.1, "slow_ratio").model_copy(update=more) for more in ({"times": "1"}, at))
    assert "Measured: requests slower than 4 x the objective." in plots_of(late)[0][1]
    looks = [Look(at=14 + n, version="3", weight=10, verdict=Judged(verdict="wait", signals=(one,)))
             for n, one in enumerate((early, late))]  # fmt: skip
    both, alone = (trials(some, EVENTS)[0].plots[0].plot for some in (looks, looks[1:]))
    assert both == alone


def test_a_class_that_moved_is_named():
    named = finding("harm", 0.06, 0.2, "score_shift").model_copy(update={"answer_class": "sky", "excess": -0.1})
    title, counts = plots_of(named)[0]
    assert "Harm is shown: shifted by at least 6 points" in title
    assert "Canary 1.1\N{NO-BREAK SPACE}% of class sky" in counts


@pytest.mark.parametrize(
    ("loss", "words"),
    [(None, "Measured: Brier loss of answers whose true label came back."),
     ("absolute error / 9e3", "Measured: absolute error / 9e3 of answers whose truth came back.")],
)  # fmt: skip
def test_labels_are_told_in_the_contracts_loss(loss, words):
    assert words in plots_of(finding("harm", 0.06, 0.2, "label_loss").model_copy(update={"loss": loss}))[0][1]


def test_without_a_look_there_is_no_evidence():
    with pytest.raises(MissingPartError, match="the judge had nothing to weigh"):
        trials([], EVENTS)
