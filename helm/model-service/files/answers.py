"""What `helm test` runs in the model's own image, from the folder with the model and what serves it."""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from services.telemetry import RECEIPT_HEADER

try:
    from components.package.answers import furthest, outputs_in
    from components.package.model_package import Contract
except ModuleNotFoundError:  # an image of before version 0.2.0, which knows one kind of answer
    from components.package.model_package import TOLERANCE

    tolerance = TOLERANCE

    def outputs_in(answer):
        """The probability in an answer."""
        return answer["probability"]

    def furthest(ours, theirs):
        """The difference between two probabilities."""
        return abs(ours - theirs)
else:
    tolerance = Contract.model_validate_json(Path("package/contract.json").read_text()).tolerance


def ask(path, document=None):
    """The answer, its body and the package that gave it."""
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(os.environ["URL"] + path, body, {"content-type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 -- the chart sets the address
        return json.load(response), response.headers[RECEIPT_HEADER]


def ask_when_let_in(path):
    """As `ask`; a network policy takes some seconds until it lets a new pod in, and until then refuses it."""
    until = time.monotonic() + 20
    while True:
        try:
            return ask(path)
        except urllib.error.HTTPError:
            raise
        except urllib.error.URLError as error:
            if time.monotonic() > until:
                raise
            print("not let in yet:", error.reason)
            time.sleep(1)


ready, served = ask_when_let_in("/readyz")
print("ready:", ready)
rows = [json.loads(line) for line in Path("package/golden.jsonl").read_text().splitlines()]
answers, served = ask("/predict", [row["request"] for row in rows])
if served != os.environ["PACKAGE"]:
    # While a canary is on trial the Service answers with the champion, whose answers are its own.
    print(f"{served} serves; its answers are not compared with those of {os.environ['PACKAGE']}")
    sys.exit(0)
for row, answer in zip(rows, answers, strict=True):
    if not furthest(outputs_in(row["answer"]), outputs_in(answer)) <= tolerance:
        sys.exit(f"{row['request']} is answered {answer}, expected {row['answer']}")
print(f"{len(rows)} golden requests are answered right by {served}")
