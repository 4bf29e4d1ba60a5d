mock_provider "google" {
  source = "../../mocks"
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

run "a_deleted_pool_does_not_keep_the_next_ones_name" {
  command = apply
  assert {
    condition     = can(regex("^canario-staging-[0-9a-f]{4}$", google_iam_workload_identity_pool.this.workload_identity_pool_id)) && can(regex("^canario[.]staging[.]connect[.][0-9a-f]{4}$", google_project_iam_custom_role.connect.role_id))
    error_message = "their names are refused for a month after they are deleted"
  }
}
