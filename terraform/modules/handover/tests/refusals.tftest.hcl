variables {
  cluster    = { name = "canario-staging", location = "us-central1", account = "example" }
  repository = "registry.local/canario"
  signatures = "registry.local/canario-signatures/images"
  signers    = [{ name = "kms-first", kms = "gcpkms://projects/p", key = "-----BEGIN PUBLIC KEY-----" }]
  pools      = ["cpu", "gpu"]
  database   = { address = "10.0.0.5", secret = "canario-staging-database" }
  mlflow     = { artifacts = "gs://example-artifacts/mlflow", annotations = { "example.com/account" = "mlflow" } }
}

run "a_repository_of_signatures_with_a_tag_is_refused" {
  command         = plan
  expect_failures = [var.signatures]
  variables {
    signatures = "registry.local/canario-signatures/images:1"
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
  expect_failures = [var.mlflow]
  variables {
    mlflow = { artifacts = "/var/mlflow" }
  }
}

run "a_database_address_with_a_port_is_refused" {
  command         = plan
  expect_failures = [var.database]
  variables {
    database = { address = "10.0.0.5:5432", secret = "canario-staging-database" }
  }
}

run "no_pools_are_refused" {
  command         = plan
  expect_failures = [var.pools]
  variables {
    pools = []
  }
}

run "no_signers_are_refused" {
  command         = plan
  expect_failures = [var.signers]
  variables {
    signers = []
  }
}

run "a_key_in_a_file_is_refused" {
  command         = plan
  expect_failures = [var.signers]
  variables {
    signers = [{ name = "file", kms = "key.pem", key = "-----BEGIN PUBLIC KEY-----" }]
  }
}
