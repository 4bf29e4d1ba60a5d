mock_provider "google" {}

variables {
  project           = "example-project"
  name              = "canario-staging"
  github_repository = "example/canario"
  environments      = { plan = "staging-plan" }
  artifacts         = "artifacts"
  registry          = { repositories = ["canario-staging", "canario-staging-signatures"], location = "us-central1" }
  state             = "example-project-state"
  state_prefix      = "canario/staging"
  password_secret   = "canario-staging-database"
  signing_key       = "projects/example-project/locations/us-central1/keyRings/canario-staging/cryptoKeys/images"
}

run "a_project_that_is_no_project_id_is_refused" {
  command         = plan
  expect_failures = [var.project]
  variables {
    project = "P"
  }
}

run "a_name_whose_accounts_would_be_too_long_is_refused" {
  command         = plan
  expect_failures = [var.name]
  variables {
    name = "canario-for-the-second-team"
  }
}

run "an_address_is_no_repository" {
  command         = plan
  expect_failures = [var.github_repository]
  variables {
    github_repository = "https://github.com/example/canario"
  }
}

run "an_account_for_something_else_is_refused" {
  command         = plan
  expect_failures = [var.environments]
  variables {
    environments = { everything = "production" }
  }
}

run "an_address_is_no_bucket" {
  command         = plan
  expect_failures = [var.state]
  variables {
    state = "gs://example-project-state"
  }
}
