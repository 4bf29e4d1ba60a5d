mock_provider "google" {}

variables {
  project = "example-project"
  name    = "canario-staging"
  region  = "us-central1"
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

run "a_zone_is_no_region" {
  command         = plan
  expect_failures = [var.region]
  variables {
    region = "us-central1-a"
  }
}

run "a_key_without_a_version_is_refused" {
  command         = plan
  expect_failures = [var.versions]
  variables {
    versions = []
  }
}

run "a_version_that_is_named_twice_is_refused" {
  command         = plan
  expect_failures = [var.versions]
  variables {
    versions = ["first", "first"]
  }
}

run "a_version_with_a_dot_is_refused" {
  command         = plan
  expect_failures = [var.versions]
  variables {
    versions = ["2026.11"]
  }
}

run "another_protection_level_is_refused" {
  command         = plan
  expect_failures = [var.protection_level]
  variables {
    protection_level = "EXTERNAL"
  }
}

run "everybody_is_no_signer" {
  command         = plan
  expect_failures = [var.signers]
  variables {
    signers = ["allUsers"]
  }
}
