"""Step: refuses a table that breaks the spec or no longer resembles the champion's data."""

from pathlib import Path
from typing import NamedTuple

from kfp import dsl

from components.models.meter import metered
from components.step import running, step
from components.store.content import Kind, Store
from components.store.reading import kept_examples, kept_spec
from components.validation.checks import check_examples, report


@step
def validate(
    spec: str, snapshot: str, reference: str, store: str, code: str, findings: dsl.Output[dsl.Markdown]
) -> NamedTuple("Outputs", [("report", str), ("usage", str)]):  # type: ignore[valid-type]
    """Refuses a snapshot that breaks the spec, leaks the answer or no longer resembles the champion's data.

    `spec`, `snapshot` and `reference`, the champion's data, are digests of content in the store, as is the report.
    """
    with running(code):
        with metered() as meter:
            parsed = kept_spec(store, spec)
            before = kept_examples(store, reference, parsed) if reference else None
            found = check_examples(kept_examples(store, snapshot, parsed), parsed, before)
            text = report(found)
            Path(findings.path).write_text(text, encoding="utf-8")
            print("".join(f"note: {note}\n" for note in found.notes) + f"{found.rows:,} rows are what the spec says")
            kept = Store(store).put(Kind.OBJECT, text.encode())
        return kept, meter.text()
