"""Numbers and names as people read them, and each version's colour."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from components.models.usage import Usage

#: Blue, gold and red that also differ in lightness, for colour-blind readers and grey print (Paul Tol's
#: "high contrast" scheme, with the gold darkened to stand out from white), then two spares.
_COLOURS: Final = ("#0b4a8f", "#c98a00", "#b8475c", "#3c8d7a", "#6d5a9c")

#: The load generator's word for requests without an answer; see `tests/load/tally.py`.
_NOBODY: Final = "none"

#: Keeps a number and its unit on one line.
_NARROW: Final = "\N{NO-BREAK SPACE}"

#: The judge's signals: a heading, and the measured quantity; `loss` is the contract's, `truth` what comes back.
SIGNALS = {
    "error_ratio": ("Errors", "requests that ended in an error"),
    "slow_ratio": ("Slow answers", "requests slower than the objective"),
    "score_shift": ("Scores", "how the scores are spread, beyond what the hold-out had shown"),
    "label_loss": ("Being wrong", "{loss} of answers whose {truth} came back"),
    "lost_ratio": ("Lost requests", "requests that were routed to it and counted nowhere"),
}

CANDIDATES = {
    "logistic_regression": "Logistic regression",
    "linear_regression": "Linear regression",
    "random_forest": "Random forest",
    "gradient_boosting": "Gradient boosting",
    "keras_mlp": "Neural network (Keras)",
}

METRICS = {
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "brier_score": "Brier score",
    "neg_brier_score": "negative Brier score",
    "log_loss": "log loss",
    "accuracy": "accuracy",
    "calibration_error": "calibration error",
    "neg_log_loss": "negative log loss",
    "balanced_accuracy": "balanced accuracy",
    "precision_macro": "precision, mean of the classes",
    "f1_macro": "F1, mean of the classes",
    "mean_absolute_error": "mean absolute error",
    "neg_mean_absolute_error": "negative mean absolute error",
    "root_mean_squared_error": "root mean squared error",
    "neg_root_mean_squared_error": "negative root mean squared error",
    "r2": "R\N{SUPERSCRIPT TWO}",
    "mean_absolute_percentage_error": "mean absolute error in parts of the truth",
}

GATES = {
    "versus_champion": "loss against the champion",
    "latency_p99_ms": "milliseconds for one row, 99 of 100",
    "package_mib": "MiB of the model file",
    **METRICS,
}

#: The meaning of harm in each signal; `least` is its lower bound, `loss` the contract's loss.
HARM = {
    "error_ratio": "more of its requests than of the champion's ended in an error, by at least {least}",
    "slow_ratio": "more of its answers than of the champion's came too late, by at least {least}",
    "score_shift": "its scores were shifted beyond what the hold-out explains, by at least {least}",
    "label_loss": "its answers were worse than the champion's in {loss}, by at least {least}",
    "lost_ratio": "at least {least} of the requests that were routed to it were counted nowhere",
}


def named(version: str) -> str:
    """A version's name at the start of a sentence."""
    return f"Version{_NARROW}{version}"


def called(version: str) -> str:
    """A version's name in a legend; unanswered requests are counted under `none`."""
    return "no answer" if version == _NOBODY else f"version {version}"


def colour_of(version: str) -> str:
    """A version's colour, the same everywhere."""
    if version == _NOBODY:
        return "#1d2530"
    return _COLOURS[(int(version) - 1) % len(_COLOURS) if version.isdigit() else -1]


def ink_on(version: str) -> str:
    """The CSS class of text on a version's colour."""
    return "dark" if colour_of(version) == _COLOURS[1] else "light"


def count(number: float) -> str:
    """A count with separators: 12,345."""
    return f"{number:,.0f}"


def percent(ratio: float) -> str:
    """A ratio as a percentage: two digits below 10 %, else three; two decimals below 0.1 %."""
    return f"{_hundredfold(ratio)}{_NARROW}%"


def points(ratio: float) -> str:
    """A difference of ratios in percentage points."""
    return f"{_hundredfold(ratio)}{_NARROW}points"


def amount(signal: str, excess: float) -> str:
    """An excess in its signal's unit: percentage points, or loss."""
    return minus(f"{excess:.3f}") if signal == "label_loss" else points(excess)


def _hundredfold(ratio: float) -> str:
    value = 100 * ratio
    text = f"{value:.2f}" if abs(value) < 0.1 else f"{value:.2g}" if abs(value) < 10 else f"{value:.3g}"
    return minus(text.rstrip("0").rstrip(".") if "." in text else text)


def number(value: float) -> str:
    """A number with three significant digits, without an exponent for everyday sizes."""
    return minus(f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}")


def minus(text: str) -> str:
    """The text with a typographic minus sign, or without a sign if it is zero."""
    if text.startswith("-"):
        return text[1:] if not text[1:].strip("0.") else "\N{MINUS SIGN}" + text[1:]
    return text


def clock(seconds: float) -> str:
    """A time since the beginning: 2:05."""
    whole = max(int(seconds), 0)
    return f"{whole // 60}:{whole % 60:02d}"


def duration(seconds: float) -> str:
    """A span of time: 8.4 s, 45 s, 3 min 20 s."""
    if seconds < 9.95:
        return f"{seconds:.1f}{_NARROW}s"
    whole = round(seconds)
    rest = f"{whole % 60}{_NARROW}s"
    return rest if whole < 60 else f"{whole // 60}{_NARROW}min {rest}"


def usage(used: Usage) -> str:
    """What a step used of its machine: memory, processor, and each number of its devices that was measured."""
    devices, parts = used.devices, []
    if devices.busy_mean is not None and devices.busy_max is not None:
        parts.append(f"its devices busy {percent(devices.busy_mean)} of the time, {percent(devices.busy_max)} at most")
    if devices.memory_peak_mib is not None:
        parts.append(f"{count(devices.memory_peak_mib)}{_NARROW}MiB on them at most")
    if used.count and not parts:
        parts.append(f"its devices not measured ({used.unmeasured})")
    parts.append(f"{count(used.memory_peak_mib)}{_NARROW}MiB of memory at most")
    parts.append(f"{duration(used.cpu_seconds)} of processor time in {duration(used.seconds)}")
    return ", ".join(parts)


def day(epoch: float) -> str:
    """The day and minute of a Unix time, in UTC."""
    moment = datetime.fromtimestamp(epoch, UTC)
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def short(digest: str) -> str:
    """The first twelve digits of a digest or commit."""
    return digest.removeprefix("sha256:")[:12]


def listed(words: list[str]) -> str:
    """Words joined as in a sentence: a, b and c."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
