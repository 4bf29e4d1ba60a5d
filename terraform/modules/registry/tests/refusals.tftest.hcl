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

run "keeping_one_image_is_refused_as_there_is_no_way_back" {
  command         = plan
  expect_failures = [var.clean_up]
  variables {
    clean_up = { keep = 1 }
  }
}

run "the_whole_world_is_no_reader" {
  command         = plan
  expect_failures = [var.readers]
  variables {
    readers = { all = "allUsers" }
  }
}
