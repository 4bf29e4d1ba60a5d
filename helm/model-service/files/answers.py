"""What `helm test` runs in the model's own image: it needs the standard library and the package only."""

import json
import os
import sys
import urllib.request
from pathlib import Path

TOLERANCE = 1e-6


def ask(path, document=None):
    """The answer, its body and the package that gave it."""
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(
        os.environ["URL"] + path, body, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response), response.headers["x-canario-receipt"]


def golden():
    """The golden requests of the image's package."""
    found = [path for root in ("/home", "/app", "/opt", "/srv") for path in Path(root).glob("**/package/golden.jsonl")]
    if not found:
        sys.exit("the image has no package/golden.jsonl")
    return [json.loads(line) for line in found[0].read_text().splitlines()]


ready, served = ask("/readyz")
print("ready:", ready)
rows = golden()
answers, served = ask("/predict", [row["request"] for row in rows])
if served != os.environ["PACKAGE"]:
    # While a canary is on trial the Service answers with the champion, whose answers are its own.
    print(f"{served} serves; its answers are not compared with those of {os.environ['PACKAGE']}")
    sys.exit(0)
for row, answer in zip(rows, answers, strict=True):
    expected, answered = row["answer"]["probability"], answer["probability"]
    if abs(expected - answered) > TOLERANCE:
        sys.exit(f"{row['request']} is answered {answered}, expected {expected}")
print(f"{len(rows)} golden requests are answered right by {served}")
