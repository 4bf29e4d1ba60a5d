mock_provider "google" {}

variables {
  project       = "example-project"
  name          = "canario-mlflow"
  workload_pool = "example-project.svc.id.goog"
  workload      = { namespace = "canario", service_account = "mlflow" }
}

run "a_project_that_is_no_project_id_is_refused" {
  command         = plan
  expect_failures = [var.project]
  variables {
    project = "P"
  }
}

run "a_name_with_an_underscore_is_refused" {
  command         = plan
  expect_failures = [var.name]
  variables {
    name = "a_b"
  }
}

run "a_pool_of_another_kind_is_refused" {
  command         = plan
  expect_failures = [var.workload_pool]
  variables {
    workload_pool = "example-project"
  }
}

run "a_namespace_in_capitals_is_refused" {
  command         = plan
  expect_failures = [var.workload]
  variables {
    workload = { namespace = "Canario", service_account = "mlflow" }
  }
}

run "an_owner_of_a_bucket_is_refused" {
  command         = plan
  expect_failures = [var.buckets]
  variables {
    buckets = { b = "roles/storage.admin" }
  }
}
