mock_provider "google" {}

variables {
  environment       = "staging"
  project           = "example-project"
  region            = "us-central1"
  database_password = "aaaaaaaaaaaaaaaaaaaaaaaa"
  pools             = { cpu = { nodes = { machine_type = "e2-standard-4", min = 2, max = 4, disk_gb = 50, spot = false } } }
  database          = { tier = "db-custom-1-3840", disk_gb = 20, highly_available = false }
}

run "an_environment_that_k8s_does_not_have_is_refused" {
  command         = plan
  expect_failures = [var.environment]
  variables {
    environment = "moon"
  }
}

run "no_pool_for_the_platform_is_refused" {
  command         = plan
  expect_failures = [var.pools]
  variables {
    pools = { gpu = { nodes = { machine_type = "e2-standard-4", min = 2, max = 4, disk_gb = 50, spot = true } } }
  }
}

run "a_platform_on_no_nodes_is_refused" {
  command         = plan
  expect_failures = [var.pools]
  variables {
    pools = { cpu = { nodes = { machine_type = "e2-standard-4", min = 0, max = 4, disk_gb = 50, spot = false } } }
  }
}

run "a_platform_on_nodes_that_google_takes_back_is_refused" {
  command         = plan
  expect_failures = [var.pools]
  variables {
    pools = { cpu = { nodes = { machine_type = "e2-standard-4", min = 2, max = 4, disk_gb = 50, spot = true } } }
  }
}
