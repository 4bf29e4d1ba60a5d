mock_provider "google" {}

variables {
  project         = "example-project"
  region          = "us-central1"
  name            = "cpu"
  cluster         = "canario-staging"
  service_account = "nodes@example-project.iam.gserviceaccount.com"
  nodes           = { machine_type = "e2-standard-4" }
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

run "googles_default_account_is_refused" {
  command         = plan
  expect_failures = [var.service_account]
  variables {
    service_account = "1234-compute@developer.gserviceaccount.com"
  }
}

run "a_machine_type_that_is_none_is_refused" {
  command         = plan
  expect_failures = [var.nodes]
  variables {
    nodes = { machine_type = "large" }
  }
}

run "more_nodes_at_least_than_at_most_are_refused" {
  command         = plan
  expect_failures = [var.nodes]
  variables {
    nodes = { machine_type = "e2-standard-4", min = 4, max = 2 }
  }
}

run "a_disk_too_small_for_an_image_is_refused" {
  command         = plan
  expect_failures = [var.nodes]
  variables {
    nodes = { machine_type = "e2-standard-4", disk_gb = 5 }
  }
}

run "a_zone_of_another_region_is_refused" {
  command         = plan
  expect_failures = [var.nodes]
  variables {
    nodes = { machine_type = "e2-standard-4", zones = ["europe-west4-a"] }
  }
}

run "a_gpu_without_a_machine_of_its_own_is_refused" {
  command         = plan
  expect_failures = [var.gpu]
  variables {
    gpu = { type = "nvidia-tesla-k80" }
  }
}

run "a_gpu_without_a_driver_is_refused" {
  command         = plan
  expect_failures = [var.gpu]
  variables {
    gpu = { type = "nvidia-l4", driver = "NONE" }
  }
}

run "three_gpus_are_refused" {
  command         = plan
  expect_failures = [var.gpu]
  variables {
    gpu = { type = "nvidia-l4", count = 3 }
  }
}

run "a_gpu_for_nobody_is_refused" {
  command         = plan
  expect_failures = [var.gpu]
  variables {
    gpu = { type = "nvidia-l4", shared_by = 0 }
  }
}

run "another_way_of_sharing_is_refused" {
  command         = plan
  expect_failures = [var.gpu]
  variables {
    gpu = { type = "nvidia-l4", sharing = "LUCK" }
  }
}

run "a_topology_that_is_a_number_is_refused" {
  command         = plan
  expect_failures = [var.tpu]
  variables {
    tpu = { topology = "8" }
  }
}
