mock_provider "google" {
  source          = "../../mocks"
  override_during = plan
}

variables {
  project           = "example-project"
  name              = "canario-staging"
  github_repository = "example/canario"
  environments      = { training = "training", release = "release", deploy = "staging", plan = "staging-plan", apply = "staging-apply" }
  artifacts         = "artifacts"
  registry          = { repositories = ["canario-staging", "canario-staging-signatures"], location = "us-central1" }
  state             = "example-project-state"
  state_prefix      = "canario/staging"
  password_secret   = "canario-staging-database"
  signing_key       = "projects/example-project/locations/us-central1/keyRings/canario-staging/cryptoKeys/images"
}

run "only_one_environment_of_one_repository_may_be_an_account" {
  command = plan
  assert {
    condition     = google_iam_workload_identity_pool_provider.this.attribute_condition == "assertion.repository == 'example/canario'"
    error_message = "another repository may"
  }
  assert {
    condition     = google_service_account_iam_member.this["plan"].member == "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/subject/repo:example/canario:environment:staging-plan"
    error_message = "another environment may"
  }
  assert {
    condition     = alltrue([for purpose, one in google_service_account_iam_member.this : one.role == "roles/iam.workloadIdentityUser"])
    error_message = "the role is another"
  }
}

run "what_trains_reaches_the_cluster_and_may_nothing_in_it_by_iam" {
  command = plan
  variables {
    environments = { training = "training" }
  }
  assert {
    condition     = length(google_project_iam_member.this) == 0 && length(google_project_iam_member.connect) == 1 && google_project_iam_custom_role.connect.permissions == toset(["container.clusters.connect", "container.clusters.get"])
    error_message = "it may more"
  }
  assert {
    condition     = google_storage_bucket_iam_member.artifacts["training"].role == "roles/storage.objectUser" && keys(google_artifact_registry_repository_iam_member.images) == ["training canario-staging", "training canario-staging-signatures"]
    error_message = "it cannot keep packages, push images or sign them"
  }
}

run "what_plans_reads_and_writes_the_lock_and_plans_alone" {
  command = plan
  variables {
    environments = { plan = "staging-plan" }
  }
  assert {
    condition     = toset([for one in google_project_iam_member.this : one.role]) == toset(["roles/cloudkms.publicKeyViewer", "roles/iam.securityReviewer", "roles/viewer"])
    error_message = "it may more"
  }
  assert {
    condition     = google_storage_bucket_iam_member.reads_state["plan"].role == "roles/storage.objectViewer"
    error_message = "it cannot read the state"
  }
  assert {
    condition     = google_storage_bucket_iam_member.writes_plans["plan"].condition[0].expression == "resource.name.startsWith('projects/_/buckets/example-project-state/objects/canario/staging/default.tflock') || resource.name.startsWith('projects/_/buckets/example-project-state/objects/plans/staging/')"
    error_message = "it may write the state, or no lock"
  }
}

run "whoever_runs_terraform_reads_the_password_and_nobody_else" {
  command = plan
  assert {
    condition     = keys(google_secret_manager_secret_iam_member.password) == ["apply", "plan"]
    error_message = "others do, or they cannot"
  }
}

run "the_workflows_are_given_what_they_name" {
  command = plan
  assert {
    condition     = output.variables["staging-apply"] == { APPLY_SERVICE_ACCOUNT = "account@example-project.iam.gserviceaccount.com", WORKLOAD_IDENTITY_PROVIDER = "projects/1/locations/global/workloadIdentityPools/pool/providers/github" }
    error_message = "the variables are others"
  }
  assert {
    condition     = keys(output.variables) == ["release", "staging", "staging-apply", "staging-plan", "training"]
    error_message = "an environment has none"
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

run "what_publishes_signs_and_nothing_else" {
  command = plan
  assert {
    condition     = keys(google_kms_crypto_key_iam_member.signs) == ["release", "training"]
    error_message = "others may sign, or whoever publishes may not"
  }
  assert {
    condition     = toset([for one in google_kms_crypto_key_iam_member.reads_key : one.role]) == toset(["roles/cloudkms.viewer"]) && length(google_kms_crypto_key_iam_member.reads_key) == 2
    error_message = "cosign cannot ask for the version's algorithm"
  }
}
