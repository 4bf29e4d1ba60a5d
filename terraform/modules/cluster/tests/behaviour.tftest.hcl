mock_provider "google" {}

variables {
  project    = "example-project"
  name       = "canario-staging"
  region     = "us-central1"
  network    = "projects/example-project/global/networks/canario-staging"
  subnetwork = "projects/example-project/regions/us-central1/subnetworks/canario-staging-nodes"
}

run "by_default_nobody_outside_reaches_the_control_plane_and_nodes_are_private" {
  command = plan
  assert {
    condition     = google_container_cluster.this.private_cluster_config[0].enable_private_nodes
    error_message = "nodes have public addresses"
  }
  assert {
    condition     = google_container_cluster.this.private_cluster_config[0].enable_private_endpoint
    error_message = "the control plane has a public address"
  }
  assert {
    condition     = length(google_container_cluster.this.master_authorized_networks_config[0].cidr_blocks) == 0 && google_container_cluster.this.master_authorized_networks_config[0].gcp_public_cidrs_access_enabled == false
    error_message = "somebody outside may call it"
  }
  assert {
    condition     = google_container_cluster.this.control_plane_endpoints_config[0].dns_endpoint_config[0].allow_external_traffic == false
    error_message = "its DNS name is reached from outside"
  }
}

run "only_the_named_callers_reach_its_address" {
  command = plan
  variables {
    control_plane = { callers = { office = "192.0.2.0/24" } }
  }
  assert {
    condition     = google_container_cluster.this.private_cluster_config[0].enable_private_endpoint == false
    error_message = "nobody reaches it"
  }
  assert {
    condition     = [for caller in google_container_cluster.this.master_authorized_networks_config[0].cidr_blocks : caller.cidr_block] == ["192.0.2.0/24"]
    error_message = "others reach it"
  }
}

run "by_its_name_it_is_reached_by_whoever_iam_lets_in" {
  command = plan
  variables {
    control_plane = { by_name = true }
  }
  assert {
    condition     = google_container_cluster.this.control_plane_endpoints_config[0].dns_endpoint_config[0].allow_external_traffic && google_container_cluster.this.private_cluster_config[0].enable_private_endpoint
    error_message = "its name is not reached, or its address is"
  }
}

run "it_is_not_deleted_by_default" {
  command = plan
  assert {
    condition     = google_container_cluster.this.deletion_protection
    error_message = "terraform would delete it"
  }
}

run "it_follows_a_release_channel_and_is_upgraded_at_the_weekend" {
  command = plan
  assert {
    condition     = google_container_cluster.this.release_channel[0].channel == "REGULAR"
    error_message = "it follows no channel"
  }
  assert {
    condition     = google_container_cluster.this.maintenance_policy[0].recurring_window[0] == { start_time = "2026-01-01T00:00:00Z", end_time = "2026-01-01T08:00:00Z", recurrence = "FREQ=WEEKLY;BYDAY=SA,SU" }
    error_message = "the window is another"
  }
}

run "network_policies_are_in_force_and_the_gateway_api_is_left_to_the_platform" {
  command = plan
  assert {
    condition     = google_container_cluster.this.datapath_provider == "ADVANCED_DATAPATH"
    error_message = "nobody enforces NetworkPolicy"
  }
  assert {
    condition     = google_container_cluster.this.gateway_api_config[0].channel == "CHANNEL_DISABLED"
    error_message = "GKE and make platform both own its definitions"
  }
}

run "service_accounts_have_identities_of_the_project_and_there_are_no_client_certificates" {
  command = plan
  assert {
    condition     = google_container_cluster.this.workload_identity_config[0].workload_pool == "example-project.svc.id.goog"
    error_message = "there is no pool of identities"
  }
  assert {
    condition     = google_container_cluster.this.master_auth[0].client_certificate_config[0].issue_client_certificate == false
    error_message = "a certificate would let its owner in for ever"
  }
}

run "nodes_run_as_an_account_of_their_own_that_may_log_and_pull" {
  command = plan
  assert {
    condition     = google_service_account.nodes.account_id == "canario-staging-nodes"
    error_message = "the account is another"
  }
  assert {
    condition     = keys(google_project_iam_member.nodes) == ["roles/artifactregistry.reader", "roles/container.defaultNodeServiceAccount"]
    error_message = "it may do something else"
  }
  assert {
    condition     = google_container_cluster.this.remove_default_node_pool && google_container_cluster.this.enable_shielded_nodes
    error_message = "the first pool stays, or nodes are not shielded"
  }
}

run "the_pool_with_which_it_begins_needs_no_ssd" {
  command = plan
  assert {
    condition     = google_container_cluster.this.node_config[0].disk_type == "pd-standard" && google_container_cluster.this.node_config[0].disk_size_gb <= 50
    error_message = "three zones want 300 GB of SSD, and a new project has 250"
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
