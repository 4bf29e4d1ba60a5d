"""Step: fits the best candidate to the whole training part and exports its graph."""

from components.jobs.inputs import WorkerInputs
from components.models.trained import keep_model
from components.models.training import train_candidate
from components.models.trials import Search
from components.step import running, step
from components.store.content import Kind, Store
from components.store.reading import kept_document, kept_examples, kept_spec


@step
def train(
    spec: str,
    store: str,
    code: str,
    train: str,
    trials: str,
) -> str:
    """Fits the best trial to the whole training part, by several workers if the spec asks for them.

    Returns the digest of its ONNX graph and `fit.json`.
    """
    with running(code):
        parsed = kept_spec(store, spec)
        best = kept_document(store, trials, Search).best
        workers = parsed.training.workers
        if workers > 1:
            # Imported here because it loads Kubernetes' client, which neither the graph nor most runs need.
            from components.jobs.together import train_together

            made = train_together(parsed, WorkerInputs(store, code, spec, train, trials, workers))
        else:
            made = train_candidate(kept_examples(store, train, parsed, Kind.OBJECT), parsed, best)
        print(f"{made.fit.candidate} fitted to {made.fit.rows:,} rows, graph within {made.fit.parity:.0e}")
        return keep_model(Store(store), made.model, made.fit)
