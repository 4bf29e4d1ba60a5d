mock_provider "google" {}

variables {
  project         = "example-project"
  region          = "us-central1"
  name            = "cpu"
  cluster         = "canario-staging"
  service_account = "nodes@example-project.iam.gserviceaccount.com"
  nodes           = { machine_type = "e2-standard-4" }
}

run "pods_find_its_nodes_by_the_label_that_the_chart_selects" {
  command = plan
  assert {
    condition     = google_container_node_pool.this.node_config[0].labels == tomap({ "canario/pool" = "cpu" })
    error_message = "the label is another"
  }
  assert {
    condition     = length(google_container_node_pool.this.node_config[0].taint) == 0 && length(google_container_node_pool.this.node_config[0].guest_accelerator) == 0 && length(google_container_node_pool.this.placement_policy) == 0
    error_message = "a plain pool has something of an accelerated one"
  }
}

run "it_grows_and_shrinks_within_its_bounds" {
  command = plan
  variables {
    nodes = { machine_type = "e2-standard-4", min = 2, max = 6 }
  }
  assert {
    condition     = google_container_node_pool.this.autoscaling[0].total_min_node_count == 2 && google_container_node_pool.this.autoscaling[0].total_max_node_count == 6
    error_message = "the bounds are others"
  }
}

run "nodes_are_private_shielded_and_of_their_own_account" {
  command = plan
  assert {
    condition     = google_container_node_pool.this.network_config[0].enable_private_nodes
    error_message = "nodes have public addresses"
  }
  assert {
    condition     = google_container_node_pool.this.node_config[0].shielded_instance_config[0].enable_secure_boot && google_container_node_pool.this.node_config[0].shielded_instance_config[0].enable_integrity_monitoring
    error_message = "nodes boot anything"
  }
  assert {
    condition     = google_container_node_pool.this.node_config[0].workload_metadata_config[0].mode == "GKE_METADATA" && google_container_node_pool.this.node_config[0].service_account == "nodes@example-project.iam.gserviceaccount.com"
    error_message = "pods could speak as the node"
  }
  assert {
    condition     = google_container_node_pool.this.node_config[0].kubelet_config[0].insecure_kubelet_readonly_port_enabled == "FALSE"
    error_message = "anybody reads the kubelet"
  }
  assert {
    condition     = google_container_node_pool.this.management[0].auto_repair && google_container_node_pool.this.management[0].auto_upgrade
    error_message = "nodes rot"
  }
}

run "spot_nodes_are_taken_wherever_there_are_some" {
  command = plan
  variables {
    nodes = { machine_type = "e2-standard-4", spot = true }
  }
  assert {
    condition     = google_container_node_pool.this.node_config[0].spot && google_container_node_pool.this.autoscaling[0].location_policy == "ANY"
    error_message = "they are not spot, or wait for one zone"
  }
}

run "a_gpu_has_its_driver_and_keeps_other_pods_away" {
  command = plan
  variables {
    nodes = { machine_type = "g2-standard-4", zones = ["us-central1-a"] }
    gpu   = { type = "nvidia-l4" }
  }
  assert {
    condition     = google_container_node_pool.this.node_config[0].guest_accelerator[0].type == "nvidia-l4" && google_container_node_pool.this.node_config[0].guest_accelerator[0].count == 1
    error_message = "the GPU is another"
  }
  assert {
    condition     = google_container_node_pool.this.node_config[0].labels == tomap({ "canario/pool" = "cpu", "canario/accelerator" = "nvidia-l4" })
    error_message = "no step finds the GPU"
  }
  assert {
    condition     = google_container_node_pool.this.node_config[0].guest_accelerator[0].gpu_driver_installation_config[0].gpu_driver_version == "DEFAULT"
    error_message = "nobody installs its driver"
  }
  assert {
    condition     = google_container_node_pool.this.node_config[0].taint[0].key == "nvidia.com/gpu" && google_container_node_pool.this.node_config[0].taint[0].effect == "NO_SCHEDULE"
    error_message = "pods without a GPU are put there"
  }
  assert {
    condition     = length(google_container_node_pool.this.node_config[0].guest_accelerator[0].gpu_sharing_config) == 0
    error_message = "the GPU is shared"
  }
  assert {
    condition     = google_container_node_pool.this.node_config[0].shielded_instance_config[0].enable_secure_boot == false
    error_message = "its driver does not load"
  }
}

