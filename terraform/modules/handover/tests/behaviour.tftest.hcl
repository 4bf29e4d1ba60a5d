variables {
  cluster    = { name = "canario-staging", location = "us-central1", account = "example" }
  repository = "registry.local/canario"
  signatures = "registry.local/canario-signatures/images"
  signers    = [{ name = "kms-first", kms = "gcpkms://projects/p", key = "-----BEGIN PUBLIC KEY-----" }]
  pools      = ["cpu", "gpu"]
  database   = { address = "10.0.0.5", secret = "canario-staging-database" }
  mlflow     = { artifacts = "gs://example-artifacts/mlflow", annotations = { "example.com/account" = "mlflow" } }
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
    condition     = output.canario.mlflow.serviceAccount.annotations["example.com/account"] == "mlflow"
    error_message = "MLflow would not be let in to its artifacts"
  }
  assert {
    condition     = output.pools == tolist(["cpu", "gpu"])
    error_message = "pools are not handed over"
  }
}

run "mlflow_speaks_to_its_database_encrypted" {
  command = plan
  assert {
    condition     = output.mlflow_secret.MLFLOW_BACKEND_STORE_URI == "postgresql://mlflow@10.0.0.5:5432/mlflow?sslmode=require"
    error_message = "the database's address is wrong"
  }
  assert {
    condition     = output.database_secret == "canario-staging-database"
    error_message = "nobody finds its password"
  }
}

run "who_signs_is_handed_over" {
  command = plan
  assert {
    condition     = one(output.signers).kms == "gcpkms://projects/p"
    error_message = "nobody would be believed"
  }
}

run "workflows_find_the_cluster_and_the_registry" {
  command = plan
  assert {
    condition     = output.cluster.name == "canario-staging" && output.cluster.location == "us-central1" && output.repository == "registry.local/canario" && output.signatures == "registry.local/canario-signatures/images"
    error_message = "they are not handed over"
  }
}

run "workflows_find_their_accounts" {
  command = plan
  variables {
    workflows = { staging = { DEPLOY_SERVICE_ACCOUNT = "deploy@example.com" } }
  }
  assert {
    condition     = keys(output.workflows) == ["staging"] && output.workflows["staging"] == { CLUSTER = "canario-staging", DEPLOY_SERVICE_ACCOUNT = "deploy@example.com", LOCATION = "us-central1", PROJECT = "example" }
    error_message = "a variable is missing"
  }
}

run "its_example_can_be_planned" {
  command = plan
  module {
    source = "./examples"
  }
}
