mock_provider "google" {}

variables {
  project  = "example-project"
  name     = "canario-staging"
  region   = "us-central1"
  network  = "projects/example-project/global/networks/canario-staging"
  password = "aaaaaaaaaaaaaaaaaaaaaaaa"
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

run "a_short_password_is_refused" {
  command         = plan
  expect_failures = [var.password]
  variables {
    password = "short"
  }
}

run "a_password_before_the_first_is_refused" {
  command         = plan
  expect_failures = [var.password_version]
  variables {
    password_version = 0
  }
}

run "a_tier_by_name_is_refused" {
  command         = plan
  expect_failures = [var.instance]
  variables {
    instance = { tier = "db-f1-micro" }
  }
}

run "three_cpus_are_refused" {
  command         = plan
  expect_failures = [var.instance]
  variables {
    instance = { tier = "db-custom-3-7680" }
  }
}

run "too_small_a_disk_is_refused" {
  command         = plan
  expect_failures = [var.instance]
  variables {
    instance = { disk_gb = 1 }
  }
}

run "a_few_backups_are_refused" {
  command         = plan
  expect_failures = [var.instance]
  variables {
    instance = { backups = 2 }
  }
}
