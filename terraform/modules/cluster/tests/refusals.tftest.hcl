mock_provider "google" {}

variables {
  project    = "example-project"
  name       = "canario-staging"
  region     = "us-central1"
  network    = "projects/example-project/global/networks/canario-staging"
  subnetwork = "projects/example-project/regions/us-central1/subnetworks/canario-staging-nodes"
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

run "nobody_lets_everybody_in" {
  command         = plan
  expect_failures = [var.control_plane]
  variables {
    control_plane = { callers = { all = "0.0.0.0/0" } }
  }
}

run "a_channel_that_is_none_is_refused" {
  command         = plan
  expect_failures = [var.release_channel]
  variables {
    release_channel = "NIGHTLY"
  }
}

run "a_day_that_is_none_is_refused" {
  command         = plan
  expect_failures = [var.maintenance]
  variables {
    maintenance = { days = ["MO", "XX", "SU"] }
  }
}

run "an_hour_that_is_none_is_refused" {
  command         = plan
  expect_failures = [var.maintenance]
  variables {
    maintenance = { start = "24:00" }
  }
}

run "less_maintenance_than_gke_wants_is_refused" {
  command         = plan
  expect_failures = [var.maintenance]
  variables {
    maintenance = { days = ["SU"] }
  }
}

run "a_label_in_capitals_is_refused" {
  command         = plan
  expect_failures = [var.labels]
  variables {
    labels = { Environment = "staging" }
  }
}
