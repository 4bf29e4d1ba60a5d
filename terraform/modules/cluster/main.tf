# A private cluster that follows a release channel; its nodes come from node-pool.
resource "google_container_cluster" "this" {
  project             = var.project
  name                = var.name
  location            = var.region
  network             = var.network
  subnetwork          = var.subnetwork
  deletion_protection = var.deletion_protection

  remove_default_node_pool = true
  initial_node_count       = 1
  networking_mode          = "VPC_NATIVE"
  datapath_provider        = "ADVANCED_DATAPATH"

  ip_allocation_policy {
    cluster_secondary_range_name  = "pods"
    services_secondary_range_name = "services"
  }
  private_cluster_config {
    enable_private_nodes    = true
    enable_private_endpoint = false
    master_ipv4_cidr_block  = var.control_plane.range
  }
  # Without an entry nobody outside the network reaches the control plane.
  master_authorized_networks_config {
    dynamic "cidr_blocks" {
      for_each = var.control_plane.callers
      content {
        display_name = cidr_blocks.key
        cidr_block   = cidr_blocks.value
      }
    }
  }
  release_channel {
    channel = var.release_channel
  }
  workload_identity_config {
    workload_pool = "${var.project}.svc.id.goog"
  }
  gateway_api_config {
    channel = "CHANNEL_STANDARD"
  }
}