run "a_gpu_can_be_shared_at_once" {
  command = plan
  variables {
    nodes = { machine_type = "g2-standard-4", zones = ["us-central1-a"] }
    gpu   = { type = "nvidia-l4", shared_by = 4, sharing = "MPS" }
  }
  assert {
    condition     = google_container_node_pool.this.node_config[0].guest_accelerator[0].gpu_sharing_config[0].max_shared_clients_per_gpu == 4 && google_container_node_pool.this.node_config[0].guest_accelerator[0].gpu_sharing_config[0].gpu_sharing_strategy == "MPS"
    error_message = "it is not shared so"
  }
}

run "one_machine_with_tpus_is_placed_anywhere" {
  command = plan
  variables {
    nodes = { machine_type = "ct5lp-hightpu-4t", max = 1, zones = ["us-central1-a"] }
    tpu   = { topology = "2x2" }
  }
  assert {
    condition     = google_container_node_pool.this.node_config[0].labels == tomap({ "canario/pool" = "cpu", "canario/accelerator" = "ct5lp", "canario/tpu-topology" = "2x2" })
    error_message = "no step finds the TPU"
  }
  assert {
    condition     = google_container_node_pool.this.node_config[0].taint[0].key == "google.com/tpu" && length(google_container_node_pool.this.placement_policy) == 0
    error_message = "it is placed, or pods without a TPU are put there"
  }
}

run "a_slice_of_several_machines_is_placed_together_by_its_topology" {
  command = plan
  variables {
    nodes = { machine_type = "ct5lp-hightpu-4t", max = 4, zones = ["us-central1-a"] }
    tpu   = { topology = "4x4" }
  }
  assert {
    condition     = google_container_node_pool.this.placement_policy[0].type == "COMPACT" && google_container_node_pool.this.placement_policy[0].tpu_topology == "4x4"
    error_message = "its machines are apart"
  }
  assert {
    condition     = google_container_node_pool.this.node_locations == toset(["us-central1-a"])
    error_message = "its machines are in several zones"
  }
}

run "gpus_and_tpus_in_one_pool_are_refused" {
  command         = plan
  expect_failures = [google_container_node_pool.this]
  variables {
    nodes = { machine_type = "g2-standard-4", zones = ["us-central1-a"] }
    gpu   = { type = "nvidia-l4" }
    tpu   = { topology = "2x2" }
  }
}

run "a_gpu_on_a_machine_that_is_not_made_for_it_is_refused" {
  command         = plan
  expect_failures = [google_container_node_pool.this]
  variables {
    nodes = { machine_type = "e2-standard-4", zones = ["us-central1-a"] }
    gpu   = { type = "nvidia-l4" }
  }
}

run "a_machine_with_tpus_and_no_topology_is_refused" {
  command         = plan
  expect_failures = [google_container_node_pool.this]
  variables {
    nodes = { machine_type = "ct5lp-hightpu-4t", max = 1, zones = ["us-central1-a"] }
  }
}

run "a_topology_on_a_machine_without_tpus_is_refused" {
  command         = plan
  expect_failures = [google_container_node_pool.this]
  variables {
    tpu = { topology = "2x2" }
  }
}

run "a_topology_of_half_a_machine_is_refused" {
  command         = plan
  expect_failures = [google_container_node_pool.this]
  variables {
    nodes = { machine_type = "ct5lp-hightpu-4t", max = 1, zones = ["us-central1-a"] }
    tpu   = { topology = "1x2" }
  }
}

run "half_a_slice_is_refused" {
  command         = plan
  expect_failures = [google_container_node_pool.this]
  variables {
    nodes = { machine_type = "ct5lp-hightpu-4t", max = 2, zones = ["us-central1-a"] }
    tpu   = { topology = "4x4" }
  }
}

run "a_slice_in_several_zones_is_refused" {
  command         = plan
  expect_failures = [google_container_node_pool.this]
  variables {
    nodes = { machine_type = "ct5lp-hightpu-4t", max = 4, zones = ["us-central1-a", "us-central1-b"] }
    tpu   = { topology = "4x4" }
  }
}

run "gpus_in_whatever_zone_are_refused" {
  command         = plan
  expect_failures = [google_container_node_pool.this]
  variables {
    nodes = { machine_type = "g2-standard-4" }
    gpu   = { type = "nvidia-l4" }
  }
}

run "its_example_can_be_planned" {
  command = plan
  module {
    source = "./examples"
  }
  providers = {
    google = google
  }
}
