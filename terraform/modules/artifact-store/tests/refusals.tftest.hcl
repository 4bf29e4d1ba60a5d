mock_provider "google" {}

variables {
  project = "example-project"
  name    = "canario-artifacts"
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

run "a_day_is_too_short_to_notice_a_loss" {
  command         = plan
  expect_failures = [var.keep_old_days]
  variables {
    keep_old_days = 1
  }
}

run "a_key_without_its_ring_is_refused" {
  command         = plan
  expect_failures = [var.kms_key]
  variables {
    kms_key = "artifacts"
  }
}
