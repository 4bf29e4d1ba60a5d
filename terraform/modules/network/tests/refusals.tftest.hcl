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

run "a_range_without_a_size_is_refused" {
  command         = plan
  expect_failures = [var.ranges]
  variables {
    ranges = { nodes = "10.0.0.0" }
  }
}

run "ranges_that_overlap_are_refused" {
  command         = plan
  expect_failures = [var.ranges]
  variables {
    ranges = { pods = "10.0.0.0/14" }
  }
}
