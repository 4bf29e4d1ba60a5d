variables {
  repository = "registry.local/canario"
  artifacts  = "gs://example-artifacts/mlflow"
  database   = { address = "10.0.0.5", password = "secret" }
  pools      = ["cpu", "gpu"]
}

run "the_charts_get_values_in_their_own_words" {
  command = plan
  assert {
    condition     = output.canario.judge.image.repository == "registry.local/canario/judge"
    error_message = "the judge's image is not in the registry"
  }
  assert {
    condition     = output.canario.mlflow.enabled && output.canario.mlflow.image.repository == "registry.local/canario/mlflow"
    error_message = "MLflow's image is not in the registry"
  }
  assert {
    condition     = output.pools == tolist(["cpu", "gpu"])
    error_message = "pools are not handed over"
  }
}

run "mlflow_speaks_to_its_database_encrypted" {
  command = plan
  assert {
    condition     = nonsensitive(output.mlflow_secret.MLFLOW_BACKEND_STORE_URI) == "postgresql://mlflow:secret@10.0.0.5:5432/mlflow?sslmode=require"
    error_message = "the database's address is wrong"
  }
}

run "a_repository_with_a_scheme_is_refused" {
  command         = plan
  expect_failures = [var.repository]
  variables {
    repository = "https://registry.local/canario"
  }
}

run "artifacts_on_a_local_disk_are_refused" {
  command         = plan
  expect_failures = [var.artifacts]
  variables {
    artifacts = "/var/mlflow"
  }
}

run "a_database_address_with_a_port_is_refused" {
  command         = plan
  expect_failures = [var.database]
  variables {
    database = { address = "10.0.0.5:5432", password = "secret" }
  }
}

run "no_pools_are_refused" {
  command         = plan
  expect_failures = [var.pools]
  variables {
    pools = []
  }
}
