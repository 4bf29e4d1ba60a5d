mock_provider "google" {
  source          = "../../mocks"
  override_during = plan
}

variables {
  project       = "example-project"
  name          = "canario-mlflow"
  workload_pool = "example-project.svc.id.goog"
  workload      = { namespace = "canario", service_account = "mlflow" }
}

run "one_service_account_of_the_cluster_may_be_it_and_no_other" {
  command = plan
  assert {
    condition     = google_service_account_iam_member.this.member == "serviceAccount:example-project.svc.id.goog[canario/mlflow]"
    error_message = "another may"
  }
  assert {
    condition     = google_service_account_iam_member.this.role == "roles/iam.workloadIdentityUser"
    error_message = "the role is another"
  }
}

run "it_may_nothing_by_default" {
  command = plan
  assert {
    condition     = length(google_storage_bucket_iam_member.this) == 0
    error_message = "it reads buckets"
  }
}

run "it_may_what_is_said_of_a_bucket" {
  command = plan
  variables {
    buckets = { example-artifacts = "roles/storage.objectUser" }
  }
  assert {
    condition     = google_storage_bucket_iam_member.this["example-artifacts"].role == "roles/storage.objectUser"
    error_message = "the role is another"
  }
}

run "the_cluster_names_it_by_an_annotation" {
  command = plan
  assert {
    condition     = output.annotations["iam.gke.io/gcp-service-account"] == "account@example-project.iam.gserviceaccount.com"
    error_message = "the annotation is another"
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
}
