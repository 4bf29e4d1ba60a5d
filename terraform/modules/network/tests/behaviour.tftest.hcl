mock_provider "google" {}

variables {
  project = "example-project"
  name    = "canario-staging"
  region  = "us-central1"
}

run "nodes_have_no_public_address_and_reach_the_internet_through_nat" {
  command = plan
  assert {
    condition     = google_compute_network.this.auto_create_subnetworks == false
    error_message = "networks that nobody planned are in it"
  }
  assert {
    condition     = google_compute_subnetwork.nodes.private_ip_google_access
    error_message = "nodes do not reach Google's own services from inside"
  }
  assert {
    condition     = google_compute_router_nat.this.source_subnetwork_ip_ranges_to_nat == "ALL_SUBNETWORKS_ALL_IP_RANGES"
    error_message = "pods do not reach the internet"
  }
}

run "pods_and_services_have_ranges_by_the_names_that_the_cluster_uses" {
  command = plan
  assert {
    condition     = [for range in google_compute_subnetwork.nodes.secondary_ip_range : range.range_name] == ["pods", "services"]
    error_message = "the ranges have other names"
  }
}

run "a_database_finds_a_range_for_its_private_address" {
  command = plan
  assert {
    condition     = google_compute_global_address.managed.purpose == "VPC_PEERING" && google_compute_global_address.managed.address_type == "INTERNAL"
    error_message = "there is no range for it"
  }
  assert {
    condition     = google_service_networking_connection.managed.reserved_peering_ranges == tolist(["canario-staging-managed"])
    error_message = "the range is not that of the connection"
  }
}

run "the_network_waits_for_what_a_deleted_cluster_leaves_for_a_while" {
  command = plan
  assert {
    condition     = google_compute_network.this.timeouts.delete == "20m" && google_compute_subnetwork.nodes.timeouts.delete == "20m"
    error_message = "it gives up too early"
  }
}

run "connections_are_logged" {
  command = plan
  assert {
    condition     = google_compute_subnetwork.nodes.log_config[0].flow_sampling > 0
    error_message = "nobody sees who spoke to whom"
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
