"""Step: refuses a table that breaks the spec or no longer resembles the champion's data."""

from kfp import dsl

from components.step import step


@step
def validate(
    spec: str, snapshot: dsl.Input[dsl.Dataset], reference: dsl.Input[dsl.Dataset], findings: dsl.Output[dsl.Markdown]
) -> None:
    """Refuses a snapshot that breaks the spec, leaks the answer or no longer resembles the champion's data."""
    from pathlib import Path

    from components.spec.contract import Spec
    from components.table.examples import load_examples
    from components.validation.checks import check_examples, report

    parsed = Spec.model_validate_json(spec)
    known = Path(reference.path)
    before = load_examples(known, parsed) if known.stat().st_size else None
    found = check_examples(load_examples(Path(snapshot.path), parsed), parsed, before)
    Path(findings.path).write_text(report(found), encoding="utf-8")
    print(f"{found.rows:,} rows are what the spec says" + "".join(f"\nnote: {note}" for note in found.notes))
