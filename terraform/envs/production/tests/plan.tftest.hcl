mock_provider "google" {
  source          = "../../mocks"
  override_during = plan
}

variables {
  project           = "example-project"
  database_password = "aaaaaaaaaaaaaaaaaaaaaaaa"
}

run "what_it_hands_over_is_its_own" {
  command = plan
  assert {
    condition     = output.cluster == { name = "canario-production", location = "us-central1", account = "example-project" }
    error_message = "the cluster is another's"
  }
  assert {
    condition     = output.canario.judge.image.repository == "us-central1-docker.pkg.dev/example-project/canario-production/judge"
    error_message = "the registry is another's"
  }
  assert {
    condition     = output.mlflow_secret.MLFLOW_ARTIFACTS_DESTINATION == "gs://example-project-canario-production-artifacts/mlflow"
    error_message = "the bucket is another's"
  }
  assert {
    condition     = output.pools == tolist(["cpu", "gpu"])
    error_message = "the pools are others"
  }
}
