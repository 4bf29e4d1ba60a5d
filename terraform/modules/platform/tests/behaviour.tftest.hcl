mock_provider "google" {
  source          = "../../mocks"
  override_during = plan
}

variables {
  environment       = "staging"
  project           = "example-project"
  region            = "us-central1"
  database_password = "aaaaaaaaaaaaaaaaaaaaaaaa"
  pools             = { cpu = { nodes = { machine_type = "e2-standard-4", min = 2, max = 4, disk_gb = 50, spot = false } } }
  database          = { tier = "db-custom-1-3840", disk_gb = 20, highly_available = false }
}

run "what_is_handed_over_is_of_this_environment" {
  command = plan
  assert {
    condition     = output.cluster == { name = "canario-staging", location = "us-central1", account = "example-project" }
    error_message = "the cluster is another"
  }
  assert {
    condition     = output.repository == "us-central1-docker.pkg.dev/example-project/canario-staging"
    error_message = "the registry is another"
  }
  assert {
    condition     = output.mlflow_secret.MLFLOW_ARTIFACTS_DESTINATION == "gs://example-project-canario-staging-artifacts/mlflow"
    error_message = "the bucket is another"
  }
  assert {
    condition     = strcontains(output.mlflow_secret.MLFLOW_BACKEND_STORE_URI, "mlflow@10.0.0.5:5432/")
    error_message = "the database is another"
  }
  assert {
    condition     = output.workflows == {}
    error_message = "somebody's workflows get accounts"
  }
  assert {
    condition     = output.canario.mlflow.serviceAccount.annotations["iam.gke.io/gcp-service-account"] == "account@example-project.iam.gserviceaccount.com"
    error_message = "MLflow has no identity"
  }
}

# https://cloud.google.com/kubernetes-engine/docs/concepts/workload-identity has the form of the name.
run "kyverno_reads_images_and_their_signatures" {
  command = plan
  assert {
    condition     = toset(module.registry.readers) == toset(["principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/example-project.svc.id.goog/subject/ns/kyverno/sa/kyverno-admission-controller"])
    error_message = "it is let in by no registry, so it refuses every image"
  }
}

run "a_pool_keeps_the_defaults_of_its_module" {
  command = plan
  variables {
    pools = { cpu = { nodes = { machine_type = "e2-standard-4", min = 2, max = 4, disk_gb = 50, spot = false } }, gpu = { nodes = { machine_type = "g2-standard-4", min = 0, max = 2, disk_gb = 100, spot = true, zones = ["us-central1-a"] }, gpu = { type = "nvidia-l4" } } }
  }
  assert {
    condition     = output.pools == tolist(["cpu", "gpu"])
    error_message = "the pools are others"
  }
}

run "workflows_get_accounts_where_a_repository_is_named" {
  command = plan
  variables {
    workflows = { repository = "example/canario", purposes = ["deploy", "apply"], state = "example-project-state" }
  }
  assert {
    condition     = keys(output.workflows) == ["staging", "staging-apply"]
    error_message = "they have none, or too many"
  }
  assert {
    condition     = output.workflows["staging-apply"].CLUSTER == "canario-staging" && output.workflows["staging-apply"].APPLY_SERVICE_ACCOUNT == "account@example-project.iam.gserviceaccount.com"
    error_message = "a variable is missing"
  }
}

run "its_example_can_be_planned" {
  command = plan
  module {
    source = "./examples"
  }
  providers = {
    google = google
  }
  variables {
    password = "aaaaaaaaaaaaaaaaaaaaaaaa"
  }
}
